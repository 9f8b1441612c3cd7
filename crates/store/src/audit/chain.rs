//! Adding to the chain, in the writer's transaction.

use std::collections::HashMap;

use atoll_types::{AuditEntry, NodeId};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::connection::OwnConnection;
use crate::query::statement;

/// Stands before the first entry of a node.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Keeps this hash from being taken for one of something else.
const DOMAIN: &str = "atoll-audit-1";

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) hash: String,
}

/// The hash of an entry behind another.
pub(super) fn hash(before: &str, node: &str, seq: i64, entry: &str) -> String {
    let mut digest = Sha256::new();
    for part in [DOMAIN, before, node, &seq.to_string()] {
        digest.update(part);
        digest.update([0]);
    }
    digest.update(entry);
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the chains of the nodes end with, as this connection has written it.
#[derive(Debug, Default)]
pub(crate) struct Chain(HashMap<NodeId, Head>);

impl Chain {
    /// Adds entries within the transaction that is open. When that fails, what this holds is no longer true.
    pub(crate) async fn append(&mut self, db: &OwnConnection, entries: Vec<AuditEntry>) -> Result<(), DbErr> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let text = serde_json::to_string(&entry).map_err(|e| DbErr::Custom(e.to_string()))?;
            if !self.0.contains_key(&entry.node) {
                let head = read_head(db, &entry.node).await?;
                self.0.insert(entry.node.clone(), head);
            }
            let Some(head) = self.0.get_mut(&entry.node) else { continue };
            let seq = head.seq + 1;
            let hash = hash(&head.hash, entry.node.as_str(), seq, &text);
            *head = Head { seq, hash };
            rows.push(json!([seq, entry.node.as_str(), head.hash, text]));
        }
        let insert = "INSERT INTO audit (seq, node_id, hash, entry) \
            SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3 FROM json_each(?) AS e";
        let rows = serde_json::Value::Array(rows).to_string();
        db.execute_raw(statement(insert, [rows.into()])).await.map(drop)
    }
}

/// Where the chain of a node ends: behind its last entry, or behind those that were removed for their age.
async fn read_head(db: &OwnConnection, node: &NodeId) -> Result<Head, DbErr> {
    let last = "SELECT seq, hash FROM (\
        SELECT seq, hash FROM audit WHERE node_id = ?1 UNION ALL SELECT seq, hash FROM audit_trims WHERE node_id = ?1) \
        ORDER BY seq DESC LIMIT 1";
    match db.query_one_raw(statement(last, [node.as_str().into()])).await? {
        Some(row) => Ok(Head { seq: row.try_get("", "seq")?, hash: row.try_get("", "hash")? }),
        None => Ok(Head { seq: 0, hash: NOTHING.to_owned() }),
    }
}
