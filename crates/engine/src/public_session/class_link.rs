//! Class links: what is kept of them, so that they can be taken back. The link itself is signed by the edge.

use std::time::Duration;

use atoll_ports::{ClassLinkRecord, Page};
use atoll_types::{ClassLinkId, ErrorCode};

use crate::account::{admin, later};
use crate::{Caller, Engine, EngineError};

/// Links at once: what one look through a list takes in.
const CLASS_LINKS_MAX: u32 = 1_000;

impl Engine {
    /// Notes a new class link, which is good for `sessions_max` sessions at once.
    ///
    /// # Errors
    /// `forbidden`; `sessions_disabled`; `quota_exceeded` beyond 1,000.
    pub async fn class_link_create(
        &self,
        caller: &Caller,
        sessions_max: u32,
        life: Duration,
    ) -> Result<ClassLinkRecord, EngineError> {
        admin(caller)?;
        self.session_settings()?;
        let now = self.inner.ports.clock.now();
        let record = ClassLinkRecord {
            id: ClassLinkId::random(),
            maker: caller.user.clone(),
            sessions_max,
            created_at: now,
            expires_at: later(now, life),
        };
        let store = &self.inner.ports.store;
        // One after the other, so that of many at once no more pass than may.
        let _turn = self.inner.accounts.adding.lock().await;
        let open = store.class_link_list(None, CLASS_LINKS_MAX).await?.items.len();
        if u32::try_from(open).map_or(true, |open| open >= CLASS_LINKS_MAX) {
            let text = format!("there are {open} class links: take some back first");
            return Err(EngineError::new(ErrorCode::QuotaExceeded, text));
        }
        store.class_link_insert(&record).await?;
        Ok(record)
    }

    /// Class links, newest first.
    ///
    /// # Errors
    /// `forbidden`; a malformed cursor.
    pub async fn class_link_list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ClassLinkRecord>, EngineError> {
        admin(caller)?;
        Ok(self.inner.ports.store.class_link_list(cursor, limit).await?)
    }

    /// Takes a class link back: nobody begins a session with it any more. Those that there are go on.
    ///
    /// # Errors
    /// `forbidden`, `class_link_not_found`.
    pub async fn class_link_delete(&self, caller: &Caller, id: &ClassLinkId) -> Result<(), EngineError> {
        admin(caller)?;
        if self.inner.ports.store.class_link_remove(id).await? {
            return Ok(());
        }
        Err(EngineError::new(ErrorCode::ClassLinkNotFound, "there is no such class link"))
    }

    /// Whether a link that is genuine was not taken back.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn class_link_is_open(&self, id: &ClassLinkId) -> Result<bool, EngineError> {
        Ok(self.inner.ports.store.class_link_get(id).await?.is_some())
    }
}
