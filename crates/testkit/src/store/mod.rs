//! A store in memory, held to the same contract as the real one.

mod accounts;
mod audit;
mod class_links;
mod environments;
mod execs;
mod idempotency;
mod images;
mod jobs;
mod page;
mod people;
mod prepared;
mod quotas;
mod sandboxes;
mod secrets;

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use atoll_ports::{
    ApiKeyRecord, AuditRecord, AuditScope, Cas, ClassLinkRecord, Durability, ExecFilter, ExecOutcome,
    ExecRecord, IdempotencyRecord, ImageRecord, InvitationRecord, JobRecord, Page, PreparedRecord,
    SandboxFilter, SandboxRecord, SecretRecord, SessionRecord, Store, StoreError, UserRecord,
};
use atoll_types::{
    ApiKeyId, ClassLinkId, Email, EnvironmentId, ExecId, IdempotencyKey, ImageDigest, ImageName,
    InvitationId, JobId, NodeId, QuotaOverride, SandboxId, SecretName, SessionId, Timestamp, UserId,
};
use parking_lot::Mutex;

use crate::faults::Faults;

/// What a planned fault of the store says.
#[derive(Debug, Clone)]
pub struct StoreFault;

impl From<StoreFault> for StoreError {
    fn from(_: StoreFault) -> Self {
        impossible("do as a test planned")
    }
}

/// An error as the real store gives where a constraint refuses a row.
fn impossible(action: &'static str) -> StoreError {
    StoreError::Database { action, source: "refused".into() }
}

#[derive(Debug, Default)]
struct Tables {
    users: HashMap<UserId, UserRecord>,
    api_keys: HashMap<ApiKeyId, ApiKeyRecord>,
    images: HashMap<ImageName, ImageRecord>,
    sandboxes: HashMap<SandboxId, SandboxRecord>,
    execs: HashMap<ExecId, ExecRecord>,
    jobs: HashMap<JobId, JobRecord>,
    prepared: HashMap<SandboxId, PreparedRecord>,
    audit: Vec<AuditRecord>,
    quotas: HashMap<UserId, QuotaOverride>,
    egress: HashMap<(UserId, u32), u64>,
    audit_last: HashMap<NodeId, u64>,
    sessions: HashMap<SessionId, SessionRecord>,
    invitations: HashMap<InvitationId, InvitationRecord>,
    class_links: HashMap<ClassLinkId, ClassLinkRecord>,
    environments: HashMap<EnvironmentId, environments::Stored>,
    secrets: BTreeMap<(EnvironmentId, SecretName), SecretRecord>,
    idempotency: HashMap<(UserId, IdempotencyKey), IdempotencyRecord>,
}

/// A store in memory. What it holds survives as long as it does: two engines over one `Arc<FakeStore>` are one engine
/// before and after a crash.
#[derive(Debug, Default)]
pub struct FakeStore {
    tables: Mutex<Tables>,
    faults: Faults<StoreFault>,
}

