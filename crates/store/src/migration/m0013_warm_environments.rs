//! Environments that keep sandboxes ready.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// SQL, since CHECK constraints are its point.
const SQL: &str = include_str!("m0013_warm_environments.sql");

pub(super) struct WarmEnvironments;

impl MigrationName for WarmEnvironments {
    fn name(&self) -> &str {
        "m0013_warm_environments"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for WarmEnvironments {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
