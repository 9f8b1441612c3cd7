//! The account of all public sessions.

use atoll_ports::{Role, StoreError, UserRecord};
use atoll_types::{Email, ErrorCode, UserId};

use crate::{Caller, Engine, EngineError};

/// Its address: of a domain that nobody can have (RFC 2606).
const ADDRESS: &str = "sessions@atoll.invalid";
/// In the place of the hash of a password, and of its form: no password has it.
const NO_PASSWORD: &str = "$argon2id$none";

/// Whether an address is Atoll's own, so that nobody makes an account with it.
pub(crate) fn is_reserved(email: &Email) -> bool {
    email.as_str() == ADDRESS
}

/// Whether an account is Atoll's own: nobody logs in to it, and nobody changes it.
pub(crate) fn is_system(user: &UserRecord) -> bool {
    is_reserved(&user.email) && user.password_hash == NO_PASSWORD
}

impl Engine {
    /// Whose sessions are, if there ever were any. Kept in memory once it is known.
    pub(crate) async fn load_sessions_account(&self) -> Result<Option<UserId>, EngineError> {
        let known = &self.inner.public_sessions.account;
        if let Some(id) = known.get() {
            return Ok(Some(id.clone()));
        }
        let found = self.inner.ports.store.user_by_email(&address()?).await?;
        let Some(user) = found else { return Ok(None) };
        if !is_system(&user) {
            // Made by somebody before this address was Atoll's own.
            let text = format!("the account {ADDRESS} is somebody's: an admin must delete it first");
            return Err(EngineError::new(ErrorCode::SessionsUnavailable, text));
        }
        Ok(Some(known.get_or_init(|| user.id).clone()))
    }

    /// Who acts in sessions; the account is made where there is none.
    pub(super) async fn sessions_caller(&self) -> Result<Caller, EngineError> {
        if let Some(user) = self.inner.public_sessions.account.get() {
            return Ok(Caller { user: user.clone(), role: Role::User });
        }
        let _turn = self.inner.accounts.adding.lock().await;
        if let Some(user) = self.load_sessions_account().await? {
            return Ok(Caller { user, role: Role::User });
        }
        let store = &self.inner.ports.store;
        if store.user_count().await? == 0 {
            // The first account is an admin's, and this must not be it.
            let text = "there is no account yet: sign up first";
            return Err(EngineError::new(ErrorCode::SessionsUnavailable, text));
        }
        let user = UserRecord {
            id: UserId::random(),
            email: address()?,
            password_hash: NO_PASSWORD.to_owned(),
            role: Role::User,
            disabled_at: None,
            created_at: self.inner.ports.clock.now(),
        };
        match store.user_insert(&user).await {
            Ok(()) => {}
            // Another serve was faster.
            Err(StoreError::Conflict { .. }) => {
                return Err(EngineError::new(ErrorCode::Unavailable, "try again in a moment"));
            }
            Err(error) => return Err(error.into()),
        }
        let user = self.inner.public_sessions.account.get_or_init(|| user.id).clone();
        Ok(Caller { user, role: Role::User })
    }
}

fn address() -> Result<Email, EngineError> {
    ADDRESS.parse().map_err(|error| EngineError::new(ErrorCode::Internal, "a defect of Atoll").because(error))
}
