//! Passwords: argon2id with the library's defaults (19 MiB, 2 passes: OWASP's first choice).

use std::num::NonZero;
use std::sync::{LazyLock, OnceLock};
use std::thread::{self, JoinHandle};

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

/// Most passwords that are hashed at once: each takes 19 MiB and a core for some 30 ms.
const HASHES_AT_ONCE_MAX: usize = 4;
/// How far a thread that hashes stands back behind those that answer requests.
const NICE: i32 = 10;

/// Room for hashing, half of the cores: whoever finds none waits, and the rest goes on.
static ROOM: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    Semaphore::new((cores / 2).clamp(1, HASHES_AT_ONCE_MAX))
});

/// Does the work on a thread of its own, which gives way to all others. Once begun it is done, whoever still waits.
async fn stand_back<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
    let room = ROOM.acquire().await.map_err(defect)?;
    let act = move || {
        // Without it the work is only dearer for the others.
        let _nice = rustix::process::nice(NICE);
        let _room = room;
        work()
    };
    // A thread of the pool waits for it: its own priority stays what it is for whatever it does next.
    let wait = move || thread::Builder::new().name("password".to_owned()).spawn(act).map(JoinHandle::join);
    let joined = tokio::task::spawn_blocking(wait).await.map_err(defect)?.map_err(defect)?;
    joined.map_err(|_| EngineError::new(ErrorCode::Internal, "a password could not be handled"))
}

fn defect(error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::new(ErrorCode::Internal, "a password could not be handled").because(error)
}

/// Hashes a password, off the async threads.
pub(crate) async fn hash(password: String) -> Result<String, EngineError> {
    let work = move || Argon2::default().hash_password(password.as_bytes()).map(|h| h.to_string());
    stand_back(work).await?.map_err(defect)
}

/// Checks a new password and hashes it.
pub(crate) async fn hash_new(password: String) -> Result<String, EngineError> {
    check(&password)?;
    hash(password).await
}

/// Compares in the same time whether there is an account or not: without one, with a hash that nothing matches.
pub(crate) async fn verify(password: String, hash: Option<String>) -> Result<bool, EngineError> {
    let exists = hash.is_some();
    let work = move || {
        // Made by whoever comes first, account or not: nobody learns anything from the time that it takes.
        let nobody = nobody();
        let hash = hash.unwrap_or_else(|| nobody.to_owned());
        let parsed = PasswordHash::new(&hash)?;
        Ok::<_, argon2::password_hash::phc::Error>(
            Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok(),
        )
    };
    let matches = stand_back(work).await?.map_err(defect)?;
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
