//! Background jobs.

use atoll_ports::{Cas, JobRecord, Page, StoreError};
use atoll_types::{JobId, NodeId, SandboxId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, Statement, Value,
};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::entity::job::{Column, Entity, Model, phase_columns};
use crate::error::{Refusal, failed, sql_json, sql_number};
use crate::words::Word;

const ADD: &str = "add a job";
const UPDATE: &str = "update a job";
const REMOVE: &str = "remove a job";

/// The columns that an update writes, in the order of both statements.
fn changing(action: &'static str, job: &JobRecord) -> Result<[Value; 8], StoreError> {
    let (phase, next_start_at) = phase_columns(job.phase);
    Ok([
        job.desired.word().into(),
        phase.into(),
        next_start_at.into(),
        job.sandbox_started_at.as_unix_ms().into(),
        sql_number(action, job.starts)?.into(),
        i64::from(job.retries).into(),
        sql_json(action, &job.runs)?.into(),
        job.last_end.as_ref().map(|end| sql_json(action, end)).transpose()?.into(),
    ])
}

/// Inserts nothing where the sandbox is not there.
pub(crate) fn insert_statement(job: &JobRecord) -> Result<Statement, StoreError> {
    let sql = "INSERT INTO jobs (id, sandbox_id, node_id, spec, created_at, generation, \
        desired, phase, next_start_at, sandbox_started_at, starts, retries, runs, last_end) \
        SELECT ?1, id, node_id, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM sandboxes WHERE id = ?2";
    let fixed: [Value; 4] = [
        job.id.as_str().into(),
        job.sandbox.as_str().into(),
        sql_json(ADD, &job.spec)?.into(),
        job.created_at.as_unix_ms().into(),
    ];
    let values = fixed.into_iter().chain(changing(ADD, job)?);
    Ok(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
}

pub(crate) async fn insert(db: &impl ConnectionTrait, insert: Statement) -> Result<(), StoreError> {
    let refusal = Refusal { action: ADD, unique: "job id", parent: "sandbox" };
    let done = db.execute_raw(insert).await.map_err(|e| refusal.error(e))?;
    if done.rows_affected() == 0 { Err(StoreError::Absent { what: "sandbox" }) } else { Ok(()) }
}

pub(crate) async fn get(
    db: &impl ConnectionTrait,
    sandbox: &SandboxId,
    id: &JobId,
) -> Result<Option<JobRecord>, StoreError> {
    let found = Entity::find_by_id(id.as_str()).filter(Column::SandboxId.eq(sandbox.as_str())).one(db).await;
    found.map_err(failed("read a job"))?.map(JobRecord::try_from).transpose()
}

pub(crate) fn list_statement(sandbox: &SandboxId, after: Option<Place>, limit: u32) -> Statement {
    let after = after.unwrap_or_else(|| Place { created_at: i64::MAX, id: "~".to_owned() });
    statement(
        "SELECT * FROM jobs WHERE sandbox_id = ? AND (created_at, id) < (?, ?) \
         ORDER BY created_at DESC, id DESC LIMIT ?",
        [sandbox.as_str().into(), after.created_at.into(), after.id.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    sandbox: &SandboxId,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<JobRecord>, StoreError> {
    let after = cursor::read(List::Jobs, cursor)?;
    let rows = Model::find_by_statement(list_statement(sandbox, after, limit)).all(db).await;
    let place = |row: &Model| Place { created_at: row.created_at, id: row.id.clone() };
    cursor::page(List::Jobs, limit, rows.map_err(failed("list jobs"))?, place, JobRecord::try_from)
}

pub(crate) fn list_node_statement(node: &NodeId) -> Statement {
    statement("SELECT * FROM jobs WHERE node_id = ?", [node.as_str().into()])
}

pub(crate) async fn list_node(
    db: &impl ConnectionTrait,
    node: &NodeId,
) -> Result<Vec<JobRecord>, StoreError> {
    let rows = Model::find_by_statement(list_node_statement(node)).all(db).await;
    rows.map_err(failed("list jobs"))?.into_iter().map(JobRecord::try_from).collect()
}

/// The compare-and-set.
pub(crate) fn update_statement(job: &JobRecord) -> Result<Statement, StoreError> {
    let sql = "UPDATE jobs SET generation = generation + 1, desired = ?, phase = ?, next_start_at = ?, \
        sandbox_started_at = ?, starts = ?, retries = ?, runs = ?, last_end = ? \
        WHERE id = ? AND sandbox_id = ? AND generation = ? RETURNING *";
    let which: [Value; 3] =
        [job.id.as_str().into(), job.sandbox.as_str().into(), sql_number(UPDATE, job.generation)?.into()];
    let values = changing(UPDATE, job)?.into_iter().chain(which);
    Ok(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
}

pub(crate) async fn update(
    db: &impl ConnectionTrait,
    sandbox: &SandboxId,
    id: &JobId,
    update: Statement,
) -> Result<Cas<JobRecord>, StoreError> {
    if let Some(row) = Model::find_by_statement(update).one(db).await.map_err(failed(UPDATE))? {
        return Ok(Cas::Updated(row.try_into()?));
    }
    Ok(get(db, sandbox, id).await?.map_or(Cas::Absent, Cas::Stale))
}

pub(crate) async fn remove(
    db: &impl ConnectionTrait,
    sandbox: &SandboxId,
    id: &JobId,
) -> Result<bool, StoreError> {
    let one = statement(
        "DELETE FROM jobs WHERE id = ? AND sandbox_id = ? AND desired = 'deleted'",
        [id.as_str().into(), sandbox.as_str().into()],
    );
    Ok(db.execute_raw(one).await.map_err(failed(REMOVE))?.rows_affected() > 0)
}
