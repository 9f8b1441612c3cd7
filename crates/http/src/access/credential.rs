//! Where a request holds its token or key.

use axum::http::{HeaderMap, Uri, header};

/// Subprotocol of a WebSocket whose client cannot set headers: `bearer.<token>`.
const BEARER_PROTOCOL: &str = "bearer.";

/// What the request offers: in `Authorization`, in `X-API-Key`, and for a WebSocket in the subprotocol or the query. The
/// first that is there counts. The query counts for WebSockets alone, since other links are shared and logged.
pub(super) fn credential(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(value) = text(header::AUTHORIZATION) {
        let (scheme, token) = value.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned());
    }
    if let Some(key) = text(header::HeaderName::from_static("x-api-key")) {
        return Some(key.trim().to_owned());
    }
    let is_websocket = text(header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    if !is_websocket {
        return None;
    }
    let protocols =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let mut offered = protocols.flat_map(|value| value.split(','));
    if let Some(token) = offered.find_map(|protocol| protocol.trim().strip_prefix(BEARER_PROTOCOL)) {
        return Some(token.to_owned());
    }
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "token")
        .map(|(_, token)| token.into_owned())
}

/// The subprotocol that carried the token: a browser closes a connection whose answer selects none of those it offered.
pub(crate) fn token_protocol(headers: &HeaderMap) -> Option<String> {
    let offered =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let mut protocols = offered.flat_map(|value| value.split(',')).map(str::trim);
    protocols.find(|protocol| protocol.starts_with(BEARER_PROTOCOL)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[("authorization", "Bearer a")], "/", Some("a"))]
    #[case(&[("authorization", "bearer a")], "/", Some("a"))]
    #[case(&[("authorization", "Basic a")], "/", None)]
    #[case(&[("authorization", "a"), ("x-api-key", "sk_b")], "/", None)]
    #[case(&[("x-api-key", "sk_b")], "/", Some("sk_b"))]
    #[case(&[], "/?token=a", None)]
    #[case(&[("upgrade", "websocket")], "/?x=1&token=a%2Bb", Some("a+b"))]
    #[case(&[("upgrade", "WebSocket"), ("sec-websocket-protocol", "x, bearer.a.b.c")], "/?token=d", Some("a.b.c"))]
    #[case(&[("sec-websocket-protocol", "bearer.a")], "/", None)]
    fn it_is_found_where_it_may_be(
        #[case] given: &[(&'static str, &'static str)],
        #[case] uri: &str,
        #[case] found: Option<&str>,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        assert_eq!(credential(&headers, &uri.parse().unwrap()).as_deref(), found);
    }
}
