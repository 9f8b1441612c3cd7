//! Entries that go with no write, which are written behind.

use std::collections::HashSet;

use async_trait::async_trait;
use atoll_ports::{Durability, StoreError};
use atoll_types::AuditEntry;
use sea_orm::ConnectionTrait;

use crate::behind::Item;
use crate::error::{failed, sql_json};
use crate::query::statement;
use crate::writer::{Steps, WriterHandle};

/// Entries among which one is looked for that may be in the chain already: more than were added since it came. A journal holds
/// some 15,000 of 300 bytes, and a server whose disk is full adds no others.
const LATELY_ENTRIES: i64 = 50_000;

/// An entry with its line of the journal.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(super) entry: AuditEntry,
    line: String,
}

impl Note {
    pub(super) fn new(entry: AuditEntry) -> Result<Self, StoreError> {
        let line = sql_json("note an entry of the audit log", &entry)?;
        Ok(Self { entry, line })
    }
}

#[async_trait]
impl Item for Note {
    const WHAT: &'static str = "entries of the audit log";

    fn line(&self) -> &str {
        &self.line
    }

    fn parse(line: &[u8]) -> Option<Self> {
        Self::new(serde_json::from_slice(line).ok()?).ok()
    }

    async fn write(writer: &WriterHandle, items: Vec<Self>, perhaps_again: bool) -> Result<(), StoreError> {
        let known = if perhaps_again { known(writer, &items).await? } else { HashSet::new() };
        let new = items.into_iter().filter(|note| !known.contains(note.entry.id.as_str()));
        let entries: Vec<AuditEntry> = new.map(|note| note.entry).collect();
        if entries.is_empty() { Ok(()) } else { writer.write_audit(entries).await }
    }
}

/// Ids of those that are in the chain already. Asked over the connection that writes, so that nothing comes in between.
async fn known(writer: &WriterHandle, notes: &[Note]) -> Result<HashSet<String>, StoreError> {
    let ids: Vec<&str> = notes.iter().map(|note| note.entry.id.as_str()).collect();
    let ids = sql_json("look for entries of the audit log", &ids)?;
    let look = writer.write(Durability::Process, Steps::One, move |db| {
        Box::pin(async move {
            let held = "SELECT id FROM (SELECT id FROM audit ORDER BY seq DESC LIMIT ?) \
                WHERE id IN (SELECT value FROM json_each(?))";
            let rows = db.query_all_raw(statement(held, [LATELY_ENTRIES.into(), ids.into()])).await;
            let rows = rows.map_err(failed("look for entries of the audit log"))?;
            let ids = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>();
            ids.map_err(failed("look for entries of the audit log"))
        })
    });
    look.await
}
