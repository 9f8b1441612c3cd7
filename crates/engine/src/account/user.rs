//! Sign-up and log-in.

use std::net::IpAddr;

use atoll_ports::{AuditScope, Role, StoreError, UserChange, UserRecord};
use atoll_types::{Email, ErrorCode, SessionId, UserId};
use tokio::sync::Mutex;

use super::attempts::Attempts;
use super::changes::Changes;
use super::password::{self, hash_new};
use crate::public_session::{is_reserved, is_system};
use crate::{Caller, Engine, EngineError};

/// The making of accounts: one after the other, so that one only is the first.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) adding: Mutex<()>,
    /// The same for keys, so that their number has a bound.
    pub(super) making_keys: Mutex<()>,
    pub(super) changed: Changes,
    attempts: Attempts,
}

impl Engine {
    /// Makes an account; the first one of an installation is an admin.
    ///
    /// # Errors
    /// `signup_closed`, `email_taken`, a password that is too short.
    pub async fn sign_up(&self, email: Email, password: String) -> Result<UserRecord, EngineError> {
        // Looked at before the hash, which is dear, and again with the lock in hand, which counts.
        self.role_of_next().await?;
        let password_hash = hash_new(password).await?;
        let _turn = self.inner.accounts.adding.lock().await;
        let role = self.role_of_next().await?;
        self.add_user(email, password_hash, role).await
    }

    /// What the next account would be, if there may be one.
    async fn role_of_next(&self) -> Result<Role, EngineError> {
        if self.inner.ports.store.user_count().await? == 0 {
            return Ok(Role::Admin);
        }
        if self.inner.settings.signup_open {
            return Ok(Role::User);
        }
        let text = "sign-up is closed here: ask an admin for an invitation";
        Err(EngineError::new(ErrorCode::SignupClosed, text))
    }

    async fn add_user(
        &self,
        email: Email,
        password_hash: String,
        role: Role,
    ) -> Result<UserRecord, EngineError> {
        if is_reserved(&email) {
            return Err(taken());
        }
        let created_at = self.inner.ports.clock.now();
        let user =
            UserRecord { id: UserId::random(), email, password_hash, role, disabled_at: None, created_at };
        AuditScope::by(&user.id);
        match self.inner.ports.store.user_insert(&user).await {
            Ok(()) => Ok(user),
            Err(StoreError::Conflict { .. }) => Err(taken()),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks address and password; `from` is where the client is.
    ///
    /// # Errors
    /// `invalid_credentials`, the same for a wrong password and an unknown address; `login_locked` after several;
    /// `account_disabled` where the password is right.
    pub async fn log_in(
        &self,
        email: Email,
        password: String,
        from: IpAddr,
    ) -> Result<UserRecord, EngineError> {
        if password.len() > password::PASSWORD_BYTES_MAX {
            return Err(wrong());
        }
        AuditScope::detail("email", email.as_str());
        let attempts = &self.inner.accounts.attempts;
        attempts.begin(&email, from, self.inner.ports.clock.boot_time())?;
        let user = self.inner.ports.store.user_by_email(&email).await?;
        // An account of Atoll's own has no password: whoever tries it hears what he hears of an address without an account.
        let user = user.filter(|user| !is_system(user));
        let right = password::verify(password, user.as_ref().map(|u| u.password_hash.clone())).await?;
        let user = user.filter(|_| right).ok_or_else(wrong)?;
        attempts.right(&email, from);
        if user.disabled_at.is_some() {
            return Err(EngineError::new(
                ErrorCode::AccountDisabled,
                "this account is disabled: ask an admin to enable it",
            ));
        }
        AuditScope::by(&user.id);
        Ok(user)
    }

    /// Changes the caller's password, and ends his log-ins but `session`. His keys go on working.
    ///
    /// # Errors
    /// `invalid_credentials` when `current` is wrong, `login_locked` after several; a new one that is too short.
    pub async fn password_change(
        &self,
        caller: &Caller,
        session: Option<&SessionId>,
        (current, new): (String, String),
        from: IpAddr,
    ) -> Result<UserRecord, EngineError> {
        let gone = || EngineError::new(ErrorCode::Unauthorized, "this account is gone");
        let user = self.user(&caller.user).await?.ok_or_else(gone)?;
        self.log_in(user.email, current, from).await?;
        let change = UserChange { password_hash: Some(hash_new(new).await?), ..UserChange::default() };
        let changed = self.user_change(&caller.user, &change).await?;
        self.end_all(&caller.user, session).await?;
        Ok(changed)
    }

    /// The account of an id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user(&self, id: &UserId) -> Result<Option<UserRecord>, EngineError> {
        Ok(self.inner.ports.store.user_get(id).await?)
    }

    /// Makes the first account where there is none, and answers with its address and, if it was made up here, its password.
    ///
    /// # Errors
    /// When the store fails or the password given is too short.
    pub async fn ensure_first_account(
        &self,
        email: Option<Email>,
        password: Option<String>,
    ) -> Result<Option<(Email, Option<String>)>, EngineError> {
        if self.inner.ports.store.user_count().await? > 0 {
            return Ok(None);
        }
        let email = match email {
            Some(email) => email,
            None => default_address()?,
        };
        // An id has the right form and enough random bits (100) to be a password.
        let made_up = password.is_none().then(|| atoll_types::ExecId::random().to_string());
        let password = password.or_else(|| made_up.clone()).unwrap_or_default();
        let password_hash = hash_new(password).await?;
        let _turn = self.inner.accounts.adding.lock().await;
        if self.inner.ports.store.user_count().await? > 0 {
            return Ok(None);
        }
        self.add_user(email.clone(), password_hash, Role::Admin).await?;
        Ok(Some((email, made_up)))
    }
}

fn default_address() -> Result<Email, EngineError> {
    "admin@localhost"
        .parse()
        .map_err(|e| EngineError::new(ErrorCode::Internal, "a defect of Atoll").because(e))
}

pub(super) fn taken() -> EngineError {
    let text = "an account with this address exists: log in instead";
    EngineError::new(ErrorCode::EmailTaken, text)
}

fn wrong() -> EngineError {
    EngineError::new(ErrorCode::InvalidCredentials, "the address or the password is wrong")
}
