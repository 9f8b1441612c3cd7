//! What users have used, and who is told of it.

use atoll_ports::Role;
use atoll_types::{ErrorCode, Quota, QuotaOverride, UserId};

use crate::counters::Violation;
use crate::{Caller, Engine, EngineError};

/// Part of a quota, in percent, from which on its user is warned.
const WARNING_PERCENT: u64 = 80;

/// One quota, and how much of it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Now.
    pub used: u64,
    /// At most.
    pub limit: u64,
}

impl Used {
    /// Whether it is nearly used up.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        is_warning(self.used, self.limit)
    }
}

fn is_warning(used: u64, limit: u64) -> bool {
    u128::from(used) * 100 >= u128::from(limit) * u128::from(WARNING_PERCENT)
}

/// What a user has used of his quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageView {
    /// Sandboxes in any state.
    pub sandboxes: Used,
    /// Thousandths of a core of those that are up.
    pub cpu_millis: Used,
    /// Bytes of memory of those that are up.
    pub memory_bytes: Used,
    /// Bytes of disk of all.
    pub storage_bytes: Used,
    /// Bytes sent in this month.
    pub egress_bytes: Used,
    /// Commands of the last hour.
    pub execs_per_hour: Used,
}

/// What a user may have, and what of it the operator gave him.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaView {
    /// In all.
    pub quota: Quota,
    /// What is his own of it.
    pub own: QuotaOverride,
}

impl Engine {
    /// What the caller has used of his quota.
    #[must_use]
    pub fn usage(&self, caller: &Caller) -> UsageView {
        let user = &caller.user;
        let (quota, taken) = (self.quota(user), self.taken(user));
        let used = |used, limit| Used { used, limit };
        UsageView {
            sandboxes: used(taken.sandboxes, quota.sandboxes),
            cpu_millis: used(taken.cpu_millis, quota.cpu_millis),
            memory_bytes: used(taken.memory_bytes, quota.memory_bytes),
            storage_bytes: used(taken.storage_bytes, quota.storage_bytes),
            egress_bytes: used(self.egress_used(user), quota.egress_bytes),
            execs_per_hour: used(self.execs_used(user), quota.execs_per_hour),
        }
    }

    /// What a user may have.
    ///
    /// # Errors
    /// `forbidden` for who is no admin; `account_not_found`.
    pub async fn quota_get(&self, caller: &Caller, user: &UserId) -> Result<QuotaView, EngineError> {
        self.admin_of(caller, user).await?;
        Ok(QuotaView { quota: self.quota(user), own: self.inner.overrides.of(user) })
    }

    /// Gives a user something in place of the settings. What he has beyond stays, and no more comes.
    ///
    /// # Errors
    /// `forbidden` for who is no admin; `account_not_found`.
    pub async fn quota_set(
        &self,
        caller: &Caller,
        user: &UserId,
        own: QuotaOverride,
    ) -> Result<QuotaView, EngineError> {
        self.admin_of(caller, user).await?;
        self.inner.ports.store.quota_put(user, &own).await?;
        self.inner.overrides.set(user, own);
        Ok(QuotaView { quota: self.quota(user), own })
    }

    async fn admin_of(&self, caller: &Caller, user: &UserId) -> Result<(), EngineError> {
        if caller.role != Role::Admin {
            return Err(EngineError::new(
                ErrorCode::Forbidden,
                "only an admin may see and change quotas of users",
            ));
        }
        match self.user(user).await? {
            Some(_) => Ok(()),
            None => Err(EngineError::new(ErrorCode::AccountNotFound, "there is no such user")),
        }
    }

    /// Tells a user once that a quota is nearly used up: when it comes to that.
    pub(super) fn warn_of(&self, user: &UserId, kind: Violation, had: u64, has: u64, most: u64) {
        if has > had && is_warning(has, most) && !is_warning(had, most) {
            let data =
                [("quota", kind.as_str().to_owned()), ("used", has.to_string()), ("limit", most.to_string())];
            self.event("quota.warning", Some(user), None, data.into_iter().collect());
        }
    }
}
