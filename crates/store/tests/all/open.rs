use std::os::unix::fs::PermissionsExt;

use atoll_ports::{Durability, Store};
use atoll_store::{OpenError, SqliteStore};
use atoll_testkit::samples;
use atoll_types::{NodeId, SandboxId};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Executor};

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening() {
    let (dir, store) = super::fresh().await;
    let (user, sandbox) = super::owned_sandbox(&store).await;
    store.close().await.unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left, ["atoll.db"], "a closed store leaves no log behind");
    let store = SqliteStore::open(&dir.path().join("atoll.db")).await.unwrap();
    assert_eq!(store.user_get(&user.id).await.unwrap(), Some(user));
    assert_eq!(store.sandbox_get(&sandbox.id).await.unwrap(), Some(sandbox));
}

#[tokio::test]
async fn its_files_are_for_their_owner_alone() {
    let (dir, store) = super::fresh().await;
    store.user_insert(&samples::user()).await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        names.push(file.file_name());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
    assert_eq!(names.len(), 5, "the database, its log, the log's index and two journals: {names:?}");
}

/// Takes the tables back to those of the first release, and opens them again.
#[tokio::test]
async fn a_database_of_the_first_release_is_brought_up_to_date() {
    let (dir, store) = super::fresh().await;
    let (_, sandbox) = super::owned_sandbox(&store).await;
    store.close().await.unwrap();
    let path = dir.path().join("atoll.db");
    let mut raw = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    raw.execute("DROP INDEX sandboxes_environment").await.unwrap();
    for column in ["environment_id", "host_ports", "observed_paused", "desired_paused", "boot_id"] {
        raw.execute(AssertSqlSafe(format!("ALTER TABLE sandboxes DROP COLUMN {column}"))).await.unwrap();
    }
    let tables = [
        "jobs",
        "audit",
        "audit_trims",
        "quotas",
        "egress",
        "prepared",
        "sessions",
        "invitations",
        "class_links",
        "idempotency",
        "secrets",
        "environment_versions",
        "environments",
    ];
    for table in tables {
        raw.execute(AssertSqlSafe(format!("DROP TABLE {table}"))).await.unwrap();
    }
    for drop in [
        "DROP INDEX users_list",
        "ALTER TABLE users DROP COLUMN disabled_at",
        "ALTER TABLE api_keys DROP COLUMN scopes",
        "ALTER TABLE images DROP COLUMN template",
        "ALTER TABLE images DROP COLUMN config",
    ] {
        raw.execute(drop).await.unwrap();
    }
    raw.execute("DELETE FROM seaql_migrations WHERE version <> 'm0001_first'").await.unwrap();
    drop(raw);
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.sandbox_get(&sandbox.id).await.unwrap(), Some(sandbox));
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused_and_left_alone() {
    let (dir, store) = super::fresh().await;
    store.close().await.unwrap();
    let path = dir.path().join("atoll.db");
    let mut raw = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    raw.execute("INSERT INTO seaql_migrations VALUES ('m9999_future', 0)").await.unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::NewerSchema { migration } if migration == "m9999_future"),
        "{error:?}"
    );
    assert!(error.to_string().contains("newer release"), "{error}");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("atoll.db");
    let text = "this is somebody's letter, and no database at all".repeat(100);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(SqliteStore::open(&path).await, Err(OpenError::Database { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let nowhere = SqliteStore::open(&dir.path().join("no/such/folder.db")).await;
    assert!(matches!(nowhere, Err(OpenError::File { .. })));
}

#[tokio::test]
async fn one_bad_write_fails_alone() {
    let (_dir, store) = super::fresh().await;
    let user = samples::user();
    store.user_insert(&user).await.unwrap();
    let node = NodeId::random();
    let taken = store.sandbox_insert(&samples::sandbox(&user.id, &node), Durability::Process).await.unwrap();
    let good: Vec<_> = (0..20).map(|_| samples::sandbox(&user.id, &node)).collect();
    let mut writes = Vec::new();
    for one in &good {
        // Queued at once, so that they share transactions.
        writes.push(store.sandbox_insert(one, Durability::Process));
        writes.push(store.sandbox_insert(&taken, Durability::Process));
    }
    let results = futures_util::future::join_all(writes).await;
    for (at, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), at % 2 == 0, "{at}: {result:?}");
    }
    let mut slots: Vec<_> =
        store.sandbox_list_node(&node).await.unwrap().iter().map(|s| s.uid_slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..21).collect::<Vec<_>>());
}

/// A process that died right after it had acknowledged an end has left it in the journal alone.
#[tokio::test]
async fn ends_that_only_the_journal_has_are_in_the_tables_after_the_next_start() {
    let (dir, store) = super::fresh().await;
    let path = dir.path().join("atoll.db");
    let (_, sandbox) = super::owned_sandbox(&store).await;
    let ended = samples::finished(&samples::exec(&sandbox.id), samples::exited(4));
    let foreign = samples::finished(&samples::exec(&SandboxId::random()), samples::exited(4));
    for exec in [&foreign, &ended] {
        store.exec_finish(exec).await.unwrap();
    }
    let journal = std::fs::read(path.with_extension("ends")).unwrap();
    store.close().await.unwrap();
    assert_eq!(journal.iter().filter(|byte| **byte == b'\n').count(), 2);

    // The tables as they were before, the journal as it was.
    let mut raw = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    raw.execute("DELETE FROM execs").await.unwrap();
    std::fs::write(path.with_extension("ends"), &journal).unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.exec_get(&sandbox.id, &ended.id).await.unwrap(), Some(ended));
    assert_eq!(store.exec_get(&foreign.sandbox, &foreign.id).await.unwrap(), None, "its sandbox was deleted");
    assert_eq!(std::fs::metadata(path.with_extension("ends")).unwrap().len(), 0);
}

/// Tables that take nothing keep neither who writes an end nor who reads it waiting for ever.
#[tokio::test]
async fn while_the_tables_take_nothing_ends_are_acknowledged_and_reads_go_on() {
    let (dir, store) = super::fresh().await;
    let (_, sandbox) = super::owned_sandbox(&store).await;
    let path = dir.path().join("atoll.db");
    let mut raw = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    raw.execute("ALTER TABLE execs RENAME TO hidden; CREATE TABLE execs (id TEXT)").await.unwrap();
    let ended = samples::finished(&samples::exec(&sandbox.id), samples::exited(0));
    store.exec_finish(&ended).await.unwrap();
    assert!(store.exec_get(&sandbox.id, &ended.id).await.is_err(), "the tables are not what they were");
    raw.execute("DROP TABLE execs; ALTER TABLE hidden RENAME TO execs").await.unwrap();
    let found = loop {
        // A read after the repair may still meet the failure before it.
        if let Some(found) = store.exec_get(&sandbox.id, &ended.id).await.unwrap() {
            break found;
        }
    };
    assert_eq!(found, ended);
}