impl FakeStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Faults to plan, by names of the methods of [`Store`].
    pub fn faults(&self) -> &Faults<StoreFault> {
        &self.faults
    }

    /// What passes in the background ask, which tests that plan faults by number do not mean.
    fn quiet<T>(&self, act: impl FnOnce(&mut Tables) -> Result<T, StoreError>) -> Result<T, StoreError> {
        act(&mut self.tables.lock())
    }

    async fn run<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let scope = Self::scope_of(call);
        let entries = scope.as_ref().map(AuditScope::take).unwrap_or_default();
        let done = self.faults.around(call, async || {
            let mut tables = self.tables.lock();
            let done = act(&mut tables)?;
            tables.audit_append(entries.clone());
            Ok(done)
        });
        let done = done.await;
        if let (Err(_), Some(scope)) = (&done, scope) {
            scope.give_back(entries);
        }
        done
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn user_insert(&self, user: &UserRecord) -> Result<(), StoreError> {
        self.run("user_insert", |t| t.user_insert(user)).await
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<UserRecord>, StoreError> {
        self.run("user_by_email", |t| Ok(t.users.values().find(|u| u.email == *email).cloned())).await
    }

    async fn user_get(&self, id: &UserId) -> Result<Option<UserRecord>, StoreError> {
        self.run("user_get", |t| Ok(t.users.get(id).cloned())).await
    }

    async fn user_count(&self) -> Result<u64, StoreError> {
        self.run("user_count", |t| Ok(t.users.len() as u64)).await
    }

    async fn api_key_insert(&self, key: &ApiKeyRecord) -> Result<(), StoreError> {
        self.run("api_key_insert", |t| t.api_key_insert(key)).await
    }

    async fn api_key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.run("api_key_by_hash", |t| Ok(t.api_keys.values().find(|k| k.hash == *hash).cloned())).await
    }

    async fn api_key_list(
        &self,
        owner: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ApiKeyRecord>, StoreError> {
        self.run("api_key_list", |t| t.api_key_list(owner, cursor, limit)).await
    }

    async fn api_key_delete(&self, owner: &UserId, id: &ApiKeyId) -> Result<bool, StoreError> {
        self.run("api_key_delete", |t| Ok(t.api_key_delete(owner, id))).await
    }

    async fn api_key_touch(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        self.run("api_key_touch", |t| {
            t.api_key_touch(id, at);
            Ok(())
        })
        .await
    }

    async fn image_put(&self, image: &ImageRecord) -> Result<(), StoreError> {
        self.run("image_put", |t| t.image_put(image)).await
    }

    async fn image_get(&self, name: &ImageName) -> Result<Option<ImageRecord>, StoreError> {
        self.run("image_get", |t| Ok(t.images.get(name).cloned())).await
    }

    async fn image_list(&self, cursor: Option<&str>, limit: u32) -> Result<Page<ImageRecord>, StoreError> {
        self.run("image_list", |t| t.image_list(cursor, limit)).await
    }

    async fn image_delete(&self, name: &ImageName) -> Result<bool, StoreError> {
        self.run("image_delete", |t| Ok(t.images.remove(name).is_some())).await
    }

    async fn image_digest_used(&self, digest: &ImageDigest) -> Result<bool, StoreError> {
        self.run("image_digest_used", |t| Ok(t.image_digest_used(digest))).await
    }

    async fn sandbox_insert(
        &self,
        record: &SandboxRecord,
        _durability: Durability,
    ) -> Result<SandboxRecord, StoreError> {
        self.run("sandbox_insert", |t| t.sandbox_insert(record)).await
    }

    async fn sandbox_get(&self, id: &SandboxId) -> Result<Option<SandboxRecord>, StoreError> {
        self.run("sandbox_get", |t| Ok(t.sandboxes.get(id).cloned())).await
    }

    async fn sandbox_list(
        &self,
        filter: &SandboxFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SandboxRecord>, StoreError> {
        self.run("sandbox_list", |t| t.sandbox_list(filter, cursor, limit)).await
    }

    async fn sandbox_list_node(&self, node: &NodeId) -> Result<Vec<SandboxRecord>, StoreError> {
        self.run("sandbox_list_node", |t| Ok(t.sandbox_list_node(node))).await
    }

    async fn sandbox_update(
        &self,
        record: &SandboxRecord,
        _durability: Durability,
    ) -> Result<Cas<SandboxRecord>, StoreError> {
        self.run("sandbox_update", |t| t.sandbox_update(record)).await
    }

    async fn sandbox_remove(&self, id: &SandboxId) -> Result<bool, StoreError> {
        self.run("sandbox_remove", |t| Ok(t.sandbox_remove(id))).await
    }

    async fn exec_insert(&self, exec: &ExecRecord) -> Result<(), StoreError> {
        self.run("exec_insert", |t| t.exec_insert(exec)).await
    }

    async fn exec_finish(&self, exec: &ExecRecord) -> Result<(), StoreError> {
        self.run("exec_finish", |t| t.exec_finish(exec)).await
    }

    async fn exec_get(&self, sandbox: &SandboxId, id: &ExecId) -> Result<Option<ExecRecord>, StoreError> {
        self.run("exec_get", |t| Ok(t.execs.get(id).filter(|e| e.sandbox == *sandbox).cloned())).await
    }

    async fn exec_list(
        &self,
        sandbox: &SandboxId,
        filter: &ExecFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ExecRecord>, StoreError> {
        self.run("exec_list", |t| t.exec_list(sandbox, filter, cursor, limit)).await
    }

    async fn exec_list_running(&self, node: &NodeId) -> Result<Vec<ExecRecord>, StoreError> {
        self.run("exec_list_running", |t| Ok(t.exec_list_running(node))).await
    }

    async fn exec_finish_all(&self, sandbox: &SandboxId, outcome: &ExecOutcome) -> Result<u64, StoreError> {
        self.run("exec_finish_all", |t| t.exec_finish_all(sandbox, outcome)).await
    }

    async fn exec_sweep(
        &self,
        finished_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(SandboxId, ExecId)>, StoreError> {
        self.run("exec_sweep", |t| Ok(t.exec_sweep(finished_before, limit))).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.run("flush", |_| Ok(())).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.run("check", |_| Ok(())).await
    }

    async fn job_insert(&self, job: &JobRecord) -> Result<(), StoreError> {
        self.run("job_insert", |t| t.job_insert(job)).await
    }

    async fn job_get(&self, sandbox: &SandboxId, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        self.run("job_get", |t| Ok(t.jobs.get(id).filter(|j| j.sandbox == *sandbox).cloned())).await
    }

    async fn job_list(
        &self,
        sandbox: &SandboxId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<JobRecord>, StoreError> {
        self.run("job_list", |t| t.job_list(sandbox, cursor, limit)).await
    }

    async fn job_list_node(&self, node: &NodeId) -> Result<Vec<JobRecord>, StoreError> {
        self.run("job_list_node", |t| Ok(t.job_list_node(node))).await
    }

    async fn job_update(
        &self,
        job: &JobRecord,
        _durability: Durability,
    ) -> Result<Cas<JobRecord>, StoreError> {
        self.run("job_update", |t| t.job_update(job)).await
    }

    async fn job_remove(&self, sandbox: &SandboxId, id: &JobId) -> Result<bool, StoreError> {
        self.run("job_remove", |t| Ok(t.job_remove(sandbox, id))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn the_fake_keeps_the_contract() {
        crate::contract::store(async || Arc::new(FakeStore::new()) as Arc<dyn Store>).await;
    }
}
