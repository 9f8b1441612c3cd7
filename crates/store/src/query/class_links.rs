//! Class links.

use atoll_ports::{ClassLinkRecord, Page, StoreError};
use atoll_types::ClassLinkId;
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, Statement};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::entity::class_link::{Entity, Model};
use crate::error::{Refusal, failed};

pub(crate) async fn insert(db: &impl ConnectionTrait, link: &ClassLinkRecord) -> Result<(), StoreError> {
    let row = Model::from(link).into_active_model();
    let done = Entity::insert(row).exec_without_returning(db).await;
    let refusal = Refusal { action: "add a class link", unique: "class link", parent: "user" };
    done.map(|_| ()).map_err(|e| refusal.error(e))
}

pub(crate) async fn get(
    db: &impl ConnectionTrait,
    id: &ClassLinkId,
) -> Result<Option<ClassLinkRecord>, StoreError> {
    let found = Entity::find_by_id(id.as_str()).one(db).await;
    found.map_err(failed("read a class link"))?.map(ClassLinkRecord::try_from).transpose()
}

pub(crate) fn list_statement(after: Option<Place>, limit: u32) -> Statement {
    let after = after.unwrap_or_else(|| Place { created_at: i64::MAX, id: "~".to_owned() });
    statement(
        "SELECT * FROM class_links WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?",
        [after.created_at.into(), after.id.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<ClassLinkRecord>, StoreError> {
    let after = cursor::read(List::ClassLinks, cursor)?;
    let rows = Model::find_by_statement(list_statement(after, limit)).all(db).await;
    let rows = rows.map_err(failed("list class links"))?;
    let place = |row: &Model| Place { created_at: row.created_at, id: row.id.clone() };
    cursor::page(List::ClassLinks, limit, rows, place, ClassLinkRecord::try_from)
}

pub(crate) async fn remove(db: &impl ConnectionTrait, id: &ClassLinkId) -> Result<bool, StoreError> {
    let one = Entity::delete_by_id(id.as_str()).exec(db).await;
    Ok(one.map_err(failed("remove a class link"))?.rows_affected > 0)
}
