//! Sign-up and log-in.

use atoll_ports::{AuditScope, Role, StoreError, UserRecord};
use atoll_types::{Email, ErrorCode, UserId};
use tokio::sync::Mutex;

use super::password;
use crate::{Engine, EngineError};

/// The making of accounts: one after the other, so that one only is the first.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    adding: Mutex<()>,
    /// The same for keys, so that their number has a bound.
    pub(super) making_keys: Mutex<()>,
}

async fn hash_new(password: String) -> Result<String, EngineError> {
    password::check(&password)?;
    password::hash(password).await
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
        let text = "sign-up is closed here: ask the operator for an account";
        Err(EngineError::new(ErrorCode::SignupClosed, text))
    }

    async fn add_user(
        &self,
        email: Email,
        password_hash: String,
        role: Role,
    ) -> Result<UserRecord, EngineError> {
        let created_at = self.inner.ports.clock.now();
        let user = UserRecord { id: UserId::random(), email, password_hash, role, created_at };
        AuditScope::by(&user.id);
        match self.inner.ports.store.user_insert(&user).await {
            Ok(()) => Ok(user),
            Err(StoreError::Conflict { .. }) => Err(EngineError::new(
                ErrorCode::EmailTaken,
                "an account with this address exists: log in instead",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks address and password.
    ///
    /// # Errors
    /// `invalid_credentials`, the same for a wrong password and an unknown address.
    pub async fn log_in(&self, email: Email, password: String) -> Result<UserRecord, EngineError> {
        if password.len() > password::PASSWORD_BYTES_MAX {
            return Err(wrong());
        }
        AuditScope::detail("email", email.as_str());
        let user = self.inner.ports.store.user_by_email(&email).await?;
        let right = password::verify(password, user.as_ref().map(|u| u.password_hash.clone())).await?;
        let user = user.filter(|_| right).ok_or_else(wrong)?;
        AuditScope::by(&user.id);
        Ok(user)
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

fn wrong() -> EngineError {
    EngineError::new(ErrorCode::InvalidCredentials, "the address or the password is wrong")
}
