//! Which ports of the host a sandbox was last given.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// A list in JSON; none in what is there already, which publishes nothing.
const SQL: &str = "ALTER TABLE sandboxes ADD COLUMN host_ports TEXT \
    CHECK (host_ports IS NULL OR json_type(host_ports) = 'array')";

pub(super) struct HostPorts;

impl MigrationName for HostPorts {
    fn name(&self) -> &str {
        "m0005_host_ports"
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so the signature must too")]
#[async_trait::async_trait]
impl MigrationTrait for HostPorts {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SQL).await.map(|_| ())
    }
}
