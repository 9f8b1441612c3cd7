//! Quotas.

use async_trait::async_trait;
use atoll_ports::{QuotaStore, StoreError};
use atoll_types::{QuotaOverride, UserId};

use super::FakeStore;

#[async_trait]
impl QuotaStore for FakeStore {
    async fn quota_list(&self) -> Result<Vec<(UserId, QuotaOverride)>, StoreError> {
        self.quiet(|t| Ok(t.quotas.iter().map(|(user, quota)| (user.clone(), *quota)).collect()))
    }

    async fn quota_put(&self, user: &UserId, quota: &QuotaOverride) -> Result<(), StoreError> {
        self.run("quota_put", |t| {
            if *quota == QuotaOverride::default() {
                t.quotas.remove(user);
            } else if t.users.contains_key(user) {
                t.quotas.insert(user.clone(), *quota);
            } else {
                return Err(StoreError::Absent { what: "user" });
            }
            Ok(())
        })
        .await
    }

    async fn egress_add(&self, month: u32, sent: Vec<(UserId, u64)>) -> Result<(), StoreError> {
        self.quiet(|t| {
            for (user, bytes) in sent {
                if t.users.contains_key(&user) {
                    *t.egress.entry((user, month)).or_default() += bytes;
                }
            }
            Ok(())
        })
    }

    async fn egress_list(&self, month: u32) -> Result<Vec<(UserId, u64)>, StoreError> {
        self.quiet(|t| {
            let of = t.egress.iter().filter(|((_, of), _)| *of == month);
            Ok(of.map(|((user, _), bytes)| (user.clone(), *bytes)).collect())
        })
    }
}
