//! Accounts.

use atoll_ports::{Page, Role, StoreError, UserChange, UserRecord};
use atoll_types::{Email, Timestamp, UserId};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    PaginatorTrait, QueryFilter, Set, SqlErr, Statement,
};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::entity::user::{Column, Entity, Model};
use crate::error::{Refusal, failed};
use crate::words::Word;

const UPDATE: &str = "change an account";
const REMOVE: &str = "remove an account";

pub(crate) async fn insert(db: &impl ConnectionTrait, user: &UserRecord) -> Result<(), StoreError> {
    let row = Model::from(user).into_active_model();
    let done = Entity::insert(row).exec_without_returning(db).await;
    let unique =
        if by_id(db, &user.id).await?.is_some() && done.is_err() { "user id" } else { "email address" };
    done.map(|_| ()).map_err(|e| Refusal { action: "add an account", unique, parent: "user" }.error(e))
}

fn record(row: Option<Model>) -> Result<Option<UserRecord>, StoreError> {
    row.map(UserRecord::try_from).transpose()
}

pub(crate) async fn by_id(db: &impl ConnectionTrait, id: &UserId) -> Result<Option<UserRecord>, StoreError> {
    record(Entity::find_by_id(id.as_str()).one(db).await.map_err(failed("read an account"))?)
}

pub(crate) async fn by_email(
    db: &impl ConnectionTrait,
    email: &Email,
) -> Result<Option<UserRecord>, StoreError> {
    let found = Entity::find().filter(Column::Email.eq(email.as_str())).one(db).await;
    record(found.map_err(failed("read an account"))?)
}

pub(crate) async fn count(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    Entity::find().count(db).await.map_err(failed("count the accounts"))
}

pub(crate) fn list_statement(after: Option<Place>, limit: u32) -> Statement {
    let after = after.unwrap_or_else(|| Place { created_at: i64::MAX, id: "~".to_owned() });
    statement(
        "SELECT * FROM users WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?",
        [after.created_at.into(), after.id.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<UserRecord>, StoreError> {
    let after = cursor::read(List::Users, cursor)?;
    let rows = Model::find_by_statement(list_statement(after, limit)).all(db).await;
    let rows = rows.map_err(failed("list the accounts"))?;
    let place = |row: &Model| Place { created_at: row.created_at, id: row.id.clone() };
    cursor::page(List::Users, limit, rows, place, UserRecord::try_from)
}

pub(crate) async fn update(
    db: &impl ConnectionTrait,
    id: &UserId,
    change: UserChange,
) -> Result<Option<UserRecord>, StoreError> {
    let Some(row) = Entity::find_by_id(id.as_str()).one(db).await.map_err(failed(UPDATE))? else {
        return Ok(None);
    };
    let mut row = row.into_active_model();
    if let Some(role) = change.role {
        row.role = Set(role.word().to_owned());
    }
    if let Some(disabled_at) = change.disabled_at {
        row.disabled_at = Set(disabled_at.map(Timestamp::as_unix_ms));
    }
    if let Some(hash) = change.password_hash {
        row.password_hash = Set(hash);
    }
    record(Some(row.update(db).await.map_err(failed(UPDATE))?))
}

/// What refers to the account and does not go with it keeps it.
pub(crate) async fn remove(
    db: &impl ConnectionTrait,
    id: &UserId,
    images_to: &UserId,
) -> Result<bool, StoreError> {
    let images = statement(
        "UPDATE images SET owner_id = ? WHERE owner_id = ?",
        [images_to.as_str().into(), id.as_str().into()],
    );
    db.execute_raw(images).await.map_err(failed(REMOVE))?;
    match Entity::delete_by_id(id.as_str()).exec(db).await {
        Ok(done) => Ok(done.rows_affected > 0),
        Err(error) => match error.sql_err() {
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
                Err(StoreError::Conflict { what: "something of this account" })
            }
            _ => Err(failed(REMOVE)(error)),
        },
    }
}

pub(crate) async fn admin_count(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    let admins = Entity::find()
        .filter(Column::Role.eq(Role::Admin.word()))
        .filter(Column::DisabledAt.is_null())
        .count(db);
    admins.await.map_err(failed("count the admins"))
}
