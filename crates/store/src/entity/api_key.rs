//! API keys, by the hash of the key. Durable: nothing else knows them.

use atoll_ports::{ApiKeyRecord, StoreError};
use atoll_types::Timestamp;
use sea_orm::entity::prelude::*;

use crate::error::Columns;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub owner_id: String,
    pub name: String,
    pub hash: Vec<u8>,
    pub prefix: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub scopes: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("api_keys");

impl TryFrom<Model> for ApiKeyRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            owner: COLUMNS.parse("owner_id", &row.owner_id)?,
            name: row.name,
            hash: row.hash.try_into().map_err(|_| COLUMNS.missing("hash"))?,
            prefix: row.prefix,
            created_at: Timestamp::from_unix_ms(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_unix_ms),
            last_used_at: row.last_used_at.map(Timestamp::from_unix_ms),
            scopes: COLUMNS.parse("scopes", &row.scopes)?,
        })
    }
}

impl From<&ApiKeyRecord> for Model {
    fn from(key: &ApiKeyRecord) -> Self {
        Self {
            id: key.id.to_string(),
            owner_id: key.owner.to_string(),
            name: key.name.clone(),
            hash: key.hash.to_vec(),
            prefix: key.prefix.clone(),
            created_at: key.created_at.as_unix_ms(),
            expires_at: key.expires_at.map(Timestamp::as_unix_ms),
            last_used_at: key.last_used_at.map(Timestamp::as_unix_ms),
            scopes: key.scopes.to_string(),
        }
    }
}
