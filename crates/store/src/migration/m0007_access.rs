//! Log-ins, invitations, scopes of keys, and accounts that are disabled.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// SQL, since CHECK constraints are its point.
const SQL: &str = include_str!("m0007_access.sql");

pub(super) struct Access;

impl MigrationName for Access {
    fn name(&self) -> &str {
        "m0007_access"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for Access {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
