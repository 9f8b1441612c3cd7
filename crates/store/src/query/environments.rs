//! Environments and their versions.

use atoll_ports::{Cas, EnvironmentRecord, EnvironmentVersion, Page, StoreError};
use atoll_types::{EnvironmentId, Timestamp, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult, SqlErr, Statement};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::error::{Columns, Refusal, failed, sql_json};

const ADD: &str = "add an environment";
const UPDATE: &str = "update an environment";
const REMOVE: &str = "remove an environment";

/// An environment with its newest version, before its condition.
const WITH_NEWEST: &str = "SELECT e.id, e.owner_id, e.name, e.version, e.created_at, v.template, \
    v.created_at AS updated_at FROM environments e CROSS JOIN environment_versions v \
    ON v.environment_id = e.id AND v.version = e.version";

#[derive(Debug, FromQueryResult)]
struct Row {
    id: String,
    owner_id: String,
    name: String,
    version: i64,
    created_at: i64,
    template: String,
    updated_at: i64,
}

const COLUMNS: Columns = Columns("environments");

impl TryFrom<Row> for EnvironmentRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: COLUMNS.parse("id", &row.id)?,
            owner: COLUMNS.parse("owner_id", &row.owner_id)?,
            name: COLUMNS.parse("name", &row.name)?,
            version: COLUMNS.number("version", row.version)?,
            template: COLUMNS.json("template", &row.template)?,
            created_at: Timestamp::from_unix_ms(row.created_at),
            updated_at: Timestamp::from_unix_ms(row.updated_at),
        })
    }
}

#[derive(Debug, FromQueryResult)]
struct VersionRow {
    version: i64,
    template: String,
    created_at: i64,
}

const VERSION_COLUMNS: Columns = Columns("environment_versions");

impl TryFrom<VersionRow> for EnvironmentVersion {
    type Error = StoreError;

    fn try_from(row: VersionRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: VERSION_COLUMNS.number("version", row.version)?,
            template: VERSION_COLUMNS.json("template", &row.template)?,
            created_at: Timestamp::from_unix_ms(row.created_at),
        })
    }
}

async fn insert_version(
    db: &impl ConnectionTrait,
    action: &'static str,
    environment: &EnvironmentRecord,
    version: u32,
) -> Result<(), StoreError> {
    let insert = statement(
        "INSERT INTO environment_versions (environment_id, version, template, created_at) VALUES (?, ?, ?, ?)",
        [
            environment.id.as_str().into(),
            i64::from(version).into(),
            sql_json(action, &environment.template)?.into(),
            environment.updated_at.as_unix_ms().into(),
        ],
    );
    db.execute_raw(insert).await.map(|_| ()).map_err(failed(action))
}

/// Whether it keeps sandboxes ready.
fn warm(environment: &EnvironmentRecord) -> i64 {
    i64::from(environment.template.warm_pool.is_some())
}

pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    environment: &EnvironmentRecord,
) -> Result<(), StoreError> {
    let insert = statement(
        "INSERT INTO environments (id, owner_id, name, version, created_at, warm) VALUES (?, ?, ?, 1, ?, ?)",
        [
            environment.id.as_str().into(),
            environment.owner.as_str().into(),
            environment.name.as_str().into(),
            environment.created_at.as_unix_ms().into(),
            warm(environment).into(),
        ],
    );
    let refusal = Refusal { action: ADD, unique: "environment id", parent: "user" };
    db.execute_raw(insert).await.map_err(|e| refusal.error(e))?;
    insert_version(db, ADD, environment, 1).await
}

pub(crate) async fn get(
    db: &impl ConnectionTrait,
    id: &EnvironmentId,
) -> Result<Option<EnvironmentRecord>, StoreError> {
    let one = statement(&format!("{WITH_NEWEST} WHERE e.id = ?"), [id.as_str().into()]);
    let found = Row::find_by_statement(one).one(db).await;
    found.map_err(failed("read an environment"))?.map(EnvironmentRecord::try_from).transpose()
}

