//! The one connection that writes, as sea-orm sees it.
//!
//! Not one of sea-orm's own: those belong to a pool, which pings a connection each time it comes back.

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions, Connection, Executor};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

/// A failure to connect, as sea-orm says it.
pub(crate) fn connect_error(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// A connection of its own.
#[derive(Debug)]
pub(crate) struct OwnConnection(Mutex<SqliteConnection>);

fn bound(statement: &Statement) -> sqlx::query::Query<'_, sqlx::Sqlite, SqlxValues> {
    let values = statement.values.clone().unwrap_or(sea_orm::Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

impl OwnConnection {
    /// Opens it.
    pub(crate) async fn open(options: &SqliteConnectOptions) -> Result<Self, DbErr> {
        let connection = options.connect().await.map_err(connect_error)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Runs a constant statement without values, from the cache of prepared ones.
    pub(crate) async fn run(&self, sql: &'static str) -> Result<(), DbErr> {
        let done = sqlx::query(sql).execute(&mut *self.0.lock().await).await;
        done.map(|_| ()).map_err(exec_error)
    }

    /// Closes it; the last one to close the database folds the log into it.
    pub(crate) async fn close(self) -> Result<(), DbErr> {
        self.0.into_inner().close().await.map_err(connect_error)
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for OwnConnection {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done = bound(&statement).execute(&mut *self.0.lock().await).await;
        done.map(Into::into).map_err(exec_error)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut connection = self.0.lock().await;
        let done = connection.execute(AssertSqlSafe(sql.to_owned())).await;
        done.map(Into::into).map_err(exec_error)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        // All rows: a RETURNING statement that is left before its end reports no failure of its commit.
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = bound(&statement).fetch_all(&mut *self.0.lock().await).await;
        rows.map(|rows| rows.into_iter().map(Into::into).collect()).map_err(query_error)
    }
}
