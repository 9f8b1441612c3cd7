//! What users may have: counted in memory, where this node's records are, and brought together with the store at the start.
//!
//! | quota | counted |
//! | --- | --- |
//! | sandboxes, storage | of every sandbox that is not being deleted |
//! | CPU, memory | of those that are to be up |
//! | execs | in the last hour, of a user and of a sandbox; after a start from the audit log |
//! | egress | in this month of UTC, read from running sandboxes every ten seconds, kept in the store every minute |
//!
//! Sizes are what a sandbox may take, not what it takes: what was promised once is not taken away by others.

mod egress;
mod rates;
mod reserve;
mod taken;
mod usage;

use std::collections::HashMap;

use atoll_types::{Quota, QuotaOverride, UserId};
use parking_lot::RwLock;

pub(crate) use egress::Egress;
pub(crate) use rates::ExecRates;
pub(crate) use reserve::{Reservations, Reserved};
pub(crate) use taken::Taken;
pub use usage::{QuotaView, UsageView, Used};

use crate::{Engine, EngineError};

/// What users were given of their own.
#[derive(Debug, Default)]
pub(crate) struct Overrides(RwLock<HashMap<UserId, QuotaOverride>>);

impl Overrides {
    fn of(&self, user: &UserId) -> QuotaOverride {
        self.0.read().get(user).copied().unwrap_or_default()
    }

    fn set(&self, user: &UserId, quota: QuotaOverride) {
        self.0.write().insert(user.clone(), quota);
    }
}

impl Engine {
    /// What a user may have.
    pub(crate) fn quota(&self, user: &UserId) -> Quota {
        let sessions = self.sessions_quota(user);
        sessions.unwrap_or_else(|| self.inner.overrides.of(user).over(self.inner.settings.quota))
    }

    /// Reads what is known of quotas from the store.
    pub(crate) async fn load_quotas(&self) -> Result<(), EngineError> {
        for (user, quota) in self.inner.ports.store.quota_list().await? {
            self.inner.overrides.set(&user, quota);
        }
        self.load_exec_rates().await?;
        self.load_egress().await
    }
}
