//! The handle.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::ClientError;

/// Time to make a connection: long enough for a slow network, short enough for a person who mistyped an address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle time after which the kernel asks whether the server is still there: commands may be silent for hours.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give it to get the next page; none after the last.
    pub next_cursor: Option<String>,
}

/// A handle to one server. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) authorization: Option<HeaderValue>,
}

impl Client {
    /// A client of the server at `base_url`, such as `http://127.0.0.1:3001`. `token` is a bearer token or an `sk_…`
    /// key; a server in single-user mode needs none. Nothing is sent yet.
    ///
    /// Proxies of the environment are not used: the event streams could not go through them.
    ///
    /// # Errors
    /// When the address or the token has a wrong form, or TLS cannot be set up.
    pub fn new(base_url: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let base = parse_base(base_url)?;
        let authorization = token.map(authorization).transpose()?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("atoll-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEPALIVE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy();
        if base.scheme() == "http" {
            // Reading the system's certificates takes longer than a whole command in a sandbox.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|source| ClientError::Setup(source.into()))?;
        Ok(Self { http, base, authorization })
    }

    /// The address of the server, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The address of a route. Segments are percent-encoded, so that none can change the path.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

fn parse_base(text: &str) -> Result<Url, ClientError> {
    let wrong = || ClientError::BaseUrl {
        url: text.to_owned(),
        expected: "it must look like http://127.0.0.1:3001 or https://atoll.example.com",
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain { Ok(url) } else { Err(wrong()) }
}

fn authorization(token: &str) -> Result<HeaderValue, ClientError> {
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ClientError::Token);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "localhost:3001", "ftp://host", "http://", "http://u:p@host", "http://host/?a=1", "host"]
        {
            assert!(matches!(Client::new(text, None), Err(ClientError::BaseUrl { .. })), "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for token in ["", "a b", "a\nb", "é"] {
            assert!(
                matches!(Client::new("http://127.0.0.1:1", Some(token)), Err(ClientError::Token)),
                "{token:?}"
            );
        }
    }

    #[test]
    fn a_segment_cannot_change_the_path() {
        let client = Client::new("http://127.0.0.1:1/prefix/", None).unwrap();
        assert_eq!(
            client.url(&["images", "a/b:c?d"]).as_str(),
            "http://127.0.0.1:1/prefix/images/a%2Fb:c%3Fd"
        );
        assert_eq!(client.base_url(), "http://127.0.0.1:1/prefix");
    }

    #[test]
    fn the_token_is_not_shown() {
        let client = Client::new("http://127.0.0.1:1", Some("sk_secret")).unwrap();
        assert!(!format!("{client:?}").contains("secret"));
    }
}
