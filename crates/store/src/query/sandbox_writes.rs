//! Writing sandboxes.

use atoll_ports::{Cas, SandboxRecord, StoreError, UID_SLOTS};
use atoll_types::{ImageSource, NodeId, SandboxId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};

use super::prepared::End;
use super::statement;
use crate::entity::sandbox::{Model, desired_columns, observed_columns};
use crate::error::{Refusal, failed, sql_json, sql_number};
use crate::words::Word;

const ADD: &str = "add a sandbox";
const UPDATE: &str = "update a sandbox";
const REMOVE: &str = "remove a sandbox";

/// The lowest slot that is free: halves what may hold it, and counts whether the lower half is full. Each slot is counted about twice,
/// in the index alone; a thousand take 70 µs.
const FREE_SLOT: &str = "WITH RECURSIVE \
     top (slots) AS (SELECT coalesce(max(uid_slot) + 1, 0) FROM sandboxes WHERE node_id = ?1), \
     size (n) AS (SELECT 1 UNION ALL SELECT 2 * n FROM size, top WHERE n <= slots), \
     search (low, half) AS ( \
       SELECT 0, max(n) / 2 FROM size UNION ALL \
       SELECT low + half * ((SELECT count(*) FROM sandboxes WHERE node_id = ?1 AND uid_slot >= low AND uid_slot < low + half) = half), \
              half / 2 FROM search WHERE half > 0) \
     SELECT low AS slot FROM search WHERE half = 0";

async fn free_slot(db: &impl ConnectionTrait, node: &NodeId) -> Result<u32, StoreError> {
    let row = db.query_one_raw(statement(FREE_SLOT, [node.as_str().into()])).await;
    let slot =
        row.and_then(|row| row.map(|row| row.try_get::<i64>("", "slot")).transpose()).map_err(failed(ADD))?;
    let slot = u32::try_from(slot.unwrap_or(0)).unwrap_or(UID_SLOTS);
    if slot < UID_SLOTS && !super::prepared::has_slot(db, node, slot).await? {
        return Ok(slot);
    }
    // They come from the other end, so they meet only where nearly all slots are taken.
    super::prepared::free_slot(db, node, End::Lowest).await
}

pub(crate) fn digest(source: &ImageSource) -> Option<String> {
    match source {
        ImageSource::Host => None,
        ImageSource::Unpacked(digest) => Some(digest.to_string()),
    }
}

/// None where there are none, as for all that were made before there were any.
fn host_ports(action: &'static str, record: &SandboxRecord) -> Result<Option<String>, StoreError> {
    let some = (!record.host_ports.is_empty()).then_some(&record.host_ports);
    some.map(|ports| sql_json(action, ports)).transpose()
}

/// The columns that `sandbox_update` writes, in the order of both statements.
fn changing(action: &'static str, record: &SandboxRecord) -> Result<[Value; 17], StoreError> {
    let operation = record.operation.as_ref();
    let lifetime = record.lifetime.as_ref();
    let deadline = lifetime.map(|l| sql_number(action, l.deadline.as_ms())).transpose()?;
    let left = lifetime.map(|l| sql_number(action, l.left_ms)).transpose()?;
    let (desired, desired_paused) = desired_columns(record.desired);
    let (observed, observed_paused) = observed_columns(record.observed);
    Ok([
        desired.into(),
        observed.into(),
        operation.map(|o| o.id.to_string()).into(),
        operation.map(|o| o.kind.word()).into(),
        operation.map(|o| i64::from(o.step)).into(),
        operation.map(|o| i64::from(o.attempts)).into(),
        operation.map(|o| o.started_at.as_unix_ms()).into(),
        record.stop_reason.map(Word::word).into(),
        record.failure.clone().into(),
        lifetime.map(|l| l.boot_id.clone()).into(),
        deadline.into(),
        left.into(),
        record.started_at.map(Timestamp::as_unix_ms).into(),
        record.boot_id.clone().into(),
        desired_paused.into(),
        observed_paused.into(),
        host_ports(action, record)?.into(),
    ])
}

fn insert_statement(record: &SandboxRecord, uid_slot: u32) -> Result<Statement, StoreError> {
    let fixed: [Value; 8] = [
        record.id.as_str().into(),
        record.owner.as_str().into(),
        record.node.as_str().into(),
        i64::from(uid_slot).into(),
        sql_json(ADD, &record.spec)?.into(),
        digest(&record.spec.source).into(),
        record.spec.environment.as_ref().map(|environment| environment.id.to_string()).into(),
        record.created_at.as_unix_ms().into(),
    ];
    let sql = "INSERT INTO sandboxes (generation, id, owner_id, node_id, uid_slot, spec, image_digest, environment_id, created_at, \
        desired, observed, operation_id, operation_kind, operation_step, operation_attempts, operation_started_at, \
        stop_reason, failure, lifetime_boot_id, lifetime_deadline_boot_ms, lifetime_left_ms, started_at, boot_id, \
        desired_paused, observed_paused, host_ports) \
        VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = fixed.into_iter().chain(changing(ADD, record)?);
    Ok(Statement::from_sql_and_values(sea_orm::DbBackend::Sqlite, sql, values))
}

