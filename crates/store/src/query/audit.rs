//! The audit log.

use atoll_ports::{AuditFilter, AuditRecord, ExecMinute, Page, StoreError};
use atoll_types::{NodeId, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::error::{Columns, failed, sql_number};

const LIST: &str = "list the audit log";
const TRIM: &str = "remove old entries of the audit log";
const COLUMNS: Columns = Columns("audit");

/// A row, as far as it is shown.
#[derive(Debug, FromQueryResult)]
struct Row {
    seq: i64,
    node_id: String,
    hash: String,
    entry: String,
}

impl TryFrom<Row> for AuditRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let entry = COLUMNS.json("entry", &row.entry)?;
        Ok(Self { seq: COLUMNS.number("seq", row.seq)?, entry, hash: row.hash })
    }
}

/// Goes backwards along the index of the user, of the target, or of all, and leaves out what is not asked for.
pub(crate) fn list_statement(filter: &AuditFilter, after: Option<Place>, limit: u32) -> Statement {
    let after = after.unwrap_or_else(|| Place { created_at: i64::MAX, id: "~".to_owned() });
    let mut sql = "SELECT seq, node_id, hash, entry FROM audit WHERE (seq, node_id) < (?, ?)".to_owned();
    let mut values: Vec<Value> = vec![after.created_at.into(), after.id.into()];
    let mut only = |column: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(column);
        values.push(value);
    };
    if let Some(user) = &filter.user {
        only("user_id = ?", user.as_str().into());
    }
    if let Some(target) = &filter.target {
        only("target = ?", target.clone().into());
    }
    if let Some(action) = &filter.action {
        match action.strip_suffix('.') {
            Some(area) => only("substr(action, 1, instr(action, '.') - 1) = ?", area.to_owned().into()),
            None => only("action = ?", action.clone().into()),
        }
    }
    if let Some(outcome) = filter.outcome {
        only("outcome = ?", outcome.as_str().into());
    }
    if let Some(since) = filter.since {
        only("at >= ?", since.as_unix_ms().into());
    }
    if let Some(until) = filter.until {
        only("at < ?", until.as_unix_ms().into());
    }
    only("1 ORDER BY seq DESC, node_id DESC LIMIT ?", cursor::rows(limit).into());
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    filter: &AuditFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<AuditRecord>, StoreError> {
    let after = cursor::read(List::Audit, cursor)?;
    let rows = Row::find_by_statement(list_statement(filter, after, limit)).all(db).await;
    let place = |row: &Row| Place { created_at: row.seq, id: row.node_id.clone() };
    cursor::page(List::Audit, limit, rows.map_err(failed(LIST))?, place, AuditRecord::try_from)
}

pub(crate) async fn hash(
    db: &impl ConnectionTrait,
    node: &NodeId,
    seq: u64,
) -> Result<Option<String>, StoreError> {
    let seq = sql_number(LIST, seq)?;
    let one =
        statement("SELECT hash FROM audit WHERE seq = ? AND node_id = ?", [seq.into(), node.as_str().into()]);
    let row = db.query_one_raw(one).await.map_err(failed(LIST))?;
    row.map(|row| row.try_get("", "hash")).transpose().map_err(failed(LIST))
}

/// Notes where the chain goes on, then removes what is before it.
pub(crate) async fn trim(
    db: &impl ConnectionTrait,
    node: &NodeId,
    before: Timestamp,
    keep: u64,
    limit: u32,
) -> Result<u64, StoreError> {
    let mark = "INSERT INTO audit_trims (node_id, seq, hash) \
        SELECT node_id, seq, hash FROM (SELECT * FROM audit WHERE node_id = ?1 ORDER BY seq LIMIT ?4) \
        WHERE at < ?2 OR seq <= (SELECT max(seq) FROM audit WHERE node_id = ?1) - ?3 ORDER BY seq DESC LIMIT 1 \
        ON CONFLICT (node_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash";
    let keep = sql_number(TRIM, keep)?;
    let values = [node.as_str().into(), before.as_unix_ms().into(), keep.into(), i64::from(limit).into()];
    let marked = db.execute_raw(statement(mark, values)).await.map_err(failed(TRIM))?;
    if marked.rows_affected() == 0 {
        return Ok(0);
    }
    let remove = "DELETE FROM audit WHERE node_id = ?1 AND \
        seq <= (SELECT seq FROM audit_trims WHERE node_id = ?1)";
    let removed = db.execute_raw(statement(remove, [node.as_str().into()])).await.map_err(failed(TRIM))?;
    Ok(removed.rows_affected())
}

pub(crate) async fn execs_since(
    db: &impl ConnectionTrait,
    since: Timestamp,
) -> Result<Vec<ExecMinute>, StoreError> {
    const READ: &str = "count execs";
    let count = "SELECT user_id, target, at / 60000 AS minute, count(*) AS execs FROM audit \
        WHERE at >= ? AND action = 'exec.start' AND outcome = 'accepted' \
        AND user_id IS NOT NULL AND target IS NOT NULL GROUP BY 1, 2, 3";
    let rows = db.query_all_raw(statement(count, [since.as_unix_ms().into()])).await.map_err(failed(READ))?;
    let mut minutes = Vec::with_capacity(rows.len());
    for row in rows {
        let text = |column: &str| row.try_get::<String>("", column).map_err(failed(READ));
        let number = |column: &str| row.try_get::<i64>("", column).map_err(failed(READ));
        minutes.push(ExecMinute {
            user: COLUMNS.parse("user_id", &text("user_id")?)?,
            sandbox: text("target")?,
            minute: number("minute")?,
            count: COLUMNS.number("count", number("execs")?)?,
        });
    }
    Ok(minutes)
}
