//! Looking at sandboxes.

use std::sync::Arc;

use atoll_ports::{Page, Role, SandboxFilter, SandboxRecord};
use atoll_types::{EnvironmentId, Label, SandboxId, Status, Timestamp};

use super::lifecycle::not_found;
use crate::records::shown;
use crate::{Caller, Engine, EngineError, SandboxView};

/// Rows that a list filtered by state looks at in one request at most; the page may then be short, with a cursor.
const ROWS_LOOKED_AT_MAX: usize = 5_000;

impl Engine {
    /// One sandbox.
    ///
    /// # Errors
    /// `sandbox_not_found`.
    #[expect(clippy::unused_async, reason = "it becomes a query once several replicas write")]
    pub async fn sandbox_get(&self, caller: &Caller, id: &SandboxId) -> Result<SandboxView, EngineError> {
        Ok(self.view(&*self.owned(caller, id)?))
    }

    /// The caller's sandboxes, newest first.
    ///
    /// # Errors
    /// A malformed cursor.
    pub async fn sandbox_list(
        &self,
        caller: &Caller,
        labels: Vec<(Label, Label)>,
        environment: Option<EnvironmentId>,
        status: Option<Status>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SandboxView>, EngineError> {
        let filter = SandboxFilter { owner: Some(caller.user.clone()), labels, environment };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut cursor = cursor.map(str::to_owned);
        let mut looked_at = 0;
        loop {
            let left = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            let page = self.inner.ports.store.sandbox_list(&filter, cursor.as_deref(), left).await?;
            looked_at += page.items.len();
            let views = page.items.iter().map(|r| self.view(r));
            items.extend(views.filter(|v| status.is_none_or(|s| s == v.status)));
            cursor = page.next_cursor;
            if cursor.is_none() || items.len() >= wanted || looked_at >= ROWS_LOOKED_AT_MAX {
                return Ok(Page { items, next_cursor: cursor });
            }
        }
    }

    /// The one way to a sandbox: the record if the caller may have it, and the same answer for one that is another's as
    /// for one that does not exist.
    pub(crate) fn owned(&self, caller: &Caller, id: &SandboxId) -> Result<Arc<SandboxRecord>, EngineError> {
        let record = self.inner.records.get(id).ok_or_else(not_found)?;
        let may = record.owner == caller.user || caller.role == Role::Admin;
        if may { Ok(record) } else { Err(not_found()) }
    }

    /// What is shown of a record.
    pub(crate) fn view(&self, record: &SandboxRecord) -> SandboxView {
        let clock = &self.inner.ports.clock;
        let expires_at = record.lifetime.as_ref().map(|life| {
            let left = crate::timers::left(life, clock.boot_time(), &clock.boot_id());
            let ms =
                clock.now().as_unix_ms().saturating_add(i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
            Timestamp::from_unix_ms(ms)
        });
        let health = self.health_of(record);
        SandboxView { record: record.clone(), status: shown(record), expires_at, health }
    }
}
