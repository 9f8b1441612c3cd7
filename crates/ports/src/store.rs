//! Durable records.

use async_trait::async_trait;
use atoll_types::{
    ApiKeyId, Email, EnvironmentId, ExecId, ExecKind, ExecStatus, ImageDigest, ImageName, JobId, Label,
    NodeId, SandboxId, Timestamp, UserId,
};

use crate::{
    AccountStore, ApiKeyRecord, AuditStore, ClassLinkStore, EnvironmentStore, ExecOutcome, ExecRecord,
    IdempotencyStore, ImageRecord, JobRecord, PreparedStore, QuotaStore, SandboxRecord, SecretStore,
    UserRecord,
};

/// Ranges of host uids on one node, numbered from 0: each has 65,536 uids and belongs to one sandbox.
pub const UID_SLOTS: u32 = 4_000;

/// Most items of one page of a list; a larger limit is taken as this one.
pub const PAGE_ITEMS_MAX: u32 = 1_000;

/// What a write survives once it has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// The death of any process (SQLite WAL, synchronous NORMAL).
    Process,
    /// The loss of power too (synchronous FULL). It makes every earlier write durable as well.
    Power,
}

/// Result of a compare-and-set on a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cas<T> {
    /// Written; the record as it is now.
    Updated(T),
    /// Somebody else wrote before; the record as it is now.
    Stale(T),
    /// There is no such record.
    Absent,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; opaque, safe in a URL; `None` after the last.
    pub next_cursor: Option<String>,
}

/// Which sandboxes a list shows.
#[derive(Debug, Clone, Default)]
pub struct SandboxFilter {
    /// Only this user's.
    pub owner: Option<UserId>,
    /// Only those with all of these labels.
    pub labels: Vec<(Label, Label)>,
    /// Only those that were made of this environment, in any version.
    pub environment: Option<EnvironmentId>,
}

