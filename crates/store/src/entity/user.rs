//! Accounts. Durable: nothing else knows them.

use atoll_ports::{StoreError, UserRecord};
use atoll_types::Timestamp;
use sea_orm::entity::prelude::*;

use crate::error::Columns;
use crate::words::Word;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub email: String,
    pub password_hash: String,
    pub role: String,
    pub created_at: i64,
    pub disabled_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("users");

impl TryFrom<Model> for UserRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            email: COLUMNS.parse("email", &row.email)?,
            password_hash: row.password_hash,
            role: Word::from_word(&row.role).map_err(|e| COLUMNS.wrong("role", e))?,
            created_at: Timestamp::from_unix_ms(row.created_at),
            disabled_at: row.disabled_at.map(Timestamp::from_unix_ms),
        })
    }
}

impl From<&UserRecord> for Model {
    fn from(user: &UserRecord) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            password_hash: user.password_hash.clone(),
            role: user.role.word().to_owned(),
            created_at: user.created_at.as_unix_ms(),
            disabled_at: user.disabled_at.map(Timestamp::as_unix_ms),
        }
    }
}
