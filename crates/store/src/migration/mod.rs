//! Migrations of the tables: forward only, each in a transaction with the note that it was done.

mod m0001_first;
mod m0002_boot_id;
mod m0003_paused;
mod m0004_jobs;
mod m0005_host_ports;
mod m0007_access;
mod m0008_environments;
mod m0009_audit_and_quotas;
mod m0010_secrets;
mod m0011_idempotency;
mod m0012_prepared;
mod m0013_warm_environments;
mod m0014_image_config;
mod m0015_audit_ids;
mod m0016_class_links;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::open::OpenError;

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::First),
            Box::new(m0002_boot_id::BootId),
            Box::new(m0003_paused::Paused),
            Box::new(m0004_jobs::Jobs),
            Box::new(m0005_host_ports::HostPorts),
            Box::new(m0007_access::Access),
            Box::new(m0008_environments::Environments),
            Box::new(m0009_audit_and_quotas::AuditAndQuotas),
            Box::new(m0010_secrets::Secrets),
            Box::new(m0011_idempotency::Idempotency),
            Box::new(m0012_prepared::Prepared),
            Box::new(m0013_warm_environments::WarmEnvironments),
            Box::new(m0014_image_config::ImageConfig),
            Box::new(m0015_audit_ids::AuditIds),
            Box::new(m0016_class_links::ClassLinks),
        ]
    }
}

/// Whether the table of migrations is there: it is not in a new file.
const INSTALLED: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'seaql_migrations'";
/// Migrations that were done, in their order.
const APPLIED: &str = "SELECT version FROM seaql_migrations ORDER BY version";

fn failed(action: &'static str) -> impl FnOnce(sea_orm::DbErr) -> OpenError {
    move |source| OpenError::Database { action, source }
}

/// The first migration that was done by a newer release.
async fn unknown(db: &DatabaseConnection) -> Result<Option<String>, sea_orm::DbErr> {
    let query = |sql: &'static str| db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql));
    if query(INSTALLED).await?.is_empty() {
        return Ok(None);
    }
    let known: Vec<String> = Migrator::migrations().iter().map(|m| m.name().to_owned()).collect();
    for row in query(APPLIED).await? {
        let version: String = row.try_get("", "version")?;
        if !known.contains(&version) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Brings the tables up to date; changes nothing in a database of a newer release.
pub(crate) async fn run(db: &DatabaseConnection) -> Result<(), OpenError> {
    if let Some(migration) = unknown(db).await.map_err(failed("read its migrations"))? {
        return Err(OpenError::NewerSchema { migration });
    }
    Migrator::up(db, None).await.map_err(failed("migrate its tables"))
}
