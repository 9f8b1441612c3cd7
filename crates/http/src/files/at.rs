//! Where a file is: a path of any bytes, in the route or in the query, and the user as whom.

use atoll_types::{ErrorCode, FilePath, GuestUser, SandboxId};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::answer::ApiFailure;
use crate::extract::Problems;

/// `/sandboxes/{id}/files/{path}`. A path without a slash at its beginning is looked for in the user's home, then from the
/// root.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct FileRoute {
    /// Id of the sandbox.
    #[param(value_type = String, example = "0k3v9qz8m2xa")]
    pub(crate) id: SandboxId,
    /// Path of the file, with its slashes as they are or percent-encoded. Without a slash at its beginning it is looked
    /// for in the home of the user, then from the root: `hello.txt`, `/etc/hosts` and `etc/hosts` all work.
    #[param(value_type = String, example = "hello.txt")]
    pub(crate) path: FilePath,
}

impl<S: Send + Sync> FromRequestParts<S> for FileRoute {
    type Rejection = ApiFailure;

    /// From the bytes of the request line: names need not be UTF-8.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiFailure> {
        let mut segments = parts.uri.path().splitn(5, '/').skip(2);
        let (id, path) = (segments.next(), segments.nth(1));
        let absent = || {
            ApiFailure::new(
                ErrorCode::SandboxNotFound,
                "there is no such sandbox; GET /sandboxes lists yours",
            )
        };
        let id = id.and_then(|id| id.parse().ok()).ok_or_else(absent)?;
        let path = checked("path", decoded(path.unwrap_or_default(), false))?;
        Ok(Self { id, path })
    }
}

/// A path, or a failure that names the field.
pub(super) fn checked(field: &str, bytes: Vec<u8>) -> Result<FilePath, ApiFailure> {
    FilePath::new(bytes).map_err(|error| ApiFailure::field(field, format!("must be {}", error.expected)))
}

/// The value of `path` in a query, as its bytes; a later part of the query has been checked to give it once.
pub(super) fn path_of_query(query: Option<&str>) -> Result<Option<FilePath>, ApiFailure> {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    match pairs.find(|(key, _)| *key == "path") {
        Some((_, value)) => checked("query.path", decoded(value, true)).map(Some),
        None => Ok(None),
    }
}

/// The user that a query names.
pub(super) fn user(user: Option<String>) -> Result<Option<GuestUser>, ApiFailure> {
    let mut problems = Problems::default();
    let named = user.is_some();
    let user = problems.parse::<GuestUser>("query.user", user);
    problems.finish((user.is_some() || !named).then_some(user))
}

/// Percent-decoded bytes. A percent sign that begins nothing stands for itself.
fn decoded(text: &str, plus_is_space: bool) -> Vec<u8> {
    let digit =
        |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let pair = digit(bytes.get(at)).zip(digit(bytes.get(at + 1))).filter(|_| byte == b'%');
        decoded.push(match (byte, pair) {
            (_, Some((high, low))) => {
                at += 2;
                high << 4 | low
            }
            (b'+', None) if plus_is_space => b' ',
            (byte, None) => byte,
        });
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_decoded_as_they_are() {
        for (text, query, expected) in [
            ("a%20b", false, &b"a b"[..]),
            ("a+b", false, b"a+b"),
            ("a+b", true, b"a b"),
            ("%ff%0A", false, b"\xff\n"),
            ("100%", false, b"100%"),
            ("%4", false, b"%4"),
            ("%zz", false, b"%zz"),
            ("%2Fetc/x", false, b"/etc/x"),
        ] {
            assert_eq!(decoded(text, query), expected, "{text}");
        }
    }

    #[test]
    fn a_query_gives_its_path() {
        let path = |query| path_of_query(Some(query)).map(|path| path.map(|path| path.as_bytes().to_vec()));
        assert_eq!(path("user=root&path=%2Fa%FF").unwrap(), Some(b"/a\xff".to_vec()));
        assert_eq!(path("user=root").unwrap(), None);
        assert!(path("path=").is_err() && path("path=a%00b").is_err());
    }
}
