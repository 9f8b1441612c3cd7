//! The audit log, and quotas of users.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// SQL, since CHECK constraints and triggers are its point.
const SQL: &str = include_str!("m0009_audit_and_quotas.sql");

pub(super) struct AuditAndQuotas;

impl MigrationName for AuditAndQuotas {
    fn name(&self) -> &str {
        "m0009_audit_and_quotas"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for AuditAndQuotas {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
