//! Images.

use atoll_ports::{ImageRecord, Page, StoreError};
use atoll_types::{ImageDigest, ImageName};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, Statement};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::entity::image::{Column, Entity, Model};
use crate::error::{Refusal, failed};

pub(crate) async fn put(db: &impl ConnectionTrait, image: &ImageRecord) -> Result<(), StoreError> {
    let row = Model::try_from(image)?.into_active_model();
    let columns = [
        Column::Digest,
        Column::SizeBytes,
        Column::OwnerId,
        Column::CreatedAt,
        Column::Template,
        Column::Config,
    ];
    let replace = OnConflict::column(Column::Name).update_columns(columns).to_owned();
    let done = Entity::insert(row).on_conflict(replace).exec_without_returning(db).await;
    let refusal = Refusal { action: "add an image", unique: "image", parent: "user" };
    done.map(|_| ()).map_err(|e| refusal.error(e))
}

pub(crate) async fn get(
    db: &impl ConnectionTrait,
    name: &ImageName,
) -> Result<Option<ImageRecord>, StoreError> {
    let found = Entity::find_by_id(name.as_str()).one(db).await;
    found.map_err(failed("read an image"))?.map(ImageRecord::try_from).transpose()
}

/// The rows of a page; names are never empty, so all are behind the empty one.
pub(crate) fn list_statement(after: Option<Place>, limit: u32) -> Statement {
    let after = after.map(|place| place.id).unwrap_or_default();
    statement(
        "SELECT * FROM images WHERE name > ? ORDER BY name LIMIT ?",
        [after.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<ImageRecord>, StoreError> {
    let after = cursor::read(List::Images, cursor)?;
    let query = Model::find_by_statement(list_statement(after, limit)).all(db);
    let rows = query.await.map_err(failed("list images"))?;
    let place = |row: &Model| Place { created_at: 0, id: row.name.clone() };
    cursor::page(List::Images, limit, rows, place, ImageRecord::try_from)
}

pub(crate) async fn delete(db: &impl ConnectionTrait, name: &ImageName) -> Result<bool, StoreError> {
    let done = Entity::delete_by_id(name.as_str()).exec(db).await;
    Ok(done.map_err(failed("remove an image"))?.rows_affected > 0)
}

pub(crate) async fn digest_used(db: &impl ConnectionTrait, digest: &ImageDigest) -> Result<bool, StoreError> {
    let query = statement(
        "SELECT 1 FROM images WHERE digest = ?1 UNION ALL SELECT 1 FROM sandboxes WHERE image_digest = ?1 \
         UNION ALL SELECT 1 FROM prepared WHERE image_digest = ?1 LIMIT 1",
        [digest.as_str().into()],
    );
    Ok(db.query_one_raw(query).await.map_err(failed("look for users of an image"))?.is_some())
}
