//! Sandboxes and their logs.

use std::time::Duration;

use atoll_api_types::{
    BulkResult, CreateSandbox, CreatedSandboxes, Deleted, Logs, Metrics, Sandbox, Success,
};
use atoll_types::{EnvironmentId, SandboxId, bounds};
use reqwest::Method;

use crate::stream::log_lines;
use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, LogLines, Page};

/// Which sandboxes of the caller.
#[derive(Debug, Clone, Default)]
pub struct SandboxFilter {
    /// Only those that have all of these labels.
    pub labels: Vec<(String, String)>,
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those that were made of this environment.
    pub environment: Option<EnvironmentId>,
}

/// Which lines of a log.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// At most so many, the last ones.
    pub tail: Option<u32>,
    /// Only from this moment on, in RFC 3339.
    pub since: Option<String>,
}

impl LogFilter {
    pub(crate) fn add_to(&self, url: &mut reqwest::Url) {
        if let Some(tail) = self.tail {
            url.query_pairs_mut().append_pair("tail", &tail.to_string());
        }
        if let Some(since) = &self.since {
            url.query_pairs_mut().append_pair("since", since);
        }
    }
}

/// Time for a request that may wait, for so many seconds or the server's usual, until something is healthy.
fn request_timeout(wait: Option<Option<u32>>) -> Duration {
    let wait = wait.map_or(0, |seconds| seconds.unwrap_or(bounds::HEALTH_WAIT_SECONDS_MAX));
    REQUEST_TIMEOUT.saturating_add(Duration::from_secs(wait.into()))
}

impl Client {
    /// `POST /sandboxes`. Answers when it runs, or is healthy where that is to be waited for, or all of them when `count` is given.
    ///
    /// # Errors
    /// When a field is wrong, a quota is used up, or the runtime fails; then nothing is left of it.
    pub async fn sandbox_create(&self, new: &CreateSandbox) -> Result<Vec<Sandbox>, ClientError> {
        let wait = new.wait_for.as_ref().map(|_| new.wait_seconds);
        match self.post(self.url(&["sandboxes"]), new, Some(request_timeout(wait))).await? {
            CreatedSandboxes::One(sandbox) => Ok(vec![*sandbox]),
            CreatedSandboxes::Many(sandboxes) => Ok(sandboxes),
        }
    }

    /// `GET /sandboxes`, one page.
    ///
    /// # Errors
    /// When a filter is wrong.
    pub async fn sandbox_list(
        &self,
        filter: &SandboxFilter,
        cursor: Option<&str>,
    ) -> Result<Page<Sandbox>, ClientError> {
        let mut url = self.url(&["sandboxes"]);
        for (key, value) in &filter.labels {
            url.query_pairs_mut().append_pair("label", &format!("{key}={value}"));
        }
        if let Some(state) = &filter.state {
            url.query_pairs_mut().append_pair("state", state);
        }
        if let Some(environment) = &filter.environment {
            url.query_pairs_mut().append_pair("environment", environment.as_str());
        }
        self.get_page(url, cursor).await
    }

