//! Secrets of environments.

use atoll_ports::{SecretRecord, StoreError};
use atoll_types::{EnvironmentId, SecretName, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use super::statement;
use crate::SealedBy;
use crate::error::{Columns, Refusal, failed};

const PUT: &str = "set a secret";
const LIST: &str = "list secrets";

#[derive(Debug, FromQueryResult)]
struct Row {
    environment_id: String,
    name: String,
    sealed: Vec<u8>,
    created_at: i64,
    updated_at: i64,
}

const COLUMNS: Columns = Columns("secrets");

impl TryFrom<Row> for SecretRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            environment: COLUMNS.parse("environment_id", &row.environment_id)?,
            name: COLUMNS.parse("name", &row.name)?,
            sealed: row.sealed,
            created_at: Timestamp::from_unix_ms(row.created_at),
            updated_at: Timestamp::from_unix_ms(row.updated_at),
        })
    }
}

pub(crate) async fn put(
    db: &impl ConnectionTrait,
    secret: &SecretRecord,
) -> Result<SecretRecord, StoreError> {
    let put = statement(
        "INSERT INTO secrets (environment_id, name, sealed, created_at, updated_at) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (environment_id, name) \
         DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at RETURNING *",
        [
            secret.environment.as_str().into(),
            secret.name.as_str().into(),
            secret.sealed.clone().into(),
            secret.created_at.as_unix_ms().into(),
            secret.updated_at.as_unix_ms().into(),
        ],
    );
    let refusal = Refusal { action: PUT, unique: "secret", parent: "environment" };
    let row = Row::find_by_statement(put).one(db).await.map_err(|e| refusal.error(e))?;
    row.ok_or(StoreError::Absent { what: "environment" })?.try_into()
}

pub(crate) fn list_statement(environment: &EnvironmentId) -> Statement {
    statement("SELECT * FROM secrets WHERE environment_id = ? ORDER BY name", [environment.as_str().into()])
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    environment: &EnvironmentId,
) -> Result<Vec<SecretRecord>, StoreError> {
    all(db, list_statement(environment)).await
}

async fn all(db: &impl ConnectionTrait, statement: Statement) -> Result<Vec<SecretRecord>, StoreError> {
    let rows = Row::find_by_statement(statement).all(db).await.map_err(failed(LIST))?;
    rows.into_iter().map(SecretRecord::try_from).collect()
}

pub(crate) async fn remove(
    db: &impl ConnectionTrait,
    environment: &EnvironmentId,
    name: &SecretName,
) -> Result<bool, StoreError> {
    let one = statement(
        "DELETE FROM secrets WHERE environment_id = ? AND name = ?",
        [environment.as_str().into(), name.as_str().into()],
    );
    Ok(db.execute_raw(one).await.map_err(failed("remove a secret"))?.rows_affected() > 0)
}

pub(crate) fn list_all_statement(after: Option<(&EnvironmentId, &SecretName)>, limit: u32) -> Statement {
    let (environment, name) =
        after.map_or(("", ""), |(environment, name)| (environment.as_str(), name.as_str()));
    statement(
        "SELECT * FROM secrets WHERE (environment_id, name) > (?, ?) ORDER BY environment_id, name LIMIT ?",
        [environment.into(), name.into(), i64::from(limit).into()],
    )
}

pub(crate) async fn list_all(
    db: &impl ConnectionTrait,
    after: Option<(&EnvironmentId, &SecretName)>,
    limit: u32,
) -> Result<Vec<SecretRecord>, StoreError> {
    all(db, list_all_statement(after, limit)).await
}

pub(crate) async fn reseal(
    db: &impl ConnectionTrait,
    secret: &SecretRecord,
    old: Vec<u8>,
) -> Result<bool, StoreError> {
    let one = statement(
        "UPDATE secrets SET sealed = ? WHERE environment_id = ? AND name = ? AND sealed = ?",
        [
            secret.sealed.clone().into(),
            secret.environment.as_str().into(),
            secret.name.as_str().into(),
            old.into(),
        ],
    );
    Ok(db.execute_raw(one).await.map_err(failed("seal a secret anew"))?.rows_affected() > 0)
}

/// By master key: its id stands behind the first byte of what is sealed.
pub(crate) async fn sealed_by(db: &impl ConnectionTrait) -> Result<Vec<SealedBy>, StoreError> {
    #[derive(Debug, FromQueryResult)]
    struct Count {
        key: String,
        secrets: i64,
        environments: i64,
    }
    let count = "SELECT lower(hex(substr(sealed, 2, 8))) AS key, count(*) AS secrets, \
        count(DISTINCT environment_id) AS environments FROM secrets GROUP BY 1 ORDER BY 1";
    let rows = Count::find_by_statement(statement(count, [])).all(db).await;
    let read = |row: Count| {
        Ok(SealedBy {
            key: row.key,
            secrets: COLUMNS.number("count", row.secrets)?,
            environments: COLUMNS.number("count", row.environments)?,
        })
    };
    rows.map_err(failed("count secrets"))?.into_iter().map(read).collect()
}
