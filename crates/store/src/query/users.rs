//! Accounts.

use atoll_ports::{StoreError, UserRecord};
use atoll_types::{Email, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};

use crate::entity::user::{Column, Entity, Model};
use crate::error::{Refusal, failed};

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
