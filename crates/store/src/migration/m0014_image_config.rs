//! What an image says of itself.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

const SQL: &str = "ALTER TABLE images ADD COLUMN config TEXT CHECK (config IS NULL OR json_valid(config))";

pub(super) struct ImageConfig;

impl MigrationName for ImageConfig {
    fn name(&self) -> &str {
        "m0014_image_config"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for ImageConfig {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
