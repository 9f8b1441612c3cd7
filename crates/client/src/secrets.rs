//! Secrets of environments, and the master key.

use atoll_api_types::{Deleted, RotatedMasterKey, Secret, SecretBody};
use atoll_types::{EnvironmentId, SecretName};
use reqwest::Method;

use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, Page};

impl Client {
    /// `POST /environments/:id/secrets`: processes that start from now on have it.
    ///
    /// # Errors
    /// When there is no such environment, a field is wrong, or it has as many as it may.
    pub async fn secret_set(
        &self,
        environment: &EnvironmentId,
        body: &SecretBody,
    ) -> Result<Secret, ClientError> {
        self.post(self.environment_url(environment, &["secrets"]), body, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /environments/:id/secrets`: names, never values.
    ///
    /// # Errors
    /// When there is no such environment.
    pub async fn secret_list(
        &self,
        environment: &EnvironmentId,
        cursor: Option<&str>,
    ) -> Result<Page<Secret>, ClientError> {
        self.get_page(self.environment_url(environment, &["secrets"]), cursor).await
    }

    /// `DELETE /environments/:id/secrets/:key`.
    ///
    /// # Errors
    /// When there is no such secret.
    pub async fn secret_delete(
        &self,
        environment: &EnvironmentId,
        key: &SecretName,
    ) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.environment_url(environment, &["secrets", key.as_str()])).await
    }

    /// `POST /admin/master-key/rotate`.
    ///
    /// # Errors
    /// To all but the role admin.
    pub async fn master_key_rotate(&self) -> Result<RotatedMasterKey, ClientError> {
        self.act(Method::POST, self.url(&["admin", "master-key", "rotate"])).await
    }
}
