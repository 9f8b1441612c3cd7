//! Bodies of JSON.

use std::time::Duration;

use atoll_types::{ErrorCode, bounds};
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::Problems;
use super::problem::from_serde;
use crate::answer::ApiFailure;
use crate::bounds::{BODY_TIMEOUT, DISCARD_BYTES_MAX, DISCARD_TIMEOUT};

/// A body of JSON of at most [`bounds::JSON_BODY_BYTES_MAX`]. No body at all is taken as `{}`.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiFailure;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiFailure> {
        let (parts, body) = request.into_parts();
        if let Err(refused) = check_type(&parts.headers) {
            discard(body).await;
            return Err(refused);
        }
        let bytes = read_body(&parts.headers, body).await?;
        parse(if bytes.is_empty() { b"{}" } else { &bytes }).map(Self)
    }
}

impl<T: DeserializeOwned> Json<T> {
    /// The body of a request that may have one of another type.
    pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<T, ApiFailure> {
        parse(&read_body(headers, body).await?)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiFailure> {
    // A list would be taken as the fields in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiFailure::field("body", "is not valid JSON: it must be an object, {\"field\": …}"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.inner();
        if inner.is_syntax() || inner.is_eof() || inner.is_io() {
            let path = error.path().to_string();
            let field = if path == "." || path == "?" { "body" } else { &path };
            return malformed(field, inner);
        }
        from_serde("", &error.path().to_string(), &inner.to_string())
    })?;
    json.end().map_err(|error| ApiFailure::field("body", format!("is not one JSON value: {error}")))?;
    Ok(value)
}

fn malformed(field: &str, error: &serde_json::Error) -> ApiFailure {
    let mut problems = Problems::default();
    problems.add(field, format!("is not valid JSON: {error}"));
    problems.finish::<()>(None).err().unwrap_or_else(|| ApiFailure::field("body", "is not valid JSON"))
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiFailure> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let hint = "the body must be JSON: send it with the header Content-Type: application/json (curl: -H 'Content-Type: application/json')";
    Err(ApiFailure::new(ErrorCode::UnsupportedMediaType, hint))
}

/// The whole of a body of JSON, within its bounds.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiFailure> {
    if content_length(headers).is_some_and(|length| length > as_u64(bounds::JSON_BODY_BYTES_MAX)) {
        discard(body).await;
        return Err(too_large());
    }
    let mut limited = Box::pin(Limited::new(body, bounds::JSON_BODY_BYTES_MAX).collect());
    // Cancel safe enough: a body that is late is given up, with its connection.
    match tokio::time::timeout(BODY_TIMEOUT, &mut limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(ApiFailure::field("body", "ended before it was whole").because(error)),
        Err(_) => Err(ApiFailure::field("body", format!("did not come within {} s", BODY_TIMEOUT.as_secs()))),
    }
}

/// Length that the client announced.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn too_large() -> ApiFailure {
    let message =
        format!("the body must have at most {} MiB; put more into files", bounds::JSON_BODY_BYTES_MAX >> 20);
    ApiFailure::new(ErrorCode::BodyTooLarge, message)
}

/// Reads and throws away what a refused client is still sending, within bounds.
pub(crate) async fn discard(body: Body) {
    discard_within(body, DISCARD_BYTES_MAX, DISCARD_TIMEOUT).await;
}

/// The same, within these bounds.
pub(crate) async fn discard_within(mut body: Body, bytes_max: u64, time_max: Duration) {
    let mut left = bytes_max;
    let drain = async {
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, |data| as_u64(data.len()));
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Late or not, the answer is the same.
    let _late = tokio::time::timeout(time_max, drain).await;
}

#[cfg(test)]
mod tests {
    use atoll_api_types::{CreateSandbox, ExecBody};
    use rstest::rstest;

    use super::*;

    fn refusal<T: DeserializeOwned>(text: &str) -> String {
        let failure = parse::<T>(text.as_bytes()).err().unwrap();
        assert_eq!(failure.code(), ErrorCode::InvalidRequest);
        failure.body(&crate::answer::Trace::of(&HeaderMap::new()).id).error.message
    }

    #[rstest]
    #[case("", "body: is not valid JSON")]
    #[case("{", "body: is not valid JSON")]
    #[case(r#"{"command":"a"} {}"#, "body: is not one JSON value")]
    #[case("{}", "command: is required")]
    #[case("[]", "body: is not valid JSON: it must be an object")]
    #[case("5", "body: is not valid JSON: it must be an object")]
    #[case("null", "body: is not valid JSON: it must be an object")]
    #[case(r#"{"command":5}"#, "command: a string")]
    #[case(r#"{"command":["a",5]}"#, "command: a string")]
    #[case(r#"{"command":"a","command":"b"}"#, "command: is given twice")]
    #[case(r#"{"command":"a","comand":"b"}"#, "comand: is not known here; known: command, async")]
    #[case(r#"{"command":"a","env":{"A":1}}"#, "env.A: invalid type: integer `1`, expected a string")]
    #[case(r#"{"command":"a","env":{"A":"1","B":"2","A":"1"}}"#, "env.A: is given twice")]
    #[case(r#"{"command":"a","env":{"env":"1","env":"2"}}"#, "env.env: is given twice")]
    #[case(r#"{"command":"a","env":[]}"#, "env: invalid type: sequence")]
    #[case(r#"{"command":"a","async":"yes"}"#, "async: invalid type: string")]
    #[case(r#"{"command":"a","timeoutSeconds":-1}"#, "timeoutSeconds: invalid value: integer `-1`")]
    #[case(r#"{"command":"a","timeoutSeconds":1e99}"#, "timeoutSeconds: invalid type: floating")]
    #[case(r#"{"command":"a","stdinEncoding":"hex"}"#, "stdinEncoding: unknown variant `hex`")]
    #[case("{\"command\":\"a\",\"\\u001b[2J\":1}", "\\u{1b}[2J: is not known here")]
    fn the_field_is_named(#[case] body: &str, #[case] expected: &str) {
        let message = refusal::<ExecBody>(body);
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn a_label_that_is_given_twice_is_named() {
        let twice = r#"{"labels":{"team":"a","team":"b"}}"#;
        assert_eq!(refusal::<CreateSandbox>(twice), "labels.team: is given twice");
    }

    #[test]
    fn a_nest_of_lists_is_refused_and_not_followed() {
        let deep = format!(r#"{{"command":{}}}"#, "[".repeat(1 << 20));
        assert!(
            refusal::<CreateSandbox>(&deep).contains(": is not valid JSON: recursion limit"),
            "{}",
            refusal::<CreateSandbox>(&deep)
        );
    }

    #[test]
    fn a_long_value_is_not_given_back() {
        let body = format!(r#"{{"ttlSeconds":"{}"}}"#, "x".repeat(1 << 20));
        assert!(refusal::<CreateSandbox>(&body).len() < 1_000);
    }
}