pub(crate) fn list_statement(owner: &UserId, after: Option<Place>, limit: u32) -> Statement {
    let after = after.unwrap_or_else(|| Place { created_at: i64::MAX, id: "~".to_owned() });
    statement(
        &format!(
            "{WITH_NEWEST} WHERE e.owner_id = ? AND (e.created_at, e.id) < (?, ?) \
             ORDER BY e.created_at DESC, e.id DESC LIMIT ?"
        ),
        [owner.as_str().into(), after.created_at.into(), after.id.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    owner: &UserId,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<EnvironmentRecord>, StoreError> {
    let after = cursor::read(List::Environments, cursor)?;
    let rows = Row::find_by_statement(list_statement(owner, after, limit)).all(db).await;
    let place = |row: &Row| Place { created_at: row.created_at, id: row.id.clone() };
    let rows = rows.map_err(failed("list environments"))?;
    cursor::page(List::Environments, limit, rows, place, EnvironmentRecord::try_from)
}

pub(crate) fn list_warm_statement(limit: u32) -> Statement {
    let condition = "WHERE e.warm = 1 ORDER BY e.created_at, e.id LIMIT ?";
    statement(&format!("{WITH_NEWEST} {condition}"), [i64::from(limit).into()])
}

pub(crate) async fn list_warm(
    db: &impl ConnectionTrait,
    limit: u32,
) -> Result<Vec<EnvironmentRecord>, StoreError> {
    let rows = Row::find_by_statement(list_warm_statement(limit)).all(db).await;
    let rows = rows.map_err(failed("list environments that keep sandboxes ready"))?;
    rows.into_iter().map(EnvironmentRecord::try_from).collect()
}

/// Of one user, or of all.
pub(crate) async fn count(db: &impl ConnectionTrait, owner: Option<&UserId>) -> Result<u64, StoreError> {
    let count = match owner {
        Some(owner) => {
            statement("SELECT count(*) AS n FROM environments WHERE owner_id = ?", [owner.as_str().into()])
        }
        None => statement("SELECT count(*) AS n FROM environments", []),
    };
    let row = db.query_one_raw(count).await;
    let n = row.and_then(|row| row.map(|row| row.try_get::<i64>("", "n")).transpose());
    let n = n.map_err(failed("count environments"))?.unwrap_or(0);
    Ok(COLUMNS.number("count", n)?)
}

/// The compare-and-set.
pub(crate) async fn update(
    db: &impl ConnectionTrait,
    environment: &EnvironmentRecord,
) -> Result<Cas<EnvironmentRecord>, StoreError> {
    let raise = statement(
        "UPDATE environments SET version = version + 1, name = ?, warm = ? WHERE id = ? AND version = ?",
        [
            environment.name.as_str().into(),
            warm(environment).into(),
            environment.id.as_str().into(),
            i64::from(environment.version).into(),
        ],
    );
    let raised = db.execute_raw(raise).await.map_err(failed(UPDATE))?.rows_affected() > 0;
    if raised {
        insert_version(db, UPDATE, environment, environment.version.saturating_add(1)).await?;
    }
    Ok(match get(db, &environment.id).await? {
        Some(now) if raised => Cas::Updated(now),
        Some(now) => Cas::Stale(now),
        None => Cas::Absent,
    })
}

pub(crate) async fn version(
    db: &impl ConnectionTrait,
    id: &EnvironmentId,
    version: u32,
) -> Result<Option<EnvironmentVersion>, StoreError> {
    let one = statement(
        "SELECT version, template, created_at FROM environment_versions WHERE environment_id = ? AND version = ?",
        [id.as_str().into(), i64::from(version).into()],
    );
    let found = VersionRow::find_by_statement(one).one(db).await;
    found.map_err(failed("read a version"))?.map(EnvironmentVersion::try_from).transpose()
}

/// The place of a version in its list is its number.
pub(crate) fn versions_statement(id: &EnvironmentId, after: Option<Place>, limit: u32) -> Statement {
    let after = after.map_or(i64::MAX, |place| place.created_at);
    statement(
        "SELECT version, template, created_at FROM environment_versions \
         WHERE environment_id = ? AND version < ? ORDER BY version DESC LIMIT ?",
        [id.as_str().into(), after.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn versions(
    db: &impl ConnectionTrait,
    id: &EnvironmentId,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<EnvironmentVersion>, StoreError> {
    let after = cursor::read(List::EnvironmentVersions, cursor)?;
    let rows = VersionRow::find_by_statement(versions_statement(id, after, limit)).all(db).await;
    let place = |row: &VersionRow| Place { created_at: row.version, id: String::new() };
    let rows = rows.map_err(failed("list versions"))?;
    cursor::page(List::EnvironmentVersions, limit, rows, place, EnvironmentVersion::try_from)
}

pub(crate) async fn remove(db: &impl ConnectionTrait, id: &EnvironmentId) -> Result<bool, StoreError> {
    let one = statement("DELETE FROM environments WHERE id = ?", [id.as_str().into()]);
    match db.execute_raw(one).await {
        Ok(done) => Ok(done.rows_affected() > 0),
        Err(error) => Err(match error.sql_err() {
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
                StoreError::Conflict { what: "a sandbox of the environment" }
            }
            _ => failed(REMOVE)(error),
        }),
    }
}
