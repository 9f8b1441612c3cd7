//! Writing execs: the store's hottest statements, as plain SQL from the cache of prepared ones.

use atoll_ports::{ExecOutcome, ExecRecord, StoreError};
use atoll_types::{ExecId, ExecStatus, SandboxId, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use super::statement;
use crate::entity::exec::Model;
use crate::error::{Columns, Refusal, failed, sql_json, sql_number, unstorable};
use crate::words::Word;

const ADD: &str = "add an exec";
const FINISH: &str = "finish an exec";
const SWEEP: &str = "remove old execs";

/// An outcome whose parts contradict each other; the columns cannot say it.
#[derive(Debug, thiserror::Error)]
#[error("an exec with the status {status} has an outcome that contradicts it")]
struct ContradictionError {
    status: &'static str,
}

/// The columns of an outcome, in the order of all statements; nulls while it runs.
fn outcome_values(
    action: &'static str,
    status: ExecStatus,
    outcome: Option<&ExecOutcome>,
) -> Result<[Value; 7], StoreError> {
    let exit = outcome.and_then(|o| o.exit.as_ref());
    let (exits, timed_out) = match status {
        ExecStatus::Exited => (true, false),
        ExecStatus::TimedOut => (true, true),
        ExecStatus::Running | ExecStatus::Failed | ExecStatus::Lost => (false, false),
    };
    let fits = exit.is_some() == exits && exit.is_some_and(|e| e.timed_out) == timed_out;
    if outcome.is_some_and(|o| o.status != status) || !fits {
        return Err(unstorable(action, ContradictionError { status: status.word() }));
    }
    let last_seq = outcome.map(|o| sql_number(action, o.last_seq)).transpose()?;
    let duration_ms = outcome.map(|o| sql_number(action, o.duration_ms)).transpose()?;
    Ok([
        status.word().into(),
        outcome.and_then(|o| o.exit.as_ref()).map(|e| e.code).into(),
        last_seq.into(),
        outcome.map(|o| o.finished_at.as_unix_ms()).into(),
        duration_ms.into(),
        outcome.map(|o| o.truncated).into(),
        outcome.and_then(|o| o.failure.clone()).into(),
    ])
}

/// Inserts nothing where the sandbox is not there.
pub(crate) fn insert_statement(exec: &ExecRecord) -> Result<Statement, StoreError> {
    let sql = "INSERT INTO execs (id, sandbox_id, node_id, kind, spec, created_at, \
        status, exit_code, last_seq, finished_at, duration_ms, truncated, failure) \
        SELECT ?1, id, node_id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM sandboxes WHERE id = ?2";
    let fixed: [Value; 5] = [
        exec.id.as_str().into(),
        exec.sandbox.as_str().into(),
        exec.kind.word().into(),
        sql_json(ADD, &exec.spec)?.into(),
        exec.created_at.as_unix_ms().into(),
    ];
    let values = fixed.into_iter().chain(outcome_values(ADD, exec.status, exec.outcome.as_ref())?);
    Ok(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
}

pub(crate) async fn insert(db: &impl ConnectionTrait, insert: Statement) -> Result<(), StoreError> {
    let refusal = Refusal { action: ADD, unique: "exec id", parent: "sandbox" };
    let done = db.execute_raw(insert).await.map_err(|e| refusal.error(e))?;
    if done.rows_affected() == 0 { Err(StoreError::Absent { what: "sandbox" }) } else { Ok(()) }
}

/// What a second end of an exec leaves as it is.
const ENDS_ONCE: &str = " ON CONFLICT (id) DO UPDATE SET status = excluded.status, exit_code = excluded.exit_code, \
    last_seq = excluded.last_seq, finished_at = excluded.finished_at, duration_ms = excluded.duration_ms, \
    truncated = excluded.truncated, failure = excluded.failure \
    WHERE execs.status = 'running' AND execs.sandbox_id = excluded.sandbox_id";

/// An end to write: the row of the exec, as JSON.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) exec: ExecId,
    pub(crate) sandbox: SandboxId,
    pub(crate) row: String,
}

impl End {
    /// Refuses what contradicts itself.
    pub(crate) fn new(exec: &ExecRecord) -> Result<Self, StoreError> {
        let Some(outcome) = exec.outcome.as_ref().filter(|o| o.status != ExecStatus::Running) else {
            return Err(unstorable(FINISH, ContradictionError { status: exec.status.word() }));
        };
        outcome_values(FINISH, outcome.status, Some(outcome))?;
        let row = sql_json(FINISH, &Model::of(&ExecRecord { status: outcome.status, ..exec.clone() })?)?;
        Ok(Self { exec: exec.id.clone(), sandbox: exec.sandbox.clone(), row })
    }
}

/// Ends execs where they run; keeps ends that they have; adds those that are missing. Leaves out those whose sandbox is not
/// there. One statement for all: each one costs a round trip to the connection's thread.
pub(crate) fn finish_statement<'a>(ends: impl Iterator<Item = &'a End>) -> Statement {
    let rows: Vec<&str> = ends.map(|end| end.row.as_str()).collect();
    let columns =
        ["kind", "spec", "created_at", "status", "exit_code", "last_seq", "finished_at", "duration_ms"];
    let read: String = columns.map(|column| format!("e.value ->> '{column}', ")).concat();
    let sql = format!(
        "INSERT INTO execs (id, sandbox_id, node_id, {}, truncated, failure) \
         SELECT e.value ->> 'id', s.id, s.node_id, {read}e.value ->> 'truncated', e.value ->> 'failure' \
         FROM json_each(?) AS e JOIN sandboxes AS s ON s.id = e.value ->> 'sandbox_id' WHERE true{ENDS_ONCE}",
        columns.join(", ")
    );
    statement(&sql, [format!("[{}]", rows.join(",")).into()])
}

