//! The refresh cookie of browsers: no script reads it, no other site makes a browser send it, and it goes to one path.

use atoll_ports::SessionRecord;
use axum::http::{HeaderMap, HeaderValue, header};

use crate::Api;

const NAME: &str = "atoll_refresh";
const PATH: &str = "/auth/refresh";

/// The token of the cookie.
pub(super) fn read(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, token)| token.to_owned())
}

/// Whether a page asks: browsers say so with every request that changes something.
pub(super) fn is_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// The cookie that keeps a token for as long as its log-in lasts.
pub(super) fn keep(api: &Api, token: &str, session: &SessionRecord) -> Option<HeaderValue> {
    let left_ms = session.expires_at.as_unix_ms().saturating_sub(session.used_at.as_unix_ms());
    cookie(api, token, left_ms / 1_000)
}

/// The cookie that takes it away.
pub(super) fn forget(api: &Api) -> Option<HeaderValue> {
    cookie(api, "", 0)
}

fn cookie(api: &Api, token: &str, seconds: i64) -> Option<HeaderValue> {
    let secure = if api.settings().access.protection.secure_cookie { "; Secure" } else { "" };
    let text = format!("{NAME}={token}; Path={PATH}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
