//! Without tokens, a page of any site that the operator's browser shows could speak for him. So a single-user server
//! answers only requests that are addressed to loopback by name, and that no foreign page sent.

use axum::http::{HeaderMap, Uri, header};

/// Whether the request is addressed to loopback, and comes from no page or from one of this server.
pub(super) fn is_same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("invalid"));
    let host = text(header::HOST).or_else(|| uri.authority().map(|a| a.as_str()));
    host.is_some_and(is_loopback) && is_from_here(headers, uri)
}

/// Whether the request comes from no page, or from one of this server. Browsers tell the origin of the page whenever they
/// open a WebSocket, and other clients need not.
pub(crate) fn is_from_here(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("invalid"));
    let Some(origin) = text(header::ORIGIN) else { return true };
    let host = text(header::HOST).or_else(|| uri.authority().map(|a| a.as_str()));
    origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("localhost:3001", None, true)]
    #[case("127.0.0.1:3001", None, true)]
    #[case("[::1]:3001", Some("http://[::1]:3001"), true)]
    #[case("localhost:3001", Some("http://localhost:3001"), true)]
    #[case("localhost:3001", Some("http://localhost:8001"), false)]
    #[case("localhost:3001", Some("https://evil.example"), false)]
    #[case("localhost:3001", Some("null"), false)]
    #[case("evil.example", None, false)]
    #[case("127.0.0.1.evil.example", None, false)]
    fn foreign_pages_and_names_are_told_apart(
        #[case] host: &'static str,
        #[case] origin: Option<&'static str>,
        #[case] same: bool,
    ) {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_static(origin));
        }
        assert_eq!(is_same_origin(&headers, &Uri::from_static("/")), same);
    }
}