async fn insert_labels(db: &impl ConnectionTrait, record: &SandboxRecord) -> Result<(), StoreError> {
    if record.spec.labels.is_empty() {
        return Ok(());
    }
    let all = statement(
        "INSERT INTO sandbox_labels (key, value, created_at, sandbox_id) \
         SELECT key, value, ?, ? FROM json_each(?)",
        [
            record.created_at.as_unix_ms().into(),
            record.id.as_str().into(),
            sql_json(ADD, &record.spec.labels)?.into(),
        ],
    );
    db.execute_raw(all).await.map(|_| ()).map_err(failed(ADD))
}

pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    record: SandboxRecord,
) -> Result<SandboxRecord, StoreError> {
    if let Some(environment) = &record.spec.environment {
        let found = super::environments::version(db, &environment.id, environment.version).await?;
        if found.is_none() {
            return Err(StoreError::Absent { what: "environment" });
        }
    }
    let uid_slot = free_slot(db, &record.node).await?;
    insert_at(db, record, uid_slot).await
}

/// The same, with a slot that the caller knows to be free.
pub(crate) async fn insert_at(
    db: &impl ConnectionTrait,
    record: SandboxRecord,
    uid_slot: u32,
) -> Result<SandboxRecord, StoreError> {
    let refusal = Refusal { action: ADD, unique: "sandbox id", parent: "user" };
    db.execute_raw(insert_statement(&record, uid_slot)?).await.map_err(|e| refusal.error(e))?;
    insert_labels(db, &record).await?;
    Ok(SandboxRecord { uid_slot, generation: 1, ..record })
}

/// The compare-and-set.
pub(crate) fn update_statement(record: &SandboxRecord) -> Result<Statement, StoreError> {
    let sql = "UPDATE sandboxes SET generation = generation + 1, desired = ?, observed = ?, operation_id = ?, \
        operation_kind = ?, operation_step = ?, operation_attempts = ?, operation_started_at = ?, stop_reason = ?, \
        failure = ?, lifetime_boot_id = ?, lifetime_deadline_boot_ms = ?, lifetime_left_ms = ?, started_at = ?, \
        boot_id = ?, desired_paused = ?, observed_paused = ?, host_ports = ? \
        WHERE id = ? AND generation = ? RETURNING *";
    let which: [Value; 2] = [record.id.as_str().into(), sql_number(UPDATE, record.generation)?.into()];
    let values = changing(UPDATE, record)?.into_iter().chain(which);
    Ok(Statement::from_sql_and_values(sea_orm::DbBackend::Sqlite, sql, values))
}

pub(crate) async fn update(
    db: &impl ConnectionTrait,
    id: &SandboxId,
    update: Statement,
) -> Result<Cas<SandboxRecord>, StoreError> {
    if let Some(row) = Model::find_by_statement(update).one(db).await.map_err(failed(UPDATE))? {
        return Ok(Cas::Updated(row.try_into()?));
    }
    Ok(super::sandboxes::get(db, id).await?.map_or(Cas::Absent, Cas::Stale))
}

/// Removes some execs of a sandbox that is being deleted; true when there may be more.
pub(crate) async fn remove_some_execs(
    db: &impl ConnectionTrait,
    id: &SandboxId,
    limit: u32,
) -> Result<bool, StoreError> {
    let some = statement(
        "DELETE FROM execs WHERE id IN (SELECT e.id FROM execs e JOIN sandboxes s ON s.id = e.sandbox_id \
         WHERE e.sandbox_id = ? AND s.desired = 'deleted' LIMIT ?)",
        [id.as_str().into(), i64::from(limit).into()],
    );
    let done = db.execute_raw(some).await.map_err(failed(REMOVE))?;
    Ok(done.rows_affected() >= u64::from(limit))
}

pub(crate) async fn remove(db: &impl ConnectionTrait, id: &SandboxId) -> Result<bool, StoreError> {
    let one = statement("DELETE FROM sandboxes WHERE id = ? AND desired = 'deleted'", [id.as_str().into()]);
    Ok(db.execute_raw(one).await.map_err(failed(REMOVE))?.rows_affected() > 0)
}
