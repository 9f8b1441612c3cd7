//! In which boot of its host a sandbox came up.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// None in what is there already: where such a sandbox does not run any more, nobody knows why.
const SQL: &str = "ALTER TABLE sandboxes ADD COLUMN boot_id TEXT";

pub(super) struct BootId;

impl MigrationName for BootId {
    fn name(&self) -> &str {
        "m0002_boot_id"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for BootId {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