/// Which execs a list shows.
#[derive(Debug, Clone, Default)]
pub struct ExecFilter {
    /// Only with this status.
    pub status: Option<ExecStatus>,
    /// Only of this kind.
    pub kind: Option<ExecKind>,
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something unique exists already: an address, an id, an image name.
    #[error("{what} exists already")]
    Conflict {
        /// What.
        what: &'static str,
    },
    /// What the record belongs to is not there (any more): the owner of a key, the sandbox of an exec.
    #[error("there is no such {what}")]
    Absent {
        /// What.
        what: &'static str,
    },
    /// No range of host uids is free on the node.
    #[error("this node has no free range of user ids: delete sandboxes first")]
    NoUidSlot,
    /// The cursor of a list is malformed.
    #[error("the cursor is not one that a list gave out")]
    BadCursor,
    /// The disk below the database is full: nothing was written.
    #[error("the disk of the records is full")]
    Full,
    /// The database failed.
    #[error("the database failed to {action}")]
    Database {
        /// What it was doing.
        action: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Durable records. Every method is atomic. Not cancel safe, unless dropped before its first poll: a write may or may
/// not have happened.
#[async_trait]
pub trait Store:
    AccountStore
    + AuditStore
    + ClassLinkStore
    + EnvironmentStore
    + IdempotencyStore
    + PreparedStore
    + QuotaStore
    + SecretStore
    + std::fmt::Debug
    + Send
    + Sync
{
    /// Adds an account. The very first one may be made an admin by the caller.
    async fn user_insert(&self, user: &UserRecord) -> Result<(), StoreError>;
    /// By address.
    async fn user_by_email(&self, email: &Email) -> Result<Option<UserRecord>, StoreError>;
    /// By id.
    async fn user_get(&self, id: &UserId) -> Result<Option<UserRecord>, StoreError>;
    /// How many there are.
    async fn user_count(&self) -> Result<u64, StoreError>;

    /// Adds a key.
    async fn api_key_insert(&self, key: &ApiKeyRecord) -> Result<(), StoreError>;
    /// By hash.
    async fn api_key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKeyRecord>, StoreError>;
    /// One user's, newest first.
    async fn api_key_list(
        &self,
        owner: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ApiKeyRecord>, StoreError>;
    /// Removes one of this user's; false when there is none.
    async fn api_key_delete(&self, owner: &UserId, id: &ApiKeyId) -> Result<bool, StoreError>;
    /// Notes a use, without waiting for the disk.
    async fn api_key_touch(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError>;

    /// Adds or replaces the image of a name.
    async fn image_put(&self, image: &ImageRecord) -> Result<(), StoreError>;
    /// By name.
    async fn image_get(&self, name: &ImageName) -> Result<Option<ImageRecord>, StoreError>;
    /// All, by name.
    async fn image_list(&self, cursor: Option<&str>, limit: u32) -> Result<Page<ImageRecord>, StoreError>;
    /// Removes a name; false when there is none.
    async fn image_delete(&self, name: &ImageName) -> Result<bool, StoreError>;
    /// Whether a name, a sandbox or one that is made ahead still stands for this content.
    async fn image_digest_used(&self, digest: &ImageDigest) -> Result<bool, StoreError>;

    /// Adds a sandbox, whose version of an environment must be there, with generation 1 and the lowest free uid slot of its node; `record.uid_slot` and
    /// `record.generation` are ignored. Answers with the record as it was stored.
    async fn sandbox_insert(
        &self,
        record: &SandboxRecord,
        durability: Durability,
    ) -> Result<SandboxRecord, StoreError>;
    /// By id.
    async fn sandbox_get(&self, id: &SandboxId) -> Result<Option<SandboxRecord>, StoreError>;
    /// Newest first.
    async fn sandbox_list(
        &self,
        filter: &SandboxFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SandboxRecord>, StoreError>;
    /// Every sandbox of a node, for the reconciler.
    async fn sandbox_list_node(&self, node: &NodeId) -> Result<Vec<SandboxRecord>, StoreError>;
    /// Writes all that changes of a record (desired, observed, operation, stop_reason, failure, lifetime, started_at,
    /// boot_id, host_ports) if its generation is still `record.generation`, and raises it by one.
    async fn sandbox_update(
        &self,
        record: &SandboxRecord,
        durability: Durability,
    ) -> Result<Cas<SandboxRecord>, StoreError>;
    /// Removes a record, its execs and its jobs if its desired state is `Deleted`; frees its uid slot. True when it was
    /// there.
    async fn sandbox_remove(&self, id: &SandboxId) -> Result<bool, StoreError>;

    /// Adds an exec. Group-committed.
    async fn exec_insert(&self, exec: &ExecRecord) -> Result<(), StoreError>;
    /// Writes how it ended, once: an exec that has ended keeps its first outcome. Also inserts the record when it is
    /// missing. For whoever is in a hurry: what was written survives the death of any process and every later call sees it,
    /// but that the sandbox is not there, or the id somebody else's, may not be told; then nothing changes.
    async fn exec_finish(&self, exec: &ExecRecord) -> Result<(), StoreError>;
    /// By id, within its sandbox.
    async fn exec_get(&self, sandbox: &SandboxId, id: &ExecId) -> Result<Option<ExecRecord>, StoreError>;
    /// One sandbox's, newest first.
    async fn exec_list(
        &self,
        sandbox: &SandboxId,
        filter: &ExecFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ExecRecord>, StoreError>;
    /// All that are still running, of every sandbox of a node.
    async fn exec_list_running(&self, node: &NodeId) -> Result<Vec<ExecRecord>, StoreError>;
    /// Ends every running exec of a sandbox with this outcome (its `last_seq` is kept as given); answers how many.
    async fn exec_finish_all(&self, sandbox: &SandboxId, outcome: &ExecOutcome) -> Result<u64, StoreError>;
    /// Removes ended execs older than this, oldest first, at most `limit`; answers which, so that their logs go too.
    async fn exec_sweep(
        &self,
        finished_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(SandboxId, ExecId)>, StoreError>;

    /// Once it returns, everything that was written before survives the loss of power.
    async fn flush(&self) -> Result<(), StoreError>;
    /// Whether the database answers, for `/health`.
    async fn check(&self) -> Result<(), StoreError>;

    /// Adds a job with generation 1; `job.generation` is ignored. Survives the loss of power.
    async fn job_insert(&self, job: &JobRecord) -> Result<(), StoreError>;
    /// By id, within its sandbox.
    async fn job_get(&self, sandbox: &SandboxId, id: &JobId) -> Result<Option<JobRecord>, StoreError>;
    /// One sandbox's, newest first.
    async fn job_list(
        &self,
        sandbox: &SandboxId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<JobRecord>, StoreError>;
    /// All of every sandbox of a node.
    async fn job_list_node(&self, node: &NodeId) -> Result<Vec<JobRecord>, StoreError>;
    /// Writes all that changes of a record (desired, phase, sandbox_started_at, starts, retries, runs, last_end) if its
    /// generation is still `job.generation`, and raises it by one.
    async fn job_update(&self, job: &JobRecord, durability: Durability)
    -> Result<Cas<JobRecord>, StoreError>;
    /// Removes a record if its desired state is `Deleted`. True when it was there.
    async fn job_remove(&self, sandbox: &SandboxId, id: &JobId) -> Result<bool, StoreError>;
}
