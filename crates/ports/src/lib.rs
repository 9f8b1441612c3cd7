//! The traits that the engine needs of the outside.
//!
//! Adapters (store, runtimes, agent client, exec logs) implement them; `testkit` has a fake of each, held to the same
//! contract tests. No adapter type is visible here, and no port knows another.

mod accounts;
mod agent;
mod audit;
mod builds;
mod class_links;
mod clock;
mod environments;
mod exec_log;
mod files;
mod idempotency;
mod images;
mod network;
mod prepared;
mod quota;
mod records;
mod registry;
mod runtime;
mod seal;
mod secrets;
mod store;
mod terminal;

pub use accounts::{AccountStore, InvitationRecord, SessionRecord, UserChange};
pub use agent::{
    Activity, AgentError, AgentLink, EXEC_EVENT_BYTES, EventStream, HeldExec, ProbeEnd, StartExec, StdinPiece,
};
pub use audit::{AuditCheck, AuditFilter, AuditRecord, AuditScope, AuditStore, ExecMinute};
pub use builds::{BuildError, BuildOrder, BuildProgress, BuildSource, ImageBuilder};
pub use class_links::{ClassLinkRecord, ClassLinkStore};
pub use clock::Clock;
pub use environments::{EnvironmentRecord, EnvironmentStore, EnvironmentVersion};
pub use exec_log::{ExecLogError, ExecLogReader, ExecLogWriter, ExecLogs, LogPage};
pub use files::{
    ContentIn, ContentOut, FileAt, FileChange, FileEntry, FileEvent, FileEventKind, FileEvents, FileMatch,
    FileMatches, FilePage, FilePart, FileProblem, FileRead, FileSearch, Files, FilesError, Unpacked,
};
pub use idempotency::{IdempotencyRecord, IdempotencyStore, IdempotentAnswer};
pub use images::{Exported, ImageSize, Images, ImagesError, Imported};
pub use network::{
    AgentPorts, AgentShortcut, BridgeGuard, ByteStream, Connection, ContainerAgents, DialError, HostListener,
    HostPortError, HostPorts,
};
pub use prepared::{PreparedRecord, PreparedStore};
pub use quota::QuotaStore;
pub use records::{
    ApiKeyRecord, ExecOutcome, ExecRecord, ImageRecord, JobRecord, Lifetime, OperationRecord, Role,
    SandboxRecord, UserRecord,
};
pub use registry::{Fetched, Outgoing, PullProgress, PushProgress, Pushed, Registry, RegistryError};
pub use runtime::{
    Abilities, FoundSandbox, Runtime, RuntimeError, RuntimeEvent, RuntimeInfo, StartRequest, Started,
    StorageInfo, Usage,
};
pub use seal::{Seal, SealError};
pub use secrets::{SecretRecord, SecretStore};
pub use store::{
    Cas, Durability, ExecFilter, PAGE_ITEMS_MAX, Page, SandboxFilter, Store, StoreError, UID_SLOTS,
};
pub use terminal::{
    HeldTerminal, OpenTerminal, TerminalAttached, TerminalEvent, TerminalKey, TerminalLink, TerminalStream,
};
