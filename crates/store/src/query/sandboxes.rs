//! Reading sandboxes.

use atoll_ports::{Page, SandboxFilter, SandboxRecord, StoreError};
use atoll_types::{NodeId, SandboxId};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, Statement, Value};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::entity::sandbox::{Entity, Model};
use crate::error::failed;

pub(crate) async fn get(
    db: &impl ConnectionTrait,
    id: &SandboxId,
) -> Result<Option<SandboxRecord>, StoreError> {
    let found = Entity::find_by_id(id.as_str()).one(db).await;
    found.map_err(failed("read a sandbox"))?.map(SandboxRecord::try_from).transpose()
}

/// The rows of a page. Without labels the list's own index gives them in their order; with labels that of the first
/// one does, and the others are looked up.
pub(crate) fn list_statement(filter: &SandboxFilter, after: Option<Place>, limit: u32) -> Statement {
    let (mut sql, (at, id)) = match filter.labels.first() {
        None => ("SELECT s.* FROM sandboxes s WHERE TRUE".to_owned(), ("s.created_at", "s.id")),
        Some(_) => (
            // CROSS JOIN fixes the order of the loops: the labels of one key and value, then each one's sandbox.
            "SELECT s.* FROM sandbox_labels l CROSS JOIN sandboxes s ON s.id = l.sandbox_id \
             WHERE l.key = ? AND l.value = ?"
                .to_owned(),
            ("l.created_at", "l.sandbox_id"),
        ),
    };
    let mut values: Vec<Value> = Vec::new();
    if let Some((key, value)) = filter.labels.first() {
        values.extend([key.as_str().into(), value.as_str().into()]);
    }
    for (key, value) in filter.labels.iter().skip(1) {
        sql += " AND EXISTS (SELECT 1 FROM sandbox_labels o WHERE o.sandbox_id = s.id AND o.key = ? AND o.value = ?)";
        values.extend([key.as_str().into(), value.as_str().into()]);
    }
    if let Some(owner) = &filter.owner {
        sql += " AND s.owner_id = ?";
        values.push(owner.as_str().into());
    }
    if let Some(environment) = &filter.environment {
        sql += " AND s.environment_id = ?";
        values.push(environment.as_str().into());
    }
    if let Some(after) = after {
        sql += &format!(" AND ({at}, {id}) < (?, ?)");
        values.extend([after.created_at.into(), after.id.into()]);
    }
    sql += &format!(" ORDER BY {at} DESC, {id} DESC LIMIT ?");
    values.push(cursor::rows(limit).into());
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    filter: &SandboxFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<SandboxRecord>, StoreError> {
    let after = cursor::read(List::Sandboxes, cursor)?;
    let query = Model::find_by_statement(list_statement(filter, after, limit)).all(db);
    let rows = query.await.map_err(failed("list sandboxes"))?;
    let place = |row: &Model| Place { created_at: row.created_at, id: row.id.clone() };
    cursor::page(List::Sandboxes, limit, rows, place, SandboxRecord::try_from)
}

pub(crate) fn list_node_statement(node: &NodeId) -> Statement {
    statement("SELECT * FROM sandboxes WHERE node_id = ? ORDER BY uid_slot", [node.as_str().into()])
}

pub(crate) async fn list_node(
    db: &impl ConnectionTrait,
    node: &NodeId,
) -> Result<Vec<SandboxRecord>, StoreError> {
    let rows = Model::find_by_statement(list_node_statement(node)).all(db).await;
    let rows = rows.map_err(failed("list the sandboxes of a node"))?;
    rows.into_iter().map(SandboxRecord::try_from).collect()
}
