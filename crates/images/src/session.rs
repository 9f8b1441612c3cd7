//! One conversation with a registry: who asks, what is tried again, and what an answer means.

use std::time::Duration;

use atoll_ports::RegistryError;
use atoll_types::ImageReference;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, RANGE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time::timeout;

use crate::Patience;
use crate::address::Address;
use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::outside::may_be_asked;

/// Tries where there is no connection: a name is mostly wrong, and a registry that is being restarted is back soon.
const UNREACHABLE_TRIES: u32 = 3;
/// Largest answer with a token, in bytes.
const TOKEN_BYTES_MAX: u64 = 256 << 10;

/// One conversation with a registry.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) http: &'a Client,
    pub(crate) address: Address,
    /// Whether it may name places inside.
    trusted: bool,
    pub(crate) reference: &'a ImageReference,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) patience: Patience,
    /// What a token is to allow.
    pub(crate) actions: &'static str,
    authorization: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a token is to allow where an image is fetched, and where it is pushed.
pub(crate) const PULL: &str = "pull";
pub(crate) const PUSH: &str = "pull,push";

/// Answers that are good where something is fetched.
const FETCHED: [StatusCode; 2] = [StatusCode::OK, StatusCode::PARTIAL_CONTENT];

/// An answer that says to try again.
pub(crate) enum Again {
    Busy(Option<Duration>),
    Failed(String),
    /// There is no connection: a name that is none, or nobody who listens.
    Unreachable(String),
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        http: &'a Client,
        address: Address,
        trusted: bool,
        reference: &'a ImageReference,
        credentials: Option<Credentials>,
        patience: Patience,
    ) -> Self {
        Self { http, address, trusted, reference, credentials, patience, actions: PULL, authorization: None }
    }

    /// Asks for something of the repository, from a position on; again where that may help.
    pub(crate) async fn get(
        &mut self,
        rest: &str,
        accept: &str,
        from: u64,
    ) -> Result<Response, RegistryError> {
        let url = self.address.url(rest)?;
        let accept = accept.to_owned();
        self.ask(&url.clone(), &FETCHED, move |http| {
            let request = http.get(url.clone()).header(ACCEPT, accept.clone());
            if from > 0 { request.header(RANGE, format!("bytes={from}-")) } else { request }
        })
        .await
    }

    /// Asks for something, again where that may help, until an answer is one of those that are `good`. At the registry's own place
    /// it says who asks.
    pub(crate) async fn ask(
        &mut self,
        url: &Url,
        good: &[StatusCode],
        make: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let mut introduced = false;
        let mut tries = 0;
        loop {
            let request = self.signed(url, make(self.http))?;
            let again = match self.send(request).await {
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED && !introduced => {
                    introduced = true;
                    self.introduce(&response).await?;
                    continue;
                }
                Ok(response) => match self.judge(response, good)? {
                    Ok(response) => return Ok(response),
                    Err(again) => again,
                },
                Err(again) => again,
            };
            tries += 1;
            self.rest(tries, again).await?;
        }
    }

    /// Says who asks, at the registry and nowhere else.
    pub(crate) fn signed(&self, url: &Url, request: RequestBuilder) -> Result<RequestBuilder, RegistryError> {
        let own = self.address.url("")?;
        let here = (url.scheme(), url.host(), url.port_or_known_default())
            == (own.scheme(), own.host(), own.port_or_known_default());
        Ok(match &self.authorization {
            Some(authorization) if here => request.header(AUTHORIZATION, authorization.clone()),
            Some(_) | None => request,
        })
    }

    /// Whether a place that the registry names may be asked: with TLS where the registry has it, and not inside.
    pub(crate) fn may_follow(&self, url: &Url) -> bool {
        let secure = url.scheme() == "https" || (self.address.insecure && url.scheme() == "http");
        secure && (self.trusted || may_be_asked(url))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Again> {
        match timeout(self.patience.silence, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(Again::Unreachable(told(&error))),
            Ok(Err(error)) => Err(Again::Failed(told(&error))),
            Err(_) => {
                Err(Again::Failed(format!("no answer within {} ms", self.patience.silence.as_millis())))
            }
        }
    }

    pub(crate) fn judge(
        &self,
        response: Response,
        good: &[StatusCode],
    ) -> Result<Result<Response, Again>, RegistryError> {
        let status = response.status();
        match status {
            status if good.contains(&status) => Ok(Ok(response)),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound(self.reference.clone())),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.denied(status)),
            StatusCode::TOO_MANY_REQUESTS => Ok(Err(Again::Busy(retry_after(&response)))),
            status if status.is_server_error() => {
                let why = format!("it answers {status}");
                Ok(Err(retry_after(&response).map_or(Again::Failed(why), |wait| Again::Busy(Some(wait)))))
            }
            status => Err(RegistryError::Invalid(format!("the registry answers {status}"))),
        }
    }

    pub(crate) fn denied(&self, status: StatusCode) -> RegistryError {
        let who = match &self.credentials {
            Some(_) => "with the credentials of registryAuthFile",
            None => "without credentials; registryAuthFile has none for it",
        };
        RegistryError::Denied(self.reference.clone(), format!("it answers {status} {who}"))
    }

    /// Waits before the next try; an error where there is none.
    pub(crate) async fn rest_after(&self, tries: u32, why: String) -> Result<(), RegistryError> {
        self.rest(tries, Again::Failed(why)).await
    }

    pub(crate) async fn rest(&self, tries: u32, again: Again) -> Result<(), RegistryError> {
        let own = self.patience.wait(tries);
        let unreachable = matches!(again, Again::Unreachable(_));
        let tries_max =
            if unreachable { self.patience.tries.min(UNREACHABLE_TRIES) } else { self.patience.tries };
        let (wait, error) = match again {
            Again::Busy(asked) => (asked.unwrap_or(own).max(own), RegistryError::Busy { retry_after: asked }),
            Again::Failed(why) | Again::Unreachable(why) => (own, RegistryError::Unavailable(why)),
        };
        if tries >= tries_max || wait > self.patience.longest_wait {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Says who asks, in the way that the registry wants.
    pub(crate) async fn introduce(&mut self, response: &Response) -> Result<(), RegistryError> {
        let denied = self.denied(response.status());
        let header = match Challenge::of(response.headers()) {
            Some(Challenge::Basic) => {
                let credentials = self.credentials.as_ref().ok_or(denied)?;
                basic(credentials)
            }
            Some(Challenge::Bearer { realm, service }) => {
                HeaderValue::from_str(&format!("Bearer {}", self.token(&realm, service.as_deref()).await?))
            }
            None => return Err(denied),
        };
        let mut header = header
            .map_err(|_| RegistryError::Invalid("the registry gives a token that is none".to_owned()))?;
        header.set_sensitive(true);
        self.authorization = Some(header);
        Ok(())
    }

    async fn token(&self, realm: &str, service: Option<&str>) -> Result<String, RegistryError> {
        let invalid = || RegistryError::Invalid("the registry names no place to get a token".to_owned());
        let mut url = Url::parse(realm).map_err(|_| invalid())?;
        // A password goes nowhere without TLS, but to a registry that is used without.
        if !self.may_follow(&url) {
            return Err(invalid());
        }
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut()
            .append_pair("scope", &format!("repository:{}:{}", self.address.repository, self.actions));
        let mut tries = 0;
        loop {
            let mut request = self.http.get(url.clone());
            if let Some(credentials) = &self.credentials {
                request = request.basic_auth(&credentials.user, Some(&credentials.password));
            }
            let again = match self.send(request).await {
                Ok(response) => match self.judge(response, &FETCHED)? {
                    Ok(response) => return self.read_token(response).await,
                    Err(again) => again,
                },
                Err(again) => again,
            };
            tries += 1;
            self.rest(tries, again).await?;
        }
    }

    async fn read_token(&self, response: Response) -> Result<String, RegistryError> {
        let bytes = self.read(response, TOKEN_BYTES_MAX, "token").await?;
        let token: Option<Token> = serde_json::from_slice(&bytes).ok();
        let token = token.and_then(|token| token.token.or(token.access_token));
        token.ok_or_else(|| RegistryError::Invalid("the registry gives no token".to_owned()))
    }

    /// The whole of an answer, bounded.
    pub(crate) async fn read(
        &self,
        mut response: Response,
        bytes_max: u64,
        what: &str,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await.map_err(RegistryError::Unavailable)? {
            if (bytes.len() + chunk.len()) as u64 > bytes_max {
                let why = format!("the {what} that the registry sends has more than {bytes_max} bytes");
                return Err(RegistryError::Invalid(why));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The next piece of an answer.
    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, String> {
        match timeout(self.patience.silence, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(format!("it fell silent for {} ms", self.patience.silence.as_millis())),
        }
    }
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    use base64::Engine as _;
    let text = format!("{}:{}", credentials.user, credentials.password);
    HeaderValue::from_str(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)))
}

/// Seconds; a date is as good as nothing.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// What went wrong, without the address: that may have a signature in it.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let mut text =
        if error.is_connect() { "no connection".to_owned() } else { "the answer was cut off".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
