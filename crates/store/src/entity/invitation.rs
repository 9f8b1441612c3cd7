//! Open invitations, by the hash of the invitation. Durable: nothing else knows them.

use atoll_ports::{InvitationRecord, StoreError};
use atoll_types::Timestamp;
use sea_orm::entity::prelude::*;

use crate::error::Columns;
use crate::words::Word;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub inviter_id: String,
    pub hash: Vec<u8>,
    pub email: Option<String>,
    pub role: String,
    pub created_at: i64,
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("invitations");

impl TryFrom<Model> for InvitationRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            inviter: COLUMNS.parse("inviter_id", &row.inviter_id)?,
            hash: row.hash.try_into().map_err(|_| COLUMNS.missing("hash"))?,
            email: row.email.as_deref().map(|email| COLUMNS.parse("email", email)).transpose()?,
            role: Word::from_word(&row.role).map_err(|e| COLUMNS.wrong("role", e))?,
            created_at: Timestamp::from_unix_ms(row.created_at),
            expires_at: Timestamp::from_unix_ms(row.expires_at),
        })
    }
}

impl From<&InvitationRecord> for Model {
    fn from(invitation: &InvitationRecord) -> Self {
        Self {
            id: invitation.id.to_string(),
            inviter_id: invitation.inviter.to_string(),
            hash: invitation.hash.to_vec(),
            email: invitation.email.as_ref().map(ToString::to_string),
            role: invitation.role.word().to_owned(),
            created_at: invitation.created_at.as_unix_ms(),
            expires_at: invitation.expires_at.as_unix_ms(),
        }
    }
}
