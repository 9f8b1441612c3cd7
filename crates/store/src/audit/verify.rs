//! Walking along a chain.

use atoll_ports::{AuditCheck, StoreError};
use atoll_types::NodeId;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::chain::{Head, NOTHING, hash};
use crate::error::failed;
use crate::query::statement;

const WALK: &str = "walk along the audit log";
/// Entries that are read at once, some 400 bytes each.
const ROWS_AT_ONCE: i64 = 1_000;

/// A row, as far as it can be read.
struct Row {
    seq: i64,
    hash: String,
    entry: String,
}

fn row(row: &QueryResult) -> Result<Row, StoreError> {
    let read = || -> Result<Row, DbErr> {
        let (seq, hash) = (row.try_get("", "seq")?, row.try_get("", "hash")?);
        Ok(Row { seq, hash, entry: row.try_get("", "entry")? })
    };
    read().map_err(failed(WALK))
}

/// Why an entry is not the one that was written behind another.
fn fault(before: &Head, node: &NodeId, row: &Row) -> Option<&'static str> {
    if row.seq != before.seq + 1 {
        return Some("the entry before it is missing");
    }
    let right = hash(&before.hash, node.as_str(), row.seq, &row.entry);
    (right != row.hash).then_some("it was changed, or the one before it was")
}

pub(super) async fn verify(db: &impl ConnectionTrait, node: &NodeId) -> Result<AuditCheck, StoreError> {
    let mut before = start(db, node).await?;
    let first_seq = before.seq + 1;
    let mut entries = 0;
    loop {
        let next = "SELECT seq, hash, entry FROM audit WHERE node_id = ? AND seq > ? ORDER BY seq LIMIT ?";
        let values = [node.as_str().into(), before.seq.into(), ROWS_AT_ONCE.into()];
        let rows = db.query_all_raw(statement(next, values)).await.map_err(failed(WALK))?;
        if rows.is_empty() {
            return Ok(check(entries, first_seq, before, None));
        }
        for found in &rows {
            let row = row(found)?;
            if let Some(why) = fault(&before, node, &row) {
                let at = u64::try_from(row.seq).unwrap_or_default();
                return Ok(check(entries, first_seq, before, Some((at, why))));
            }
            entries += 1;
            before = Head { seq: row.seq, hash: row.hash };
        }
    }
}

fn check(entries: u64, first_seq: i64, last: Head, broken: Option<(u64, &'static str)>) -> AuditCheck {
    let number = |n: i64| u64::try_from(n).unwrap_or_default();
    AuditCheck {
        entries,
        first_seq: number(first_seq),
        last_seq: number(last.seq),
        last_hash: last.hash,
        broken,
    }
}

/// What the oldest entry that is held goes on from.
async fn start(db: &impl ConnectionTrait, node: &NodeId) -> Result<Head, StoreError> {
    let trimmed = statement("SELECT seq, hash FROM audit_trims WHERE node_id = ?", [node.as_str().into()]);
    match db.query_one_raw(trimmed).await.map_err(failed(WALK))? {
        Some(row) => {
            let read = || -> Result<Head, DbErr> {
                Ok(Head { seq: row.try_get("", "seq")?, hash: row.try_get("", "hash")? })
            };
            read().map_err(failed(WALK))
        }
        None => Ok(Head { seq: 0, hash: NOTHING.to_owned() }),
    }
}
