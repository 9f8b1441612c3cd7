//! What an admin does with accounts.

use atoll_ports::{AuditScope, Page, Role, StoreError, UserChange, UserRecord};
use atoll_types::{Desired, ErrorCode, SandboxId, UserId};

use super::password;
use crate::public_session::is_system;
use crate::{Caller, Engine, EngineError, UserEdit};

/// Refuses whoever is no admin.
pub(crate) fn admin(caller: &Caller) -> Result<(), EngineError> {
    match caller.role {
        Role::Admin => Ok(()),
        Role::User => Err(EngineError::new(
            ErrorCode::Forbidden,
            "only an admin may do this; a key needs the scope admin too",
        )),
    }
}

fn absent() -> EngineError {
    EngineError::new(ErrorCode::AccountNotFound, "there is no such account: 'atoll admin user ls' lists all")
}

/// Refuses to change an account of Atoll's own.
fn keep_system(user: &UserRecord) -> Result<(), EngineError> {
    if !is_system(user) {
        return Ok(());
    }
    let text = "this account is Atoll's own, for public sessions: it is neither changed nor deleted";
    Err(EngineError::new(ErrorCode::Forbidden, text))
}

impl Engine {
    /// Every account, newest first.
    ///
    /// # Errors
    /// `forbidden`; a malformed cursor.
    pub async fn admin_user_list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<UserRecord>, EngineError> {
        admin(caller)?;
        Ok(self.inner.ports.store.user_list(cursor, limit).await?)
    }

    /// One account.
    ///
    /// # Errors
    /// `forbidden`, `account_not_found`.
    pub async fn admin_user_get(&self, caller: &Caller, id: &UserId) -> Result<UserRecord, EngineError> {
        admin(caller)?;
        self.inner.ports.store.user_get(id).await?.ok_or_else(absent)
    }

    /// Changes an account. One that is disabled, or gets another password, is logged out everywhere; keys of a disabled one
    /// do not work. Its sandboxes go on.
    ///
    /// # Errors
    /// `forbidden`, `account_not_found`, `last_admin`, a password that is too short.
    pub async fn admin_user_change(
        &self,
        caller: &Caller,
        id: &UserId,
        edit: UserEdit,
    ) -> Result<UserRecord, EngineError> {
        admin(caller)?;
        let password_hash = match edit.password {
            Some(password) => Some(password::hash_new(password).await?),
            None => None,
        };
        let _turn = self.inner.accounts.adding.lock().await;
        let user = self.inner.ports.store.user_get(id).await?.ok_or_else(absent)?;
        keep_system(&user)?;
        if edit.role == Some(Role::User) || edit.disabled == Some(true) {
            self.keep_an_admin(&user).await?;
        }
        let now = self.inner.ports.clock.now();
        let logs_out = edit.disabled == Some(true) || password_hash.is_some();
        let change = UserChange {
            role: edit.role,
            disabled_at: edit.disabled.map(|disabled| disabled.then(|| user.disabled_at.unwrap_or(now))),
            password_hash,
        };
        let changed = self.user_change(id, &change).await?;
        if logs_out {
            self.end_all(id, None).await?;
        }
        Ok(changed)
    }

    /// Writes a change and forgets who it was, so that it counts for the next request.
    pub(super) async fn user_change(
        &self,
        id: &UserId,
        change: &UserChange,
    ) -> Result<UserRecord, EngineError> {
        let changed = self.inner.ports.store.user_update(id, change).await;
        self.inner.sessions.forget_user(id);
        self.inner.keys.forget_user(id);
        self.inner.accounts.changed.tell(id);
        changed?.ok_or_else(absent)
    }

    /// Refuses when no other admin could log in. The caller holds the turn of accounts.
    async fn keep_an_admin(&self, user: &UserRecord) -> Result<(), EngineError> {
        let counts = user.role == Role::Admin && user.disabled_at.is_none();
        if !counts || self.inner.ports.store.admin_count().await? > 1 {
            return Ok(());
        }
        Err(EngineError::new(
            ErrorCode::LastAdmin,
            "this is the last admin who can log in: make another first",
        ))
    }

    /// Removes an account with its keys and log-ins. Its images become the caller's. With `sandboxes`, its sandboxes are
    /// deleted first; else an account that has any is refused.
    ///
    /// # Errors
    /// `forbidden`, `account_not_found`, `last_admin`, `account_in_use`; what a delete of a sandbox fails with: then the
    /// account stays, disabled.
    pub async fn admin_user_delete(
        &self,
        caller: &Caller,
        id: &UserId,
        sandboxes: bool,
    ) -> Result<(), EngineError> {
        admin(caller)?;
        let (engine, caller, id) = (self.clone(), caller.clone(), id.clone());
        let work = async move { engine.user_delete_now(&caller, &id, sandboxes).await };
        self.inner.operations.run_detached("delete account", AuditScope::carry(work)).await?
    }

    async fn user_delete_now(
        &self,
        caller: &Caller,
        id: &UserId,
        sandboxes: bool,
    ) -> Result<(), EngineError> {
        let _turn = self.inner.accounts.adding.lock().await;
        let store = &self.inner.ports.store;
        let user = store.user_get(id).await?.ok_or_else(absent)?;
        keep_system(&user)?;
        self.keep_an_admin(&user).await?;
        let his = self.sandboxes_of(id);
        if !his.is_empty() && !sandboxes {
            let text = format!(
                "this account has {} sandboxes: delete them first, or with it (?sandboxes=delete, 'atoll admin user rm --sandboxes')",
                his.len()
            );
            return Err(EngineError::new(ErrorCode::AccountInUse, text));
        }
        // Nobody makes anything for it any more.
        let now = self.inner.ports.clock.now();
        self.user_change(id, &UserChange { disabled_at: Some(Some(now)), ..UserChange::default() }).await?;
        self.end_all(id, None).await?;
        for sandbox in self.sandboxes_of(id) {
            self.delete_now(&sandbox).await?;
        }
        let removed = store.user_remove(id, &caller.user).await;
        self.inner.keys.forget_user(id);
        self.inner.sessions.forget_user(id);
        match removed {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict { .. }) => Err(EngineError::new(
                ErrorCode::AccountInUse,
                "this account still owns something that must go first; it is disabled meanwhile",
            )),
            Err(error) => Err(error.into()),
        }
    }

    fn sandboxes_of(&self, id: &UserId) -> Vec<SandboxId> {
        let records = self.inner.records.all();
        let his = records.iter().filter(|record| record.owner == *id);
        his.filter(|record| record.desired != Desired::Deleted || record.operation.is_some())
            .map(|record| record.id.clone())
            .collect()
    }
}
