//! Accounts and API keys.

use atoll_api_types::{
    ApiKey, AuthData, ChangePassword, CreateApiKey, CreatedApiKey, Credentials, Deleted, RefreshBody,
    Session, SignUp, User,
};
use atoll_types::{ApiKeyId, SessionId};
use reqwest::Method;

use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, Page};

impl Client {
    /// `POST /auth/signup`.
    ///
    /// # Errors
    /// When the address is taken, sign-up is closed, or a field is wrong.
    pub async fn sign_up(&self, new: &SignUp) -> Result<AuthData, ClientError> {
        self.post(self.url(&["auth", "signup"]), new, Some(REQUEST_TIMEOUT)).await
    }

    /// `POST /auth/login`.
    ///
    /// # Errors
    /// When the address or the password is wrong.
    pub async fn log_in(&self, credentials: &Credentials) -> Result<AuthData, ClientError> {
        self.post(self.url(&["auth", "login"]), credentials, Some(REQUEST_TIMEOUT)).await
    }

    /// `POST /auth/refresh`: a new token for a refresh token, which is good once.
    ///
    /// # Errors
    /// When the log-in is over.
    pub async fn refresh(&self, refresh_token: &str) -> Result<AuthData, ClientError> {
        let body = RefreshBody { refresh_token: Some(refresh_token.to_owned()) };
        self.post(self.url(&["auth", "refresh"]), &body, Some(REQUEST_TIMEOUT)).await
    }

    /// `POST /auth/logout`: ends the log-in that the token is of.
    ///
    /// # Errors
    /// When it is no token of a log-in.
    pub async fn log_out(&self) -> Result<Deleted, ClientError> {
        self.act(Method::POST, self.url(&["auth", "logout"])).await
    }

    /// `POST /auth/password`: all other log-ins end.
    ///
    /// # Errors
    /// When the password until now is wrong.
    pub async fn password_change(&self, change: &ChangePassword) -> Result<User, ClientError> {
        self.post(self.url(&["auth", "password"]), change, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /auth/sessions`.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn session_list(&self, cursor: Option<&str>) -> Result<Page<Session>, ClientError> {
        self.get_page(self.url(&["auth", "sessions"]), cursor).await
    }

    /// `DELETE /auth/sessions/:id`.
    ///
    /// # Errors
    /// When there is no such log-in.
    pub async fn session_end(&self, id: &SessionId) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.url(&["auth", "sessions", id.as_str()])).await
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
