//! Passwords: argon2id with the library's defaults (19 MiB, 2 passes: OWASP's first choice).

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use atoll_types::ErrorCode;
use tokio::sync::Semaphore;

use crate::EngineError;

/// Shortest password, in characters.
pub(crate) const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password, in bytes: more only costs time.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1_024;

/// Passwords that are hashed at once: each takes 19 MiB and a core for some 30 ms, so more would only take memory.
const HASHES_AT_ONCE: usize = 4;

/// Room for hashing; whoever finds none waits.
static ROOM: Semaphore = Semaphore::const_new(HASHES_AT_ONCE);

fn defect(error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::new(ErrorCode::Internal, "a password could not be handled").because(error)
}

/// Hashes a password, off the async threads.
pub(crate) async fn hash(password: String) -> Result<String, EngineError> {
    let _room = ROOM.acquire().await.map_err(defect)?;
    let work = move || Argon2::default().hash_password(password.as_bytes()).map(|h| h.to_string());
    tokio::task::spawn_blocking(work).await.map_err(defect)?.map_err(defect)
}

/// Compares in the same time whether there is an account or not: without one, with a hash that nothing matches.
pub(crate) async fn verify(password: String, hash: Option<String>) -> Result<bool, EngineError> {
    let _room = ROOM.acquire().await.map_err(defect)?;
    let exists = hash.is_some();
    let work = move || {
        let hash = hash.unwrap_or_else(|| nobody().to_owned());
        let parsed = PasswordHash::new(&hash)?;
        Ok::<_, argon2::password_hash::phc::Error>(
            Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok(),
        )
    };
    let matches = tokio::task::spawn_blocking(work).await.map_err(defect)?.map_err(defect)?;
    Ok(matches && exists)
}

fn nobody() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        Argon2::default().hash_password(b"nobody's password").map(|h| h.to_string()).unwrap_or_default()
    })
}

/// Checks a new password.
pub(crate) fn check(password: &str) -> Result<(), EngineError> {
    let ok = password.chars().count() >= PASSWORD_CHARS_MIN && password.len() <= PASSWORD_BYTES_MAX;
    if ok { Ok(()) } else { Err(EngineError::field("password", "must have 8 to 1024 characters")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_account_matches() {
        let kept = hash("correct horse".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$"));
        assert!(verify("correct horse".to_owned(), Some(kept.clone())).await.unwrap());
        assert!(!verify("correct house".to_owned(), Some(kept)).await.unwrap());
        assert!(!verify("nobody's password".to_owned(), None).await.unwrap());
    }
}
