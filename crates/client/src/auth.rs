//! Accounts and API keys.

use atoll_api_types::{ApiKey, AuthData, CreateApiKey, CreatedApiKey, Credentials, Deleted, User};
use atoll_types::ApiKeyId;
use reqwest::Method;

use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, Page};

impl Client {
    /// `POST /auth/signup`.
    ///
    /// # Errors
    /// When the address is taken, sign-up is closed, or a field is wrong.
    pub async fn sign_up(&self, credentials: &Credentials) -> Result<AuthData, ClientError> {
        self.post(self.url(&["auth", "signup"]), credentials, Some(REQUEST_TIMEOUT)).await
    }

    /// `POST /auth/login`.
    ///
    /// # Errors
    /// When the address or the password is wrong.
    pub async fn log_in(&self, credentials: &Credentials) -> Result<AuthData, ClientError> {
        self.post(self.url(&["auth", "login"]), credentials, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /auth/me`.
    ///
    /// # Errors
    /// When the token is not valid.
    pub async fn me(&self) -> Result<User, ClientError> {
        self.get_data(self.url(&["auth", "me"])).await
    }

    /// `POST /api-keys`. The key is in this answer and never again.
    ///
    /// # Errors
    /// When a field is wrong.
    pub async fn api_key_create(&self, new: &CreateApiKey) -> Result<CreatedApiKey, ClientError> {
        self.post(self.url(&["api-keys"]), new, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /api-keys`.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn api_key_list(&self, cursor: Option<&str>) -> Result<Page<ApiKey>, ClientError> {
        self.get_page(self.url(&["api-keys"]), cursor).await
    }

    /// `DELETE /api-keys/:id`.
    ///
    /// # Errors
    /// When there is no such key.
    pub async fn api_key_delete(&self, id: &ApiKeyId) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.url(&["api-keys", id.as_str()])).await
    }
}
