//! Statements, by table. Those that write run in the writer's transaction.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod class_links;
pub(crate) mod environments;
pub(crate) mod exec_writes;
pub(crate) mod execs;
pub(crate) mod idempotency;
pub(crate) mod images;
pub(crate) mod invitations;
pub(crate) mod jobs;
pub(crate) mod prepared;
mod quotas;
pub(crate) mod sandbox_writes;
pub(crate) mod sandboxes;
pub(crate) mod secrets;
pub(crate) mod sessions;
pub(crate) mod users;

#[cfg(test)]
mod plans;

use sea_orm::{DbBackend, Statement, Value};

/// A statement with its values.
pub(crate) fn statement<const N: usize>(sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}
