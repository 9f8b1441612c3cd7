//! Getting at sessions: of whoever holds one, and of admins.

use std::sync::Arc;

use atoll_ports::{AuditScope, Page, Role, SandboxRecord};
use atoll_types::{Desired, ErrorCode, SandboxId};

use super::create::HOLDER;
use crate::account::admin;
use crate::{Caller, Engine, EngineError, SandboxView};

fn over() -> EngineError {
    EngineError::new(ErrorCode::SessionNotFound, "there is no such session, or it is over: begin a new one")
}

/// Who holds a session, as its record says.
#[must_use]
pub fn holder_of(record: &SandboxRecord) -> Option<&str> {
    let mut labels = record.spec.labels.iter();
    labels.find(|(key, _)| key.as_str() == HOLDER).map(|(_, name)| name.as_str())
}

impl Engine {
    /// Who acts in a session, whose id the edge has found to be genuine.
    ///
    /// # Errors
    /// `sessions_disabled`; `session_not_found` when it is over.
    pub fn public_session(&self, id: &SandboxId) -> Result<Caller, EngineError> {
        self.session_settings()?;
        let record = self.inner.records.get(id).filter(|record| self.is_open(record)).ok_or_else(over)?;
        AuditScope::by(&record.owner);
        Ok(Caller { user: record.owner.clone(), role: Role::User })
    }

    fn is_open(&self, record: &Arc<SandboxRecord>) -> bool {
        self.is_public_session(record) && record.desired != Desired::Deleted
    }

    /// Ends a session with everything in it.
    ///
    /// # Errors
    /// As [`Engine::public_session`]; `runtime_failed`: then it is tried again until it is gone.
    pub async fn public_session_delete(&self, id: &SandboxId) -> Result<(), EngineError> {
        let caller = self.public_session(id)?;
        match self.sandbox_delete(&caller, id).await {
            Err(error) if error.code == ErrorCode::SandboxNotFound => Err(over()),
            done => done,
        }
    }

    /// The sessions that there are, newest first.
    ///
    /// # Errors
    /// `forbidden`; a malformed cursor.
    pub async fn public_session_list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SandboxView>, EngineError> {
        admin(caller)?;
        let Some(user) = self.load_sessions_account().await? else {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        };
        let owner = Caller { user, role: Role::User };
        self.sandbox_list(&owner, Vec::new(), None, None, cursor, limit).await
    }
}
