//! From a request to a typed answer or a typed error.

use std::error::Error;
use std::time::Duration;

use atoll_api_types::{Failure, Listing, Success};
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ApiError, Client, ClientError, Page};

/// Largest answer in bytes: an exec with 1 MiB of each output, or a log of 10 MiB, every byte of which JSON may write
/// as six.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Time for an ordinary request: longer than any that only changes or reads records, or makes a sandbox.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Waits before a read is asked again: together about the time that a restart of the server takes.
const RETRY_WAITS: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(400)];

impl Client {
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Reads something; asks again when the server is away for a moment, since reading changes nothing.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, ClientError> {
        for wait in RETRY_WAITS {
            match self.send(self.request(Method::GET, url.clone()).timeout(REQUEST_TIMEOUT)).await {
                Err(error) if error.is_transient() => tokio::time::sleep(wait).await,
                result => return result,
            }
        }
        self.send(self.request(Method::GET, url).timeout(REQUEST_TIMEOUT)).await
    }

    pub(crate) async fn get_data<T: DeserializeOwned>(&self, url: Url) -> Result<T, ClientError> {
        Ok(self.get::<Success<T>>(url).await?.data)
    }

    pub(crate) async fn get_page<T: DeserializeOwned>(
        &self,
        mut url: Url,
        cursor: Option<&str>,
    ) -> Result<Page<T>, ClientError> {
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let listing: Listing<T> = self.get(url).await?;
        Ok(Page { items: listing.data, next_cursor: listing.next_cursor })
    }

    /// Changes something with a JSON body. Never repeated by itself.
    pub(crate) async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        url: Url,
        body: &B,
        timeout: Option<Duration>,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, url).json(body);
        let request = match timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        };
        Ok(self.send::<Success<T>>(request).await?.data)
    }

    /// Changes some fields of something.
    pub(crate) async fn patch<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        url: Url,
        body: &B,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::PATCH, url).json(body).timeout(REQUEST_TIMEOUT);
        Ok(self.send::<Success<T>>(request).await?.data)
    }

    /// Asks for an action that takes no body.
    pub(crate) async fn act<T: DeserializeOwned>(&self, method: Method, url: Url) -> Result<T, ClientError> {
        Ok(self.send::<Success<T>>(self.request(method, url).timeout(REQUEST_TIMEOUT)).await?.data)
    }

    /// Sends, and reads the whole bounded answer.
    pub(crate) async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = request.send().await.map_err(|e| self.lost(e))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(self.failure(status, retry_after, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|e| self.protocol(format!("its answer is not as documented: {e}")))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.lost(e))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.protocol(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The error that a whole answer with a status other than 2xx tells.
    pub(crate) async fn refused(&self, response: Response) -> ClientError {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        match self.body(response).await {
            Ok(body) => self.failure(status, retry_after, &body),
            Err(error) => error,
        }
    }

    /// The error that an answer with a status other than 2xx tells.
    pub(crate) fn failure(
        &self,
        status: StatusCode,
        retry_after_seconds: Option<u64>,
        body: &[u8],
    ) -> ClientError {
        let Ok(failure) = serde_json::from_slice::<Failure>(body) else {
            return self.protocol(format!("status {status} without an error that Atoll would give"));
        };
        ClientError::Api(Box::new(ApiError::new(status.as_u16(), retry_after_seconds, failure.error)))
    }

    pub(crate) fn protocol(&self, detail: String) -> ClientError {
        ClientError::Protocol { url: self.base_url().to_owned(), detail }
    }

    pub(crate) fn lost(&self, error: reqwest::Error) -> ClientError {
        let url = self.base_url().to_owned();
        if let Some(read) = read_error(&error) {
            return ClientError::Read(read);
        }
        let connecting = error.is_connect();
        // The chain of causes is kept, the address in the outermost is not: it is told already.
        let source = error.without_url().into();
        if connecting {
            ClientError::Unreachable { url, source }
        } else {
            ClientError::Interrupted { url, source }
        }
    }
}

/// An error of the file that was being sent, marked by [`crate::images`].
fn read_error(error: &reqwest::Error) -> Option<std::io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(read) = error.downcast_ref::<crate::images::ReadError>() {
            return Some(std::io::Error::new(read.0.kind(), read.0.to_string()));
        }
        cause = error.source();
    }
    None
}