pub(crate) async fn finish(db: &impl ConnectionTrait, finish: Statement) -> Result<(), StoreError> {
    db.execute_raw(finish).await.map(drop).map_err(failed(FINISH))
}

pub(crate) fn finish_all_statement(
    sandbox: &SandboxId,
    outcome: &ExecOutcome,
) -> Result<Statement, StoreError> {
    let sql = "UPDATE execs SET status = ?, exit_code = ?, last_seq = ?, finished_at = ?, duration_ms = ?, \
        truncated = ?, failure = ? \
        WHERE status = 'running' AND node_id = (SELECT node_id FROM sandboxes WHERE id = ?) AND sandbox_id = ?";
    let which: [Value; 2] = [sandbox.as_str().into(), sandbox.as_str().into()];
    let values = outcome_values(FINISH, outcome.status, Some(outcome))?.into_iter().chain(which);
    Ok(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
}

pub(crate) async fn finish_all(db: &impl ConnectionTrait, update: Statement) -> Result<u64, StoreError> {
    Ok(db.execute_raw(update).await.map_err(failed(FINISH))?.rows_affected())
}

pub(crate) fn sweep_statement(finished_before: Timestamp, limit: u32) -> Statement {
    statement(
        "DELETE FROM execs WHERE id IN (SELECT id FROM execs WHERE finished_at IS NOT NULL AND finished_at < ? \
         ORDER BY finished_at, id LIMIT ?) RETURNING sandbox_id, id",
        [finished_before.as_unix_ms().into(), i64::from(limit).into()],
    )
}

pub(crate) async fn sweep(
    db: &impl ConnectionTrait,
    delete: Statement,
) -> Result<Vec<(SandboxId, ExecId)>, StoreError> {
    let columns = Columns("execs");
    let mut swept = Vec::new();
    for row in db.query_all_raw(delete).await.map_err(failed(SWEEP))? {
        let text = |column: &str| row.try_get::<String>("", column).map_err(failed(SWEEP));
        let sandbox = columns.parse("sandbox_id", &text("sandbox_id")?)?;
        swept.push((sandbox, columns.parse("id", &text("id")?)?));
    }
    Ok(swept)
}
