//! API keys.

use atoll_ports::{ApiKeyRecord, Page, StoreError};
use atoll_types::{ApiKeyId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, Statement,
};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::entity::api_key::{Column, Entity, Model};
use crate::error::{Refusal, failed};

pub(crate) async fn insert(db: &impl ConnectionTrait, key: &ApiKeyRecord) -> Result<(), StoreError> {
    let row = Model::from(key).into_active_model();
    let done = Entity::insert(row).exec_without_returning(db).await;
    let refusal = Refusal { action: "add an API key", unique: "api key", parent: "user" };
    done.map(|_| ()).map_err(|e| refusal.error(e))
}

pub(crate) async fn by_hash(
    db: &impl ConnectionTrait,
    hash: &[u8; 32],
) -> Result<Option<ApiKeyRecord>, StoreError> {
    let found = Entity::find().filter(Column::Hash.eq(hash.to_vec())).one(db).await;
    found.map_err(failed("read an API key"))?.map(ApiKeyRecord::try_from).transpose()
}

/// The rows of a page; `i64::MAX` and beyond every id where there is no cursor.
pub(crate) fn list_statement(owner: &UserId, after: Option<Place>, limit: u32) -> Statement {
    let first = Place { created_at: i64::MAX, id: "~".to_owned() };
    let after = after.unwrap_or(first);
    statement(
        "SELECT * FROM api_keys WHERE owner_id = ? AND (created_at, id) < (?, ?) \
         ORDER BY created_at DESC, id DESC LIMIT ?",
        [owner.as_str().into(), after.created_at.into(), after.id.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    owner: &UserId,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<ApiKeyRecord>, StoreError> {
    let after = cursor::read(List::ApiKeys, cursor)?;
    let query = Model::find_by_statement(list_statement(owner, after, limit)).all(db);
    let rows = query.await.map_err(failed("list API keys"))?;
    let place = |row: &Model| Place { created_at: row.created_at, id: row.id.clone() };
    cursor::page(List::ApiKeys, limit, rows, place, ApiKeyRecord::try_from)
}

pub(crate) async fn delete(
    db: &impl ConnectionTrait,
    owner: &UserId,
    id: &ApiKeyId,
) -> Result<bool, StoreError> {
    let mine = Entity::delete_by_id(id.as_str()).filter(Column::OwnerId.eq(owner.as_str()));
    Ok(mine.exec(db).await.map_err(failed("remove an API key"))?.rows_affected > 0)
}

pub(crate) async fn touch(db: &impl ConnectionTrait, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
    let later = statement(
        "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
        [id.as_str().into(), at.as_unix_ms().into()],
    );
    db.execute_raw(later).await.map(|_| ()).map_err(failed("note the use of an API key"))
}
