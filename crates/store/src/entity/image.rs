//! Names of images. Durable: the files on the node know their digest, and not what people call them.

use atoll_ports::{ImageRecord, StoreError};
use atoll_types::Timestamp;
use sea_orm::entity::prelude::*;

use crate::error::{Columns, sql_json, sql_number};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "images")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub digest: String,
    pub size_bytes: i64,
    pub owner_id: String,
    pub created_at: i64,
    pub template: Option<String>,
    pub config: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const COLUMNS: Columns = Columns("images");

impl TryFrom<Model> for ImageRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            name: COLUMNS.parse("name", &row.name)?,
            digest: COLUMNS.parse("digest", &row.digest)?,
            size_bytes: COLUMNS.number("size_bytes", row.size_bytes)?,
            owner: COLUMNS.parse("owner_id", &row.owner_id)?,
            created_at: Timestamp::from_unix_ms(row.created_at),
            template: row
                .template
                .as_deref()
                .map(|text| COLUMNS.json("template", text))
                .transpose()?
                .unwrap_or_default(),
            config: row.config.as_deref().map(|text| COLUMNS.json("config", text)).transpose()?,
        })
    }
}

impl TryFrom<&ImageRecord> for Model {
    type Error = StoreError;

    fn try_from(image: &ImageRecord) -> Result<Self, StoreError> {
        Ok(Self {
            name: image.name.to_string(),
            digest: image.digest.to_string(),
            size_bytes: sql_number("add an image", image.size_bytes)?,
            owner_id: image.owner.to_string(),
            created_at: image.created_at.as_unix_ms(),
            template: Some(sql_json("add an image", &image.template)?),
            config: image.config.as_ref().map(|config| sql_json("add an image", config)).transpose()?,
        })
    }
}
