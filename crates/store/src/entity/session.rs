//! Log-ins. Durable: what was taken back, and which refresh tokens were used, must stay so.

use atoll_ports::{SessionRecord, StoreError};
use atoll_types::Timestamp;
use sea_orm::entity::prelude::*;

use crate::error::{Columns, sql_number};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub user_id: String,
    pub seq: i64,
    pub created_at: i64,
    pub used_at: i64,
    pub expires_at: i64,
    pub address: String,
    pub agent: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("sessions");

impl TryFrom<Model> for SessionRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            user: COLUMNS.parse("user_id", &row.user_id)?,
            seq: COLUMNS.number("seq", row.seq)?,
            created_at: Timestamp::from_unix_ms(row.created_at),
            used_at: Timestamp::from_unix_ms(row.used_at),
            expires_at: Timestamp::from_unix_ms(row.expires_at),
            address: row.address,
            agent: row.agent,
        })
    }
}

impl TryFrom<&SessionRecord> for Model {
    type Error = StoreError;

    fn try_from(session: &SessionRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: session.id.to_string(),
            user_id: session.user.to_string(),
            seq: sql_number("add a session", session.seq)?,
            created_at: session.created_at.as_unix_ms(),
            used_at: session.used_at.as_unix_ms(),
            expires_at: session.expires_at.as_unix_ms(),
            address: session.address.clone(),
            agent: session.agent.clone(),
        })
    }
}
