//! Sandboxes. Durable: what was asked is known nowhere else, the operation is what a crash must not forget, and
//! `observed` saves the first look after a restart.

use atoll_ports::{Lifetime, OperationRecord, SandboxRecord, StoreError};
use atoll_types::{BootTime, Desired, Observed, Timestamp};
use sea_orm::entity::prelude::*;

use crate::error::{Columns, RowError};
use crate::words::Word;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sandboxes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub owner_id: String,
    pub node_id: String,
    pub uid_slot: i64,
    pub spec: String,
    pub image_digest: Option<String>,
    pub desired: String,
    pub observed: String,
    pub operation_id: Option<String>,
    pub operation_kind: Option<String>,
    pub operation_step: Option<i64>,
    pub operation_attempts: Option<i64>,
    pub operation_started_at: Option<i64>,
    pub stop_reason: Option<String>,
    pub failure: Option<String>,
    pub lifetime_boot_id: Option<String>,
    pub lifetime_deadline_boot_ms: Option<i64>,
    pub lifetime_left_ms: Option<i64>,
    pub generation: i64,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub boot_id: Option<String>,
    pub desired_paused: i64,
    pub observed_paused: i64,
    pub host_ports: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("sandboxes");

fn word<T: Word>(column: &'static str, text: &str) -> Result<T, RowError> {
    T::from_word(text).map_err(|e| COLUMNS.wrong(column, e))
}

/// The columns of a state: what is paused is up, and beside it stands that it is paused.
pub(crate) fn desired_columns(desired: Desired) -> (&'static str, i64) {
    match desired {
        Desired::Paused => (Desired::Running.word(), 1),
        Desired::Running | Desired::Stopped | Desired::Deleted => (desired.word(), 0),
    }
}

/// The same of what was seen.
pub(crate) fn observed_columns(observed: Observed) -> (&'static str, i64) {
    match observed {
        Observed::Paused => (Observed::Running.word(), 1),
        Observed::Unknown | Observed::Absent | Observed::Stopped | Observed::Running | Observed::Crashed => {
            (observed.word(), 0)
        }
    }
}

impl Model {
    fn desired(&self) -> Result<Desired, RowError> {
        if self.desired_paused == 1 { Ok(Desired::Paused) } else { word("desired", &self.desired) }
    }

    fn observed(&self) -> Result<Observed, RowError> {
        if self.observed_paused == 1 { Ok(Observed::Paused) } else { word("observed", &self.observed) }
    }

    fn operation(&self) -> Result<Option<OperationRecord>, RowError> {
        let Some(id) = &self.operation_id else { return Ok(None) };
        let kind = self.operation_kind.as_deref().ok_or_else(|| COLUMNS.missing("operation_kind"))?;
        let step = self.operation_step.ok_or_else(|| COLUMNS.missing("operation_step"))?;
        let attempts = self.operation_attempts.ok_or_else(|| COLUMNS.missing("operation_attempts"))?;
        let started_at = self.operation_started_at.ok_or_else(|| COLUMNS.missing("operation_started_at"))?;
        Ok(Some(OperationRecord {
            id: COLUMNS.parse("operation_id", id)?,
            kind: word("operation_kind", kind)?,
            step: COLUMNS.number("operation_step", step)?,
            attempts: COLUMNS.number("operation_attempts", attempts)?,
            started_at: Timestamp::from_unix_ms(started_at),
        }))
    }

    fn lifetime(&self) -> Result<Option<Lifetime>, RowError> {
        let Some(boot_id) = self.lifetime_boot_id.clone() else { return Ok(None) };
        let deadline =
            self.lifetime_deadline_boot_ms.ok_or_else(|| COLUMNS.missing("lifetime_deadline_boot_ms"))?;
        let left = self.lifetime_left_ms.ok_or_else(|| COLUMNS.missing("lifetime_left_ms"))?;
        Ok(Some(Lifetime {
            boot_id,
            deadline: BootTime::from_ms(COLUMNS.number("lifetime_deadline_boot_ms", deadline)?),
            left_ms: COLUMNS.number("lifetime_left_ms", left)?,
        }))
    }
}

impl TryFrom<Model> for SandboxRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            owner: COLUMNS.parse("owner_id", &row.owner_id)?,
            node: COLUMNS.parse("node_id", &row.node_id)?,
            uid_slot: COLUMNS.number("uid_slot", row.uid_slot)?,
            spec: COLUMNS.json("spec", &row.spec)?,
            desired: row.desired()?,
            observed: row.observed()?,
            operation: row.operation()?,
            stop_reason: row.stop_reason.as_deref().map(|text| word("stop_reason", text)).transpose()?,
            lifetime: row.lifetime()?,
            failure: row.failure,
            generation: COLUMNS.number("generation", row.generation)?,
            created_at: Timestamp::from_unix_ms(row.created_at),
            started_at: row.started_at.map(Timestamp::from_unix_ms),
            boot_id: row.boot_id,
            host_ports: row
                .host_ports
                .as_deref()
                .map(|text| COLUMNS.json("host_ports", text))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}