    /// `GET /sandboxes`, all pages.
    ///
    /// # Errors
    /// When a filter is wrong.
    pub async fn sandbox_list_all(&self, filter: &SandboxFilter) -> Result<Vec<Sandbox>, ClientError> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.sandbox_list(filter, cursor.as_deref()).await?;
            all.extend(page.items);
            if page.next_cursor.is_some() && page.next_cursor == cursor {
                return Err(self.protocol("a page of its list points to itself".to_owned()));
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// `DELETE /sandboxes?label=`: all that have all of these labels.
    ///
    /// # Errors
    /// Without a label.
    pub async fn sandbox_delete_labelled(
        &self,
        labels: &[(String, String)],
    ) -> Result<BulkResult, ClientError> {
        self.act(Method::DELETE, self.labelled(&["sandboxes"], labels)).await
    }

    /// `POST /sandboxes/stop?label=`: all that have all of these labels.
    ///
    /// # Errors
    /// Without a label.
    pub async fn sandbox_stop_labelled(
        &self,
        labels: &[(String, String)],
    ) -> Result<BulkResult, ClientError> {
        self.act(Method::POST, self.labelled(&["sandboxes", "stop"], labels)).await
    }

    fn labelled(&self, segments: &[&str], labels: &[(String, String)]) -> reqwest::Url {
        let mut url = self.url(segments);
        for (key, value) in labels {
            url.query_pairs_mut().append_pair("label", &format!("{key}={value}"));
        }
        url
    }

    /// `GET /sandboxes/:id`.
    ///
    /// # Errors
    /// When there is no such sandbox.
    pub async fn sandbox_get(&self, id: &SandboxId) -> Result<Sandbox, ClientError> {
        self.get_data(self.url(&["sandboxes", id.as_str()])).await
    }

    /// `DELETE /sandboxes/:id`, in any state.
    ///
    /// # Errors
    /// When there is no such sandbox.
    pub async fn sandbox_delete(&self, id: &SandboxId) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.url(&["sandboxes", id.as_str()])).await
    }

    /// `POST /sandboxes/:id/start`.
    ///
    /// # Errors
    /// When there is no such sandbox or it cannot start.
    pub async fn sandbox_start(&self, id: &SandboxId) -> Result<Sandbox, ClientError> {
        self.act(Method::POST, self.url(&["sandboxes", id.as_str(), "start"])).await
    }

    /// The same, which answers when it is healthy. Without a time it is the server's.
    ///
    /// # Errors
    /// As [`Client::sandbox_start`], and when it has no health check, or does not become healthy; then it runs.
    pub async fn sandbox_start_healthy(
        &self,
        id: &SandboxId,
        wait_seconds: Option<u32>,
    ) -> Result<Sandbox, ClientError> {
        let mut url = self.url(&["sandboxes", id.as_str(), "start"]);
        url.query_pairs_mut().append_pair("waitFor", "healthy");
        if let Some(seconds) = wait_seconds {
            url.query_pairs_mut().append_pair("waitSeconds", &seconds.to_string());
        }
        let request = self.request(Method::POST, url).timeout(request_timeout(Some(wait_seconds)));
        Ok(self.send::<Success<Sandbox>>(request).await?.data)
    }

    /// `POST /sandboxes/:id/stop`. Its files stay.
    ///
    /// # Errors
    /// When there is no such sandbox.
    pub async fn sandbox_stop(&self, id: &SandboxId) -> Result<Sandbox, ClientError> {
        self.act(Method::POST, self.url(&["sandboxes", id.as_str(), "stop"])).await
    }

    /// `POST /sandboxes/:id/restart`.
    ///
    /// # Errors
    /// When there is no such sandbox or it cannot start.
    pub async fn sandbox_restart(&self, id: &SandboxId) -> Result<Sandbox, ClientError> {
        self.act(Method::POST, self.url(&["sandboxes", id.as_str(), "restart"])).await
    }

    /// `POST /sandboxes/:id/keepalive`: its idle time begins anew.
    ///
    /// # Errors
    /// When there is no such sandbox or it does not run.
    pub async fn sandbox_keepalive(&self, id: &SandboxId) -> Result<Sandbox, ClientError> {
        self.act(Method::POST, self.url(&["sandboxes", id.as_str(), "keepalive"])).await
    }

    /// `POST /sandboxes/:id/pause`: nothing of it runs until it is resumed.
    ///
    /// # Errors
    /// When there is no such sandbox or it does not run.
    pub async fn sandbox_pause(&self, id: &SandboxId) -> Result<Sandbox, ClientError> {
        self.act(Method::POST, self.url(&["sandboxes", id.as_str(), "pause"])).await
    }

    /// `POST /sandboxes/:id/resume`: it goes on where it was.
    ///
    /// # Errors
    /// When there is no such sandbox or it does not run.
    pub async fn sandbox_resume(&self, id: &SandboxId) -> Result<Sandbox, ClientError> {
        self.act(Method::POST, self.url(&["sandboxes", id.as_str(), "resume"])).await
    }

    /// `GET /sandboxes/:id/metrics`: what it uses; with `pids`, how many processes too.
    ///
    /// # Errors
    /// When there is no such sandbox or it does not run.
    pub async fn sandbox_metrics(&self, id: &SandboxId, pids: bool) -> Result<Metrics, ClientError> {
        let mut url = self.url(&["sandboxes", id.as_str(), "metrics"]);
        if pids {
            url.query_pairs_mut().append_pair("pids", "true");
        }
        self.get_data(url).await
    }

    /// `GET /sandboxes/:id/logs`: what its main process wrote.
    ///
    /// # Errors
    /// When there is no such sandbox.
    pub async fn sandbox_logs(&self, id: &SandboxId, filter: &LogFilter) -> Result<Logs, ClientError> {
        let mut url = self.url(&["sandboxes", id.as_str(), "logs"]);
        filter.add_to(&mut url);
        self.get_data(url).await
    }

    /// `WS /ws/sandboxes/:id/logs`: what its main process has written and writes, until it ends. Connects again when a
    /// connection breaks; nothing is missed, and nothing comes twice.
    #[must_use]
    pub fn sandbox_log_lines(&self, id: &SandboxId, filter: &LogFilter) -> LogLines {
        log_lines(self.clone(), id.clone(), filter.clone())
    }
}
