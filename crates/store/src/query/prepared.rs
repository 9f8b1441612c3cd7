//! Sandboxes that are made ahead.

use atoll_ports::{PreparedRecord, SandboxRecord, StoreError, UID_SLOTS};
use atoll_types::{ImageSource, NodeId, SandboxId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use super::{sandbox_writes, statement};
use crate::error::{Columns, Refusal, failed};

const ADD: &str = "add a sandbox that is made ahead";
const CLAIM: &str = "claim a sandbox that was made ahead";
const REMOVE: &str = "remove a sandbox that was made ahead";
const LIST: &str = "list sandboxes that are made ahead";
const SLOT: &str = "find a free range of user ids";

/// From which end a slot is looked for: those of sandboxes grow from the one, those made ahead from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Lowest,
    Highest,
}

/// Every free slot is the neighbour of one that is taken, or the first or the last of all.
const FREE_SLOT: &str = "WITH taken (slot) AS ( \
       SELECT uid_slot FROM sandboxes WHERE node_id = ?1 UNION ALL SELECT uid_slot FROM prepared WHERE node_id = ?1), \
     beside (slot) AS (SELECT 0 UNION SELECT ?2 UNION SELECT slot + 1 FROM taken UNION SELECT slot - 1 FROM taken) \
     SELECT min(slot) AS lowest, max(slot) AS highest FROM beside \
     WHERE slot BETWEEN 0 AND ?2 AND slot NOT IN (SELECT slot FROM taken)";

/// The free slot next to one end, looked for among everything of the node.
pub(crate) async fn free_slot(db: &impl ConnectionTrait, node: &NodeId, end: End) -> Result<u32, StoreError> {
    let query = statement(FREE_SLOT, [node.as_str().into(), i64::from(UID_SLOTS - 1).into()]);
    let column = match end {
        End::Lowest => "lowest",
        End::Highest => "highest",
    };
    let row = db.query_one_raw(query).await;
    let found = row.and_then(|row| row.map(|row| row.try_get::<Option<i64>>("", column)).transpose());
    let slot = found.map_err(failed(SLOT))?.flatten();
    slot.and_then(|slot| u32::try_from(slot).ok()).ok_or(StoreError::NoUidSlot)
}

/// Whether one that is made ahead has this slot.
pub(crate) async fn has_slot(
    db: &impl ConnectionTrait,
    node: &NodeId,
    slot: u32,
) -> Result<bool, StoreError> {
    let query = statement(
        "SELECT 1 FROM prepared WHERE node_id = ? AND uid_slot = ?",
        [node.as_str().into(), i64::from(slot).into()],
    );
    Ok(db.query_one_raw(query).await.map_err(failed(SLOT))?.is_some())
}

pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    prepared: PreparedRecord,
) -> Result<PreparedRecord, StoreError> {
    let uid_slot = free_slot(db, &prepared.node, End::Highest).await?;
    let insert = statement(
        "INSERT INTO prepared (id, node_id, uid_slot, image_digest, created_at) VALUES (?, ?, ?, ?, ?)",
        [
            prepared.id.as_str().into(),
            prepared.node.as_str().into(),
            i64::from(uid_slot).into(),
            sandbox_writes::digest(&prepared.source).into(),
            prepared.created_at.as_unix_ms().into(),
        ],
    );
    let refusal = Refusal { action: ADD, unique: "sandbox id", parent: "node" };
    db.execute_raw(insert).await.map_err(|e| refusal.error(e))?;
    Ok(PreparedRecord { uid_slot, ..prepared })
}

pub(crate) async fn claim(
    db: &impl ConnectionTrait,
    record: SandboxRecord,
) -> Result<Option<SandboxRecord>, StoreError> {
    let take = statement(
        "DELETE FROM prepared WHERE id = ? AND node_id = ? RETURNING uid_slot",
        [record.id.as_str().into(), record.node.as_str().into()],
    );
    let Some(row) = db.query_one_raw(take).await.map_err(failed(CLAIM))? else { return Ok(None) };
    let slot: i64 = row.try_get("", "uid_slot").map_err(failed(CLAIM))?;
    let slot = u32::try_from(slot).map_err(|_| StoreError::NoUidSlot)?;
    sandbox_writes::insert_at(db, record, slot).await.map(Some)
}

pub(crate) async fn remove(db: &impl ConnectionTrait, id: &SandboxId) -> Result<bool, StoreError> {
    let one = statement("DELETE FROM prepared WHERE id = ?", [id.as_str().into()]);
    Ok(db.execute_raw(one).await.map_err(failed(REMOVE))?.rows_affected() > 0)
}

pub(crate) fn list_node_statement(node: &NodeId) -> Statement {
    statement("SELECT * FROM prepared WHERE node_id = ?", [node.as_str().into()])
}

pub(crate) async fn list_node(
    db: &impl ConnectionTrait,
    node: &NodeId,
) -> Result<Vec<PreparedRecord>, StoreError> {
    records(db, list_node_statement(node)).await
}

/// Those of every node.
pub(crate) async fn list(db: &impl ConnectionTrait) -> Result<Vec<PreparedRecord>, StoreError> {
    records(db, statement("SELECT * FROM prepared", [])).await
}

/// Whether the table is there: whoever only reads may meet a database of an older release.
pub(crate) async fn is_there(db: &impl ConnectionTrait) -> Result<bool, StoreError> {
    let query = statement("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'prepared'", []);
    Ok(db.query_one_raw(query).await.map_err(failed(LIST))?.is_some())
}

async fn records(db: &impl ConnectionTrait, statement: Statement) -> Result<Vec<PreparedRecord>, StoreError> {
    let rows = Row::find_by_statement(statement).all(db).await.map_err(failed(LIST))?;
    rows.into_iter().map(PreparedRecord::try_from).collect()
}

const COLUMNS: Columns = Columns("prepared");

#[derive(Debug, FromQueryResult)]
struct Row {
    id: String,
    node_id: String,
    uid_slot: i64,
    image_digest: Option<String>,
    created_at: i64,
}

impl TryFrom<Row> for PreparedRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let digest =
            row.image_digest.as_deref().map(|text| COLUMNS.parse("image_digest", text)).transpose()?;
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            node: COLUMNS.parse("node_id", &row.node_id)?,
            uid_slot: COLUMNS.number("uid_slot", row.uid_slot)?,
            source: digest.map_or(ImageSource::Host, ImageSource::Unpacked),
            created_at: Timestamp::from_unix_ms(row.created_at),
        })
    }
}
