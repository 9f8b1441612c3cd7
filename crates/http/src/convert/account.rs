//! Accounts and API keys.

use std::time::Duration;

use atoll_api_types::{ApiKey, CreateApiKey, Credentials, User};
use atoll_ports::{ApiKeyRecord, UserRecord};
use atoll_types::{Email, SandboxName, Timestamp};

use super::words;
use crate::answer::ApiFailure;
use crate::bounds::{KEY_SECONDS_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use crate::extract::Problems;

/// An address and a password of a length that may be hashed. Addresses are compared in lower case.
pub(crate) fn new_credentials(body: Credentials) -> Result<(Email, String), ApiFailure> {
    let mut problems = Problems::default();
    let email = problems.parse::<Email>("email", Some(body.email.to_lowercase()));
    // Counted no further than needed: the body may be megabytes of one password.
    let chars = body.password.chars().take(PASSWORD_CHARS_MAX + 1).count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        problems
            .add("password", format!("must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"));
    }
    problems.finish(email.map(|email| (email, body.password)))
}

/// The name and the life of a key.
pub(crate) fn new_api_key(body: CreateApiKey) -> Result<(String, Option<Duration>), ApiFailure> {
    let mut problems = Problems::default();
    let name = problems.parse::<SandboxName>("name", Some(body.name));
    let seconds = problems.within("expiresInSeconds", body.expires_in_seconds, &(1..=KEY_SECONDS_MAX));
    problems.finish(name.map(|name| (name.into(), seconds.map(Duration::from_secs))))
}

pub(crate) fn user_view(user: &UserRecord) -> User {
    User {
        id: user.id.to_string(),
        email: user.email.to_string(),
        role: words::role(user.role).to_owned(),
        created_at: user.created_at.to_rfc3339(),
    }
}

pub(crate) fn api_key_view(key: ApiKeyRecord) -> ApiKey {
    ApiKey {
        id: key.id.to_string(),
        name: key.name,
        prefix: key.prefix,
        created_at: key.created_at.to_rfc3339(),
        expires_at: key.expires_at.map(Timestamp::to_rfc3339),
        last_used_at: key.last_used_at.map(Timestamp::to_rfc3339),
    }
}
