//! The task that writes: whatever is queued becomes one transaction.

use std::pin::Pin;
use std::sync::Arc;

use atoll_ports::{AuditScope, Durability, StoreError};
use atoll_types::AuditEntry;
use sea_orm::DbErr;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::audit::Chain;
use crate::connection::OwnConnection;
use crate::error::{failed, is_full};

/// Writes that wait for the task; beyond it callers wait. About what a hundred sandboxes have under way.
const QUEUE_WRITES_MAX: usize = 1_024;
/// Writes of one transaction: bounds how long the first of them waits, about 10 ms.
const BATCH_WRITES_MAX: usize = 256;

/// A future that borrows the connection.
pub(crate) type OnConnection<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// Whether a write must be undone when it fails half way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// It changes something in one statement only, which SQLite undoes by itself.
    One,
    /// It changes something in several, so it gets a savepoint.
    Many,
}

/// A queued write of any kind.
trait Write: Send {
    fn durability(&self) -> Durability;
    fn steps(&self) -> Steps;
    /// Runs it and keeps the result; false when it failed.
    fn run<'c>(
        &'c mut self,
        connection: &'c OwnConnection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>>;
    /// The entries of the audit log that go with it.
    fn audit(&self) -> &[AuditEntry];
    /// Tells the caller: the result, or why the transaction failed.
    fn answer(self: Box<Self>, committed: Result<(), Arc<DbErr>>);
}

struct Typed<T, F> {
    durability: Durability,
    steps: Steps,
    act: Option<F>,
    audit: Vec<AuditEntry>,
    /// Where those came from; they go back there when the write is not made.
    scope: Option<AuditScope>,
    result: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Write for Typed<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c OwnConnection) -> OnConnection<'c, T> + Send,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn steps(&self) -> Steps {
        self.steps
    }

    fn run<'c>(
        &'c mut self,
        connection: &'c OwnConnection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>> {
        Box::pin(async move {
            let Some(act) = self.act.take() else { return false };
            let result = act(connection).await;
            let done = result.is_ok();
            self.result = Some(result);
            done
        })
    }

    fn audit(&self) -> &[AuditEntry] {
        &self.audit
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<DbErr>>) {
        let result = match (self.result, committed) {
            (Some(Err(own)), _) => Err(own),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) if is_full(&error) => Err(StoreError::Full),
            (_, Err(error)) => Err(StoreError::Database { action: "commit", source: Box::new(error) }),
            (None, Ok(())) => Err(closed()),
        };
        if let (Err(_), Some(scope)) = (&result, self.scope) {
            scope.give_back(self.audit);
        }
        // The caller may have gone away; the write stays.
        let _gone = self.caller.send(result).is_err();
    }
}

/// What a write does whose entries of the audit log are all that it has.
fn nothing(_: &OwnConnection) -> OnConnection<'_, ()> {
    Box::pin(async { Ok(()) })
}

fn closed() -> StoreError {
    failed("write")(DbErr::Custom("the store is closed".to_owned()))
}

/// The way to the task. It ends when the last handle is gone.
#[derive(Clone)]
pub(crate) struct WriterHandle(mpsc::Sender<Box<dyn Write>>);

impl std::fmt::Debug for WriterHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriterHandle").field("free", &self.0.capacity()).finish()
    }
}

impl WriterHandle {
    /// Queues a write and waits for its commit. What the task has to say to the audit log goes into the same transaction.
    pub(crate) async fn write<T, F>(
        &self,
        durability: Durability,
        steps: Steps,
        act: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c OwnConnection) -> OnConnection<'c, T> + Send + 'static,
    {
        let scope = AuditScope::current();
        let audit = scope.as_ref().map(AuditScope::take).unwrap_or_default();
        let (caller, answer) = oneshot::channel();
        self.queue(Typed { durability, steps, act: Some(act), audit, scope, result: None, caller }).await?;
        answer.await.map_err(|_| closed())?
    }

    /// Adds entries to the audit log that go with no write.
    pub(crate) async fn write_audit(&self, audit: Vec<AuditEntry>) -> Result<(), StoreError> {
        let (caller, answer) = oneshot::channel();
        self.queue(Typed {
            durability: Durability::Process,
            steps: Steps::One,
            act: Some(nothing),
            audit,
            scope: None,
            result: None,
            caller,
        })
        .await?;
        answer.await.map_err(|_| closed())?
    }

    async fn queue<W: Write + 'static>(&self, write: W) -> Result<(), StoreError> {
        self.0.send(Box::new(write)).await.map_err(|_| closed())
    }

    /// Whether the task runs.
    pub(crate) fn alive(&self) -> bool {
        !self.0.is_closed()
    }
}

/// The task's own things.
pub(crate) struct Writer {
    connection: OwnConnection,
    queue: mpsc::Receiver<Box<dyn Write>>,
    /// What the connection's `synchronous` stands at.
    durability: Option<Durability>,
    /// Told after every commit that did not wait for the disk.
    dirty: Arc<Notify>,
    /// The ends of the chains of the audit log.
    chain: Chain,
}

