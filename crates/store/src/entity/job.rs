//! Background jobs. Durable: what was asked is known nowhere else. Their runs are execs.

use atoll_ports::{JobRecord, StoreError};
use atoll_types::{JobPhase, Timestamp};
use sea_orm::entity::prelude::*;

use crate::error::{Columns, RowError};
use crate::words::Word;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub sandbox_id: String,
    pub node_id: String,
    pub spec: String,
    pub desired: String,
    pub phase: String,
    pub next_start_at: Option<i64>,
    pub sandbox_started_at: i64,
    pub starts: i64,
    pub retries: i64,
    pub runs: String,
    pub last_end: Option<String>,
    pub generation: i64,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("jobs");

/// A word that is none of the column's.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no phase of a job")]
struct PhaseError(String);

/// The words of the columns `phase` and `next_start_at`.
pub(crate) fn phase_columns(phase: JobPhase) -> (&'static str, Option<i64>) {
    match phase {
        JobPhase::Running => ("running", None),
        JobPhase::Waiting { next_start } => ("waiting", Some(next_start.as_unix_ms())),
        JobPhase::Exited => ("exited", None),
        JobPhase::Failed => ("failed", None),
        JobPhase::Stopped => ("stopped", None),
    }
}

impl Model {
    fn phase(&self) -> Result<JobPhase, RowError> {
        match self.phase.as_str() {
            "running" => Ok(JobPhase::Running),
            "waiting" => {
                let next = self.next_start_at.ok_or_else(|| COLUMNS.missing("next_start_at"))?;
                Ok(JobPhase::Waiting { next_start: Timestamp::from_unix_ms(next) })
            }
            "exited" => Ok(JobPhase::Exited),
            "failed" => Ok(JobPhase::Failed),
            "stopped" => Ok(JobPhase::Stopped),
            other => Err(COLUMNS.wrong("phase", PhaseError(other.to_owned()))),
        }
    }
}

impl TryFrom<Model> for JobRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            sandbox: COLUMNS.parse("sandbox_id", &row.sandbox_id)?,
            spec: COLUMNS.json("spec", &row.spec)?,
            desired: Word::from_word(&row.desired).map_err(|e| COLUMNS.wrong("desired", e))?,
            phase: row.phase()?,
            sandbox_started_at: Timestamp::from_unix_ms(row.sandbox_started_at),
            starts: COLUMNS.number("starts", row.starts)?,
            retries: COLUMNS.number("retries", row.retries)?,
            runs: COLUMNS.json("runs", &row.runs)?,
            last_end: row.last_end.as_deref().map(|end| COLUMNS.json("last_end", end)).transpose()?,
            generation: COLUMNS.number("generation", row.generation)?,
            created_at: Timestamp::from_unix_ms(row.created_at),
        })
    }
}
