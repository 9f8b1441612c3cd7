//! Execs. Durable: their results are acknowledged to somebody. The output is in the exec logs.

use atoll_ports::{ExecOutcome, ExecRecord, StoreError};
use atoll_types::{ExecExit, ExecStatus, Timestamp};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Columns, RowError, sql_json, sql_number};
use crate::words::Word;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "execs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub sandbox_id: String,
    pub node_id: String,
    pub kind: String,
    pub spec: String,
    pub status: String,
    pub created_at: i64,
    pub exit_code: Option<i32>,
    pub last_seq: Option<i64>,
    pub finished_at: Option<i64>,
    pub duration_ms: Option<i64>,
    pub truncated: Option<bool>,
    pub failure: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("execs");

impl Model {
    /// The row of an exec, but for its node, which the table takes from the sandbox.
    pub(crate) fn of(exec: &ExecRecord) -> Result<Self, StoreError> {
        const ACTION: &str = "write down an exec";
        let outcome = exec.outcome.as_ref();
        let number = |n: u64| sql_number(ACTION, n);
        Ok(Self {
            id: exec.id.to_string(),
            sandbox_id: exec.sandbox.to_string(),
            node_id: String::new(),
            kind: exec.kind.word().to_owned(),
            spec: sql_json(ACTION, &exec.spec)?,
            status: exec.status.word().to_owned(),
            created_at: exec.created_at.as_unix_ms(),
            exit_code: outcome.and_then(|o| o.exit.as_ref()).map(|exit| exit.code),
            last_seq: outcome.map(|o| number(o.last_seq)).transpose()?,
            finished_at: outcome.map(|o| o.finished_at.as_unix_ms()),
            duration_ms: outcome.map(|o| number(o.duration_ms)).transpose()?,
            truncated: outcome.map(|o| o.truncated),
            failure: outcome.and_then(|o| o.failure.clone()),
        })
    }

    fn outcome(&self, status: ExecStatus) -> Result<Option<ExecOutcome>, RowError> {
        if status == ExecStatus::Running {
            return Ok(None);
        }
        let finished_at = self.finished_at.ok_or_else(|| COLUMNS.missing("finished_at"))?;
        let last_seq = self.last_seq.ok_or_else(|| COLUMNS.missing("last_seq"))?;
        let duration_ms = self.duration_ms.ok_or_else(|| COLUMNS.missing("duration_ms"))?;
        let timed_out = status == ExecStatus::TimedOut;
        Ok(Some(ExecOutcome {
            status,
            exit: self.exit_code.map(|code| ExecExit { code, timed_out }),
            last_seq: COLUMNS.number("last_seq", last_seq)?,
            finished_at: Timestamp::from_unix_ms(finished_at),
            duration_ms: COLUMNS.number("duration_ms", duration_ms)?,
            truncated: self.truncated.ok_or_else(|| COLUMNS.missing("truncated"))?,
            failure: self.failure.clone(),
        }))
    }
}

impl TryFrom<Model> for ExecRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let status = ExecStatus::from_word(&row.status).map_err(|e| COLUMNS.wrong("status", e))?;
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            sandbox: COLUMNS.parse("sandbox_id", &row.sandbox_id)?,
            kind: Word::from_word(&row.kind).map_err(|e| COLUMNS.wrong("kind", e))?,
            spec: COLUMNS.json("spec", &row.spec)?,
            status,
            created_at: Timestamp::from_unix_ms(row.created_at),
            outcome: row.outcome(status)?,
        })
    }
}