impl Writer {
    /// A writer on this connection, and the way to it.
    pub(crate) fn new(connection: OwnConnection, dirty: Arc<Notify>) -> (Self, WriterHandle) {
        let (sender, queue) = mpsc::channel(QUEUE_WRITES_MAX);
        (Self { connection, queue, durability: None, dirty, chain: Chain::default() }, WriterHandle(sender))
    }

    /// Writes until the last handle is gone.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_WRITES_MAX);
        while self.queue.recv_many(&mut batch, BATCH_WRITES_MAX).await > 0 {
            let committed = self.commit(&mut batch).await.map_err(Arc::new);
            if let Err(error) = &committed {
                tracing::error!(writes = batch.len(), error = %error, "a transaction of the store failed");
            }
            for write in batch.drain(..) {
                write.answer(committed.clone());
            }
            self.dirty.notify_one();
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the store's connection did not close");
        }
    }

    async fn commit(&mut self, batch: &mut [Box<dyn Write>]) -> Result<(), DbErr> {
        let highest = batch.iter().map(|write| write.durability()).max().unwrap_or(Durability::Power);
        self.set_durability(highest).await?;
        if let [write] = batch
            && write.steps() == Steps::One
            && write.audit().is_empty()
        {
            // One statement is a transaction by itself: two round trips to the connection's thread less.
            write.run(&self.connection).await;
            return Ok(());
        }
        self.connection.run("BEGIN IMMEDIATE").await?;
        let result = self.run_all(batch).await;
        if result.is_err() {
            // What it stands at is read anew.
            self.chain = Chain::default();
            // SQLite may have rolled back already, which makes this one fail: it is in no transaction either way.
            let _over = self.connection.run("ROLLBACK").await.is_err();
        }
        result
    }

    async fn run_all(&mut self, batch: &mut [Box<dyn Write>]) -> Result<(), DbErr> {
        let together = batch.len() > 1;
        let mut audit: Vec<AuditEntry> = Vec::new();
        for write in batch {
            let done = if write.steps() == Steps::Many && together {
                self.run_apart(write.as_mut()).await?
            } else {
                write.run(&self.connection).await
            };
            match done {
                true => audit.extend_from_slice(write.audit()),
                false if together => {}
                false => return self.connection.run("ROLLBACK").await,
            }
        }
        self.chain.append(&self.connection, audit).await?;
        self.connection.run("COMMIT").await
    }

    /// Runs a write of several steps so that it can fail without the others of its transaction.
    async fn run_apart(&self, write: &mut dyn Write) -> Result<bool, DbErr> {
        self.connection.run("SAVEPOINT one_write").await?;
        let done = write.run(&self.connection).await;
        if !done {
            self.connection.run("ROLLBACK TO one_write").await?;
        }
        self.connection.run("RELEASE one_write").await?;
        Ok(done)
    }

    async fn set_durability(&mut self, durability: Durability) -> Result<(), DbErr> {
        if self.durability == Some(durability) {
            return Ok(());
        }
        self.durability = None;
        let sql = match durability {
            Durability::Process => "PRAGMA synchronous = NORMAL",
            Durability::Power => "PRAGMA synchronous = FULL",
        };
        self.connection.run(sql).await?;
        self.durability = Some(durability);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::sqlx::sqlite::SqliteConnectOptions;
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    /// Inserts `n` and then `n + 1`, which fails when it is there already.
    fn insert_two(db: &OwnConnection, n: i64) -> OnConnection<'_, ()> {
        Box::pin(async move {
            for n in [n, n + 1] {
                let insert =
                    Statement::from_sql_and_values(DbBackend::Sqlite, "INSERT INTO t VALUES (?)", [n.into()]);
                db.execute_raw(insert).await.map_err(failed("insert"))?;
            }
            Ok(())
        })
    }

    async fn rows(writer: &WriterHandle) -> Vec<i64> {
        let read = writer.write(Durability::Process, Steps::One, |db| {
            Box::pin(async move {
                let all = Statement::from_string(DbBackend::Sqlite, "SELECT n FROM t ORDER BY n");
                let rows = db.query_all_raw(all).await.map_err(failed("read"))?;
                rows.iter().map(|row| row.try_get("", "n")).collect::<Result<_, _>>().map_err(failed("read"))
            })
        });
        read.await.unwrap()
    }

    #[tokio::test]
    async fn a_write_that_fails_half_way_is_undone_alone() {
        let options = SqliteConnectOptions::new().in_memory(true);
        let connection = OwnConnection::open(&options).await.unwrap();
        connection.execute_unprepared("CREATE TABLE t (n INTEGER PRIMARY KEY)").await.unwrap();
        let (task, writer) = Writer::new(connection, Arc::new(Notify::new()));
        let test = async move {
            let two = |n| writer.write(Durability::Process, Steps::Many, move |db| insert_two(db, n));
            // Queued together: one transaction. 19 fails with its second row, 20.
            let (a, b, c) = tokio::join!(two(20), two(19), two(30));
            assert!(a.is_ok() && b.is_err() && c.is_ok(), "{a:?} {b:?} {c:?}");
            assert_eq!(rows(&writer).await, [20, 21, 30, 31]);
            assert!(two(29).await.is_err(), "alone");
            assert_eq!(rows(&writer).await, [20, 21, 30, 31]);
        };
        tokio::join!(task.run(), test);
    }
}
