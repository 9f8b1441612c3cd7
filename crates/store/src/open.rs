//! Opening and closing.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::StoreError;
use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::{DatabaseConnection, DbErr, SqlxSqliteConnector};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::audit::Note;
use crate::behind::{Behind, Item, OpenBehindError};
use crate::connection::{OwnConnection, connect_error};
use crate::flush::Flush;
use crate::query::exec_writes::End;
use crate::writer::{Writer, WriterHandle};
use crate::{checkpoint, migration, reserve};

/// Connections that read: reads are short, and two cores run no more of them at once.
const READ_CONNECTIONS: u32 = 3;
/// How long one connection waits for another's lock: somebody looks at the file with another program.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a read waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept on each connection: more than there are.
const STATEMENTS_CACHED: usize = 256;
/// Pages in the log beyond which the writer checkpoints by itself (32 MiB): only when the checkpointer cannot keep up.
const WRITER_CHECKPOINT_PAGES: &str = "8000";

/// The journals lie beside the database, under its name with these instead of `db`.
const ENDS_EXTENSION: &str = "ends";
const AUDIT_EXTENSION: &str = "audit";

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer release has changed the tables.
    #[error(
        "the database was made by a newer release of Atoll (it has the migration {migration}): run that release"
    )]
    NewerSchema {
        /// The first migration that this release does not know.
        migration: String,
    },
    /// The file could not be made or opened.
    #[error("the database file {path} could not be opened")]
    File {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What an earlier process left in the journal could not be written to the tables.
    #[error("what is in a journal could not be written to the tables")]
    Journal(#[source] StoreError),
    /// The database failed.
    #[error("the database failed to {action}")]
    Database {
        /// What it was doing.
        action: &'static str,
        /// Why.
        #[source]
        source: DbErr,
    },
}

/// Durable records in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) read: DatabaseConnection,
    pub(crate) writer: WriterHandle,
    pub(crate) ends: Arc<Behind<End>>,
    pub(crate) audit: Arc<Behind<Note>>,
    pub(crate) flush: Flush,
    /// End with this value: they hold a way to the writer.
    behind_tasks: JoinSet<()>,
    writer_task: JoinHandle<()>,
    checkpoint_task: JoinHandle<()>,
    checkpoint_stop: oneshot::Sender<()>,
}

/// Makes the file where it is missing, for its owner alone; SQLite gives its other files the same mode.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let made = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| OpenError::File { path: path.display().to_string(), source })
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        // What a statement of many rows keeps for its own undoing is no business of the disk's: a few pages, once a batch.
        .pragma("temp_store", "MEMORY")
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_CACHED)
        .disable_statement_logging()
}

pub(crate) fn failed(action: &'static str) -> impl FnOnce(DbErr) -> OpenError {
    move |source| OpenError::Database { action, source }
}

pub(crate) async fn open_pool(
    options: SqliteConnectOptions,
    connections: u32,
) -> Result<DatabaseConnection, DbErr> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection to a file does not go stale: no ping before each use.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = pool.connect_with(options).await.map_err(connect_error)?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

/// Opens a journal, and brings what is in it to the tables.
async fn behind<T: Item>(journal: &Path, writer: &WriterHandle) -> Result<Arc<Behind<T>>, OpenError> {
    Behind::open(journal, writer).await.map_err(|error| match error {
        OpenBehindError::File(source) => OpenError::File { path: journal.display().to_string(), source },
        OpenBehindError::Store(source) => OpenError::Journal(source),
    })
}

impl SqliteStore {
    /// Opens the database at `path`, making it where it is missing and bringing its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is no database, or was made by a newer release.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        create_private(path)?;
        let options = options(path);
        let first = open_pool(options.clone(), 1).await.map_err(failed("open"))?;
        if let Err(error) = migration::run(&first).await {
            first.close().await.map_err(failed("close"))?;
            return Err(error);
        }

        let read = open_pool(options.clone().pragma("query_only", "ON"), READ_CONNECTIONS);
        let read = read.await.map_err(failed("open"))?;
        let writing = options.clone().pragma("wal_autocheckpoint", WRITER_CHECKPOINT_PAGES);
        let write = OwnConnection::open(&writing).await.map_err(failed("open"))?;
        // Not before: the last connection that closes gives the log's room back, which a full disk may not have again.
        first.close().await.map_err(failed("close"))?;
        reserve::take(&write, path).await;
        let checkpointing = OwnConnection::open(&options).await.map_err(failed("open"))?;
        Self::start(read, write, checkpointing, path).await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the tasks belong to the store, which is opened before the tasks"
    )]
    async fn start(
        read: DatabaseConnection,
        write: OwnConnection,
        checkpointing: OwnConnection,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let dirty = Arc::new(Notify::new());
        let (checkpoint_stop, stop) = oneshot::channel();
        let checkpoint_task = tokio::spawn(checkpoint::run(checkpointing, Arc::clone(&dirty), stop));
        let (task, writer) = Writer::new(write, dirty);
        let writer_task = tokio::spawn(task.run());
        let ends = behind::<End>(&path.with_extension(ENDS_EXTENSION), &writer).await?;
        let audit = behind::<Note>(&path.with_extension(AUDIT_EXTENSION), &writer).await?;
        let mut behind_tasks = JoinSet::new();
        behind_tasks.spawn(Arc::clone(&ends).run(writer.clone()));
        behind_tasks.spawn(Arc::clone(&audit).run(writer.clone()));
        Ok(Self {
            read,
            writer,
            ends,
            audit,
            flush: Flush::of(path),
            behind_tasks,
            writer_task,
            checkpoint_task,
            checkpoint_stop,
        })
    }

    /// Writes what is queued and closes. Dropping the store does the same, later; what is written behind then stays in its journal.
    ///
    /// # Errors
    /// When the read connections do not close, or a journal cannot be removed.
    pub async fn close(self) -> Result<(), OpenError> {
        let Self {
            read,
            writer,
            ends,
            audit,
            flush: _,
            mut behind_tasks,
            writer_task,
            checkpoint_task,
            checkpoint_stop,
        } = self;
        let emptied = ends.close().await.and(audit.close().await);
        // They hold a way to the writer, which ends with the last of them.
        behind_tasks.shutdown().await;
        drop(writer);
        drop(checkpoint_stop);
        // They end by themselves; a panic of theirs was told by tokio already.
        let _ended = (writer_task.await.is_ok(), checkpoint_task.await.is_ok());
        read.close().await.map_err(failed("close"))?;
        emptied.map_err(|source| OpenError::File { path: "of a journal".to_owned(), source })
    }
}
