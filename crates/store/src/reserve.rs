//! Room for records on a disk that is full.
//!
//! What makes room (a stop, a delete) is a record itself. So the write-ahead log has taken its first megabytes from the
//! disk before anything is written to it, and the database holds free pages: SQLite writes over both, and
//! neither grows while there is some of it left.

use std::path::Path;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::connection::OwnConnection;

/// Free pages below which the database takes new ones: half of what it takes.
const FREE_PAGES_MIN: i64 = 512;

/// Bytes of the log below which it takes new ones: it is removed when the store closes.
const LOG_BYTES_MIN: u64 = 2 << 20;

/// From here on the log is written over from its beginning, whatever an earlier store left in it.
const BEGIN_LOG_ANEW: &str = "PRAGMA wal_checkpoint(RESTART)";

/// Makes the log and the database grow by 4 MiB, about a thousand writes, and leaves that free in both.
const GROW: [&str; 5] = [
    // Of a start that was cut off.
    "DROP TABLE IF EXISTS reserve",
    "CREATE TABLE reserve (room BLOB)",
    "INSERT INTO reserve VALUES (zeroblob(4 << 20))",
    "DROP TABLE reserve",
    BEGIN_LOG_ANEW,
];

/// Takes the room, where it is not there from an earlier start. A disk that is full already has none to give, and is no
/// reason not to start.
pub(crate) async fn take(connection: &OwnConnection, database: &Path) {
    if let Err(error) = try_take(connection, database).await {
        tracing::warn!(%error, "no room could be kept for the records: on a full disk they cannot be changed");
    }
}

async fn try_take(connection: &OwnConnection, database: &Path) -> Result<(), DbErr> {
    connection.run(BEGIN_LOG_ANEW).await?;
    let count = Statement::from_string(DbBackend::Sqlite, "PRAGMA freelist_count");
    let free: Option<i64> =
        connection.query_one_raw(count).await?.map(|row| row.try_get_by_index(0)).transpose()?;
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let log_bytes = std::fs::metadata(log).map_or(0, |meta| meta.len());
    if free.is_some_and(|free| free >= FREE_PAGES_MIN) && log_bytes >= LOG_BYTES_MIN {
        return Ok(());
    }
    for step in GROW {
        connection.run(step).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sea_orm::sqlx::sqlite::SqliteConnectOptions;

    use super::*;
    use crate::error::is_full;

    async fn number(db: &OwnConnection, sql: &str) -> i64 {
        let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    }

    #[tokio::test]
    async fn a_database_that_may_not_grow_has_the_reserve_and_then_is_full() {
        let db = OwnConnection::open(&SqliteConnectOptions::new().in_memory(true)).await.unwrap();
        take(&db, Path::new("")).await;
        // Twice is once: the next start has the free pages of the last.
        take(&db, Path::new("")).await;
        let free = number(&db, "PRAGMA freelist_count").await;
        assert!((1_000..1_100).contains(&free), "{free}");
        let pages = number(&db, "PRAGMA page_count").await;
        number(&db, &format!("PRAGMA max_page_count = {pages}")).await;
        db.execute_unprepared("CREATE TABLE t (bytes BLOB)").await.unwrap();
        db.execute_unprepared("INSERT INTO t VALUES (zeroblob(3 << 20))").await.unwrap();
        let full = db.execute_unprepared("INSERT INTO t VALUES (zeroblob(3 << 20))").await.unwrap_err();
        assert!(is_full(&full), "{full:?}");
        let other = db.execute_unprepared("INSERT INTO none VALUES (1)").await.unwrap_err();
        assert!(!is_full(&other), "{other:?}");
    }
}
