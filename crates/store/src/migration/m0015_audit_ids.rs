//! Ids of entries of the audit log are random: keeping them in order touched one more page for each entry, for a question that
//! is asked after a crash only, and about the last entries.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

const SQL: &str = "DROP INDEX audit_id";

pub(super) struct AuditIds;

impl MigrationName for AuditIds {
    fn name(&self) -> &str {
        "m0015_audit_ids"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for AuditIds {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
