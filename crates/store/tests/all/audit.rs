//! Nobody changes the audit log unseen, and nothing in it is there twice.

use atoll_ports::{AuditFilter, AuditStore};
use atoll_store::SqliteStore;
use atoll_testkit::samples;
use atoll_types::{AuditEntry, NodeId};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Executor};

/// A store with ten entries.
async fn ten(dir: &tempfile::TempDir, node: &NodeId) -> SqliteStore {
    let store = SqliteStore::open(&dir.path().join("atoll.db")).await.unwrap();
    let entries: Vec<AuditEntry> = (0..10).map(|_| samples::audit_entry(node)).collect();
    store.audit_add(entries).await.unwrap();
    assert_eq!(store.audit_verify(node).await.unwrap().entries, 10);
    store
}

/// Does something to the file that Atoll never does.
async fn tamper(dir: &tempfile::TempDir, sql: &str) -> Result<(), String> {
    let options = SqliteConnectOptions::new().filename(dir.path().join("atoll.db"));
    let mut db = options.connect().await.unwrap();
    db.execute(AssertSqlSafe(sql.to_owned())).await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_tables_refuse_a_change() {
    let (dir, node) = (tempfile::tempdir().unwrap(), NodeId::random());
    let store = ten(&dir, &node).await;
    for sql in [
        "UPDATE audit SET entry = replace(entry, 'create', 'delete') WHERE seq = 5",
        "DELETE FROM audit WHERE seq = 5",
        "DELETE FROM audit",
    ] {
        let refused = tamper(&dir, sql).await.unwrap_err();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
    assert_eq!(store.audit_verify(&node).await.unwrap().broken, None);
}

#[tokio::test]
async fn what_was_done_past_the_tables_is_found() {
    let unlock = "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_only_trimmed; ";
    for (sql, at) in [
        ("UPDATE audit SET entry = replace(entry, 'create', 'delete') WHERE seq = 5", 5),
        ("UPDATE audit SET hash = substr(hash, 2) || 'f' WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 5", 6),
        ("DELETE FROM audit WHERE seq < 5", 5),
        ("UPDATE audit SET seq = 20 WHERE seq = 10", 20),
    ] {
        let (dir, node) = (tempfile::tempdir().unwrap(), NodeId::random());
        let store = ten(&dir, &node).await;
        tamper(&dir, &format!("{unlock}{sql}")).await.unwrap();
        let check = store.audit_verify(&node).await.unwrap();
        assert_eq!(check.broken.map(|(seq, _)| seq), Some(at), "{sql}: {check:?}");
    }
}

#[tokio::test]
async fn a_new_chain_in_the_place_of_the_old_has_another_end() {
    let (dir, node) = (tempfile::tempdir().unwrap(), NodeId::random());
    let store = ten(&dir, &node).await;
    let end = store.audit_verify(&node).await.unwrap();
    assert_eq!(store.audit_hash(&node, end.last_seq).await.unwrap(), Some(end.last_hash.clone()));
    tamper(&dir, "DROP TRIGGER audit_is_only_trimmed; DELETE FROM audit").await.unwrap();
    store.close().await.unwrap();
    let store = ten(&dir, &node).await;
    let forged = store.audit_verify(&node).await.unwrap();
    assert_eq!((forged.broken, forged.last_seq), (None, end.last_seq));
    assert_ne!(store.audit_hash(&node, end.last_seq).await.unwrap(), Some(end.last_hash));
}

#[tokio::test]
async fn a_journal_that_was_not_emptied_adds_nothing_twice() {
    let (dir, node) = (tempfile::tempdir().unwrap(), NodeId::random());
    let store = SqliteStore::open(&dir.path().join("atoll.db")).await.unwrap();
    store.audit_add(vec![samples::audit_entry(&node)]).await.unwrap();
    let journal = dir.path().join("atoll.audit");
    let kept = std::fs::read(&journal).unwrap();
    assert!(!kept.is_empty());
    assert_eq!(store.audit_list(&AuditFilter::default(), None, 10).await.unwrap().items.len(), 1);
    store.close().await.unwrap();
    assert!(!journal.exists());
    // As a death between the commit and the emptying leaves it.
    std::fs::write(&journal, kept).unwrap();
    let store = SqliteStore::open(&dir.path().join("atoll.db")).await.unwrap();
    assert_eq!(store.audit_list(&AuditFilter::default(), None, 10).await.unwrap().items.len(), 1);
    assert_eq!(store.audit_verify(&node).await.unwrap().broken, None);
}
