//! Class links that can be taken back.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// SQL, since CHECK constraints are its point.
const SQL: &str = include_str!("m0016_class_links.sql");

pub(super) struct ClassLinks;

impl MigrationName for ClassLinks {
    fn name(&self) -> &str {
        "m0016_class_links"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for ClassLinks {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
