//! Invitations.

use atoll_ports::{InvitationRecord, Page, StoreError, UserRecord};
use atoll_types::InvitationId;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, Statement,
};

use super::{statement, users};
use crate::cursor::{self, List, Place};
use crate::entity::invitation::{Column, Entity, Model};
use crate::error::{Refusal, failed};

pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    invitation: &InvitationRecord,
) -> Result<(), StoreError> {
    let row = Model::from(invitation).into_active_model();
    let done = Entity::insert(row).exec_without_returning(db).await;
    let refusal = Refusal { action: "add an invitation", unique: "invitation", parent: "user" };
    done.map(|_| ()).map_err(|e| refusal.error(e))
}

pub(crate) async fn by_hash(
    db: &impl ConnectionTrait,
    hash: &[u8; 32],
) -> Result<Option<InvitationRecord>, StoreError> {
    let found = Entity::find().filter(Column::Hash.eq(hash.to_vec())).one(db).await;
    found.map_err(failed("read an invitation"))?.map(InvitationRecord::try_from).transpose()
}

pub(crate) fn list_statement(after: Option<Place>, limit: u32) -> Statement {
    let after = after.unwrap_or_else(|| Place { created_at: i64::MAX, id: "~".to_owned() });
    statement(
        "SELECT * FROM invitations WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?",
        [after.created_at.into(), after.id.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<InvitationRecord>, StoreError> {
    let after = cursor::read(List::Invitations, cursor)?;
    let rows = Model::find_by_statement(list_statement(after, limit)).all(db).await;
    let rows = rows.map_err(failed("list invitations"))?;
    let place = |row: &Model| Place { created_at: row.created_at, id: row.id.clone() };
    cursor::page(List::Invitations, limit, rows, place, InvitationRecord::try_from)
}

pub(crate) async fn remove(db: &impl ConnectionTrait, id: &InvitationId) -> Result<bool, StoreError> {
    let one = Entity::delete_by_id(id.as_str()).exec(db).await;
    Ok(one.map_err(failed("remove an invitation"))?.rows_affected > 0)
}

pub(crate) async fn take(
    db: &impl ConnectionTrait,
    id: &InvitationId,
    user: &UserRecord,
) -> Result<(), StoreError> {
    if !remove(db, id).await? {
        return Err(StoreError::Absent { what: "invitation" });
    }
    users::insert(db, user).await
}
