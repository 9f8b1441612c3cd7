//! Reading execs.

use atoll_ports::{ExecFilter, ExecRecord, Page, StoreError};
use atoll_types::{ExecId, ExecStatus, NodeId, SandboxId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::entity::exec::{Column, Entity, Model};
use crate::error::failed;
use crate::words::Word;

pub(crate) async fn get(
    db: &impl ConnectionTrait,
    sandbox: &SandboxId,
    id: &ExecId,
) -> Result<Option<ExecRecord>, StoreError> {
    let found = Entity::find_by_id(id.as_str()).filter(Column::SandboxId.eq(sandbox.as_str())).one(db).await;
    found.map_err(failed("read an exec"))?.map(ExecRecord::try_from).transpose()
}

/// The rows of a page. The few that run and the few main processes have indexes of their own; other states are picked
/// out of the list's.
pub(crate) fn list_statement(
    sandbox: &SandboxId,
    filter: &ExecFilter,
    after: Option<Place>,
    limit: u32,
) -> Statement {
    let first = Place { created_at: i64::MAX, id: "~".to_owned() };
    let after = after.unwrap_or(first);
    let mut only = String::new();
    // Constants of ours, never text from outside; as constants they let the planner use the partial indexes.
    if let Some(kind) = filter.kind {
        only += &format!(" AND kind = '{}'", kind.word());
    }
    if let Some(status) = filter.status {
        only += &format!(" AND status = '{}'", status.word());
    }
    if filter.status == Some(ExecStatus::Running) {
        only += " AND node_id = (SELECT node_id FROM sandboxes WHERE id = ?1)";
    }
    let sql = format!(
        "SELECT * FROM execs WHERE sandbox_id = ?1{only} AND (created_at, id) < (?2, ?3) \
         ORDER BY created_at DESC, id DESC LIMIT ?4"
    );
    statement(
        &sql,
        [sandbox.as_str().into(), after.created_at.into(), after.id.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    sandbox: &SandboxId,
    filter: &ExecFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<ExecRecord>, StoreError> {
    let after = cursor::read(List::Execs, cursor)?;
    let query = Model::find_by_statement(list_statement(sandbox, filter, after, limit)).all(db);
    let rows = query.await.map_err(failed("list execs"))?;
    let place = |row: &Model| Place { created_at: row.created_at, id: row.id.clone() };
    cursor::page(List::Execs, limit, rows, place, ExecRecord::try_from)
}

pub(crate) fn list_running_statement(node: &NodeId) -> Statement {
    statement("SELECT * FROM execs WHERE status = 'running' AND node_id = ?", [node.as_str().into()])
}

pub(crate) async fn list_running(
    db: &impl ConnectionTrait,
    node: &NodeId,
) -> Result<Vec<ExecRecord>, StoreError> {
    let rows = Model::find_by_statement(list_running_statement(node)).all(db).await;
    let rows = rows.map_err(failed("list running execs"))?;
    rows.into_iter().map(ExecRecord::try_from).collect()
}
