//! Sandboxes that are made ahead.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// SQL, since CHECK constraints are its point.
const SQL: &str = include_str!("m0012_prepared.sql");

pub(super) struct Prepared;

impl MigrationName for Prepared {
    fn name(&self) -> &str {
        "m0012_prepared"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for Prepared {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
