//! Background jobs.

use atoll_api_types::{Deleted, Job, JobBody, Logs};
use atoll_types::{JobId, SandboxId};
use reqwest::{Method, Url};

use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, LogFilter, Page};

impl Client {
    /// `POST /sandboxes/:id/background`. Answers once it is written down; its runs are execs.
    ///
    /// # Errors
    /// When a field is wrong, the sandbox does not run, or has as many jobs as it may.
    pub async fn job_create(&self, sandbox: &SandboxId, body: &JobBody) -> Result<Job, ClientError> {
        self.post(self.jobs_url(sandbox), body, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /sandboxes/:id/background`, one page.
    ///
    /// # Errors
    /// When there is no such sandbox.
    pub async fn job_list(
        &self,
        sandbox: &SandboxId,
        cursor: Option<&str>,
    ) -> Result<Page<Job>, ClientError> {
        self.get_page(self.jobs_url(sandbox), cursor).await
    }

    /// `GET /sandboxes/:id/background/:job_id`.
    ///
    /// # Errors
    /// When there is no such job.
    pub async fn job_get(&self, sandbox: &SandboxId, job: &JobId) -> Result<Job, ClientError> {
        self.get_data(self.job_url(sandbox, job, None)).await
    }

    /// `DELETE /sandboxes/:id/background/:job_id`: TERM to its process group, KILL after ten seconds; answers when it is gone.
    ///
    /// # Errors
    /// When there is no such job, or it does not end.
    pub async fn job_delete(&self, sandbox: &SandboxId, job: &JobId) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.job_url(sandbox, job, None)).await
    }

    /// `GET /sandboxes/:id/background/:job_id/logs`: what its last runs wrote.
    ///
    /// # Errors
    /// When there is no such job.
    pub async fn job_logs(
        &self,
        sandbox: &SandboxId,
        job: &JobId,
        filter: &LogFilter,
    ) -> Result<Logs, ClientError> {
        let mut url = self.job_url(sandbox, job, Some("logs"));
        if let Some(tail) = filter.tail {
            url.query_pairs_mut().append_pair("tail", &tail.to_string());
        }
        if let Some(since) = &filter.since {
            url.query_pairs_mut().append_pair("since", since);
        }
        self.get_data(url).await
    }

    fn jobs_url(&self, sandbox: &SandboxId) -> Url {
        self.url(&["sandboxes", sandbox.as_str(), "background"])
    }

    fn job_url(&self, sandbox: &SandboxId, job: &JobId, last: Option<&str>) -> Url {
        let mut segments = vec!["sandboxes", sandbox.as_str(), "background", job.as_str()];
        segments.extend(last);
        self.url(&segments)
    }
}
