//! Environments, and sandboxes of them.

use atoll_api_types::{
    Deleted, Environment, EnvironmentBody, EnvironmentDiff, EnvironmentVersion, ReplicateSandbox, Sandbox,
    UpdateEnvironment,
};
use atoll_types::{EnvironmentId, SandboxId};
use reqwest::{Method, Url};

use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, Page};

impl Client {
    /// `POST /environments`.
    ///
    /// # Errors
    /// When a field is wrong, or there are as many as may be.
    pub async fn environment_create(&self, body: &EnvironmentBody) -> Result<Environment, ClientError> {
        self.post(self.url(&["environments"]), body, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /environments`, one page.
    ///
    /// # Errors
    /// When the cursor is wrong.
    pub async fn environment_list(&self, cursor: Option<&str>) -> Result<Page<Environment>, ClientError> {
        self.get_page(self.url(&["environments"]), cursor).await
    }

    /// `GET /environments/:id`, with its newest version.
    ///
    /// # Errors
    /// When there is no such environment.
    pub async fn environment_get(&self, id: &EnvironmentId) -> Result<Environment, ClientError> {
        self.get_data(self.environment_url(id, &[])).await
    }

    /// `PUT /environments/:id`: makes the next version.
    ///
    /// # Errors
    /// When there is no such environment, a field is wrong, or somebody else made one at the same moment.
    pub async fn environment_update(
        &self,
        id: &EnvironmentId,
        body: &UpdateEnvironment,
    ) -> Result<Environment, ClientError> {
        let request = self.request(Method::PUT, self.environment_url(id, &[])).json(body);
        Ok(self.send::<atoll_api_types::Success<_>>(request.timeout(REQUEST_TIMEOUT)).await?.data)
    }

    /// `DELETE /environments/:id`, with all its versions.
    ///
    /// # Errors
    /// When there is no such environment, or a sandbox was made of it.
    pub async fn environment_delete(&self, id: &EnvironmentId) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.environment_url(id, &[])).await
    }

    /// `GET /environments/:id/versions`, one page, newest first.
    ///
    /// # Errors
    /// When there is no such environment.
    pub async fn environment_versions(
        &self,
        id: &EnvironmentId,
        cursor: Option<&str>,
    ) -> Result<Page<EnvironmentVersion>, ClientError> {
        self.get_page(self.environment_url(id, &["versions"]), cursor).await
    }

    /// `GET /environments/:id/versions/:version`.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn environment_version(
        &self,
        id: &EnvironmentId,
        version: u32,
    ) -> Result<EnvironmentVersion, ClientError> {
        self.get_data(self.environment_url(id, &["versions", &version.to_string()])).await
    }

    /// `GET /environments/:id/versions/diff`: the newest and the one before, where none are given.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn environment_diff(
        &self,
        id: &EnvironmentId,
        from: Option<u32>,
        to: Option<u32>,
    ) -> Result<EnvironmentDiff, ClientError> {
        let mut url = self.environment_url(id, &["versions", "diff"]);
        for (key, version) in [("from", from), ("to", to)] {
            if let Some(version) = version {
                url.query_pairs_mut().append_pair(key, &version.to_string());
            }
        }
        self.get_data(url).await
    }

    /// `POST /sandboxes/:id/replicate`: another sandbox like this one, but for what the body says.
    ///
    /// # Errors
    /// When there is no such sandbox, a field is wrong, a quota is used up, or the runtime fails.
    pub async fn sandbox_replicate(
        &self,
        id: &SandboxId,
        body: &ReplicateSandbox,
    ) -> Result<Sandbox, ClientError> {
        let url = self.url(&["sandboxes", id.as_str(), "replicate"]);
        self.post(url, body, Some(REQUEST_TIMEOUT)).await
    }

    pub(crate) fn environment_url(&self, id: &EnvironmentId, rest: &[&str]) -> Url {
        let mut segments = vec!["environments", id.as_str()];
        segments.extend(rest);
        self.url(&segments)
    }
}
