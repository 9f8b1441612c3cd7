//! Class links that were not taken back. Durable: a link without its record is good for nothing.

use atoll_ports::{ClassLinkRecord, StoreError};
use atoll_types::Timestamp;
use sea_orm::entity::prelude::*;

use crate::error::Columns;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "class_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub maker_id: String,
    pub sessions_max: i64,
    pub created_at: i64,
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("class_links");

impl TryFrom<Model> for ClassLinkRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            maker: COLUMNS.parse("maker_id", &row.maker_id)?,
            sessions_max: u32::try_from(row.sessions_max).map_err(|e| COLUMNS.wrong("sessions_max", e))?,
            created_at: Timestamp::from_unix_ms(row.created_at),
            expires_at: Timestamp::from_unix_ms(row.expires_at),
        })
    }
}

impl From<&ClassLinkRecord> for Model {
    fn from(link: &ClassLinkRecord) -> Self {
        Self {
            id: link.id.to_string(),
            maker_id: link.maker.to_string(),
            sessions_max: i64::from(link.sessions_max),
            created_at: link.created_at.as_unix_ms(),
            expires_at: link.expires_at.as_unix_ms(),
        }
    }
}
