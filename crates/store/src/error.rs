//! Failures of the database, as the port names them.

use atoll_ports::StoreError;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// The database failed to do this.
pub(crate) fn failed(action: &'static str) -> impl FnOnce(DbErr) -> StoreError {
    move |source| match is_full(&source) {
        true => StoreError::Full,
        false => StoreError::Database { action, source: Box::new(source) },
    }
}

/// `SQLITE_FULL`, as sqlx writes it.
const FULL: &str = "13";

/// Whether the disk had no room for it.
pub(crate) fn is_full(error: &DbErr) -> bool {
    let (DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error)) = error else { return false };
    let RuntimeErr::SqlxError(error) = error else { return false };
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == FULL)
}

/// What a refused insert means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    /// What the database was doing.
    pub(crate) action: &'static str,
    /// What exists already when a UNIQUE constraint refuses it.
    pub(crate) unique: &'static str,
    /// What is missing when a foreign key refuses it.
    pub(crate) parent: &'static str,
}

impl Refusal {
    /// The failure in the port's words.
    pub(crate) fn error(self, source: DbErr) -> StoreError {
        match source.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => StoreError::Conflict { what: self.unique },
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => StoreError::Absent { what: self.parent },
            _ => failed(self.action)(source),
        }
    }
}

/// A row that is no record: somebody else wrote it, or a newer release.
#[derive(Debug, thiserror::Error)]
#[error("column {column} of table {table} holds something else than it should")]
pub(crate) struct RowError {
    table: &'static str,
    column: &'static str,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl From<RowError> for StoreError {
    fn from(source: RowError) -> Self {
        Self::Database { action: "read a row", source: Box::new(source) }
    }
}

/// Reads columns of one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns(pub(crate) &'static str);

impl Columns {
    /// Something of the column is wrong.
    pub(crate) fn wrong(
        self,
        column: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> RowError {
        RowError { table: self.0, column, source: Some(source.into()) }
    }

    /// Columns that go together are not all there.
    pub(crate) fn missing(self, column: &'static str) -> RowError {
        RowError { table: self.0, column, source: None }
    }

    /// Text that is one of our types.
    pub(crate) fn parse<T>(self, column: &'static str, text: &str) -> Result<T, RowError>
    where
        T: std::str::FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        text.parse().map_err(|e: T::Err| self.wrong(column, e))
    }

    /// A number that is never negative, or has a bound.
    pub(crate) fn number<T>(self, column: &'static str, number: i64) -> Result<T, RowError>
    where
        T: TryFrom<i64>,
        T::Error: std::error::Error + Send + Sync + 'static,
    {
        number.try_into().map_err(|e: T::Error| self.wrong(column, e))
    }

    /// JSON of one of our types.
    pub(crate) fn json<T: for<'de> serde::Deserialize<'de>>(
        self,
        column: &'static str,
        text: &str,
    ) -> Result<T, RowError> {
        serde_json::from_str(text).map_err(|e| self.wrong(column, e))
    }
}

/// A value that SQL cannot hold: a number beyond 63 bits, or one that breaks the table's rules.
pub(crate) fn unstorable(
    action: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Database { action, source: source.into() }
}

/// A number as SQL holds it.
pub(crate) fn sql_number<T>(action: &'static str, number: T) -> Result<i64, StoreError>
where
    T: TryInto<i64>,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    number.try_into().map_err(|e| unstorable(action, e))
}

/// JSON as SQL holds it.
pub(crate) fn sql_json<T: serde::Serialize>(action: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| unstorable(action, e))
}
