//! That a sandbox was asked to be paused, and that it was seen so.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// Beside the words and not among them: the CHECK of a column cannot be changed where other tables refer to its own.
const SQL: &str = "ALTER TABLE sandboxes ADD COLUMN desired_paused INTEGER NOT NULL DEFAULT 0 \
    CHECK (desired_paused = 0 OR (desired_paused = 1 AND desired = 'running')); \
    ALTER TABLE sandboxes ADD COLUMN observed_paused INTEGER NOT NULL DEFAULT 0 \
    CHECK (observed_paused = 0 OR (observed_paused = 1 AND observed = 'running'))";

pub(super) struct Paused;

impl MigrationName for Paused {
    fn name(&self) -> &str {
        "m0003_paused"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for Paused {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
