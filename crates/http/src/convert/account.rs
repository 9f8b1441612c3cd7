//! Accounts and API keys.

use std::time::Duration;

use atoll_api_types::{ApiKey, ChangePassword, CreateApiKey, Credentials, Session, SignUp, User};
use atoll_ports::{ApiKeyRecord, SessionRecord, UserRecord};
use atoll_types::{Email, SandboxName, Scope, Scopes, SessionId, Timestamp};

use super::words;
use crate::answer::ApiFailure;
use crate::bounds::{KEY_SECONDS_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, TOKEN_BYTES_MAX};
use crate::extract::Problems;

/// An address and a password of a length that may be hashed. Addresses are compared in lower case.
pub(crate) fn new_credentials(body: Credentials) -> Result<(Email, String), ApiFailure> {
    let mut problems = Problems::default();
    let email = problems.parse::<Email>("email", Some(body.email.to_lowercase()));
    check_password(&mut problems, "password", &body.password);
    problems.finish(email.map(|email| (email, body.password)))
}

/// The same, with the invitation.
pub(crate) fn new_sign_up(body: SignUp) -> Result<(Email, String, Option<String>), ApiFailure> {
    let mut problems = Problems::default();
    if body.invitation.as_ref().is_some_and(|text| !text.starts_with("inv_") || text.len() > TOKEN_BYTES_MAX)
    {
        problems.add("invitation", "must be an invitation, inv_…");
    }
    let email = problems.parse::<Email>("email", Some(body.email.to_lowercase()));
    check_password(&mut problems, "password", &body.password);
    problems.finish(email.map(|email| (email, body.password, body.invitation)))
}

/// The password until now and the next one.
pub(crate) fn new_passwords(body: ChangePassword) -> Result<(String, String), ApiFailure> {
    let mut problems = Problems::default();
    check_password(&mut problems, "currentPassword", &body.current_password);
    check_password(&mut problems, "newPassword", &body.new_password);
    problems.finish(Some((body.current_password, body.new_password)))
}

/// Notes a password of a length that may not be hashed.
pub(super) fn check_password(problems: &mut Problems, field: &str, password: &str) {
    // Counted no further than needed: the body may be megabytes of one password.
    let chars = password.chars().take(PASSWORD_CHARS_MAX + 1).count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        problems.add(field, format!("must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"));
    }
}

/// A key to make.
pub(crate) struct NewApiKey {
    pub(crate) name: String,
    pub(crate) expires_in: Option<Duration>,
    /// What is asked for; `None`: what is usual.
    pub(crate) scopes: Option<Scopes>,
}

fn new_scopes(problems: &mut Problems, words: &[String]) -> Scopes {
    if words.is_empty() {
        problems.add("scopes", "must name at least one; without the field it is all but admin");
    }
    // No further than there are: the body may be megabytes of one scope.
    let known = words.iter().take(2 * Scope::ALL.len());
    known.filter_map(|word| problems.check("scopes", word.parse::<Scope>())).collect()
}

/// The name, the life and the scopes of a key.
pub(crate) fn new_api_key(body: CreateApiKey) -> Result<NewApiKey, ApiFailure> {
    let mut problems = Problems::default();
    let name = problems.parse::<SandboxName>("name", Some(body.name));
    let seconds = problems.within("expiresInSeconds", body.expires_in_seconds, &(1..=KEY_SECONDS_MAX));
    let scopes = body.scopes.map(|words| new_scopes(&mut problems, &words));
    let expires_in = seconds.map(Duration::from_secs);
    problems.finish(name.map(|name| NewApiKey { name: name.into(), expires_in, scopes }))
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
        scopes: key.scopes.iter().map(|scope| scope.to_string()).collect(),
        created_at: key.created_at.to_rfc3339(),
        expires_at: key.expires_at.map(Timestamp::to_rfc3339),
        last_used_at: key.last_used_at.map(Timestamp::to_rfc3339),
    }
}

pub(crate) fn session_view(session: SessionRecord, current: Option<&SessionId>) -> Session {
    Session {
        current: current == Some(&session.id),
        id: session.id.to_string(),
        address: session.address,
        agent: session.agent,
        created_at: session.created_at.to_rfc3339(),
        used_at: session.used_at.to_rfc3339(),
        expires_at: session.expires_at.to_rfc3339(),
    }
}
