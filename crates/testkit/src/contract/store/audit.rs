use atoll_ports::{AuditFilter, AuditRecord, AuditScope, Store, StoreError};
use atoll_types::{AuditEntry, AuditOutcome, NodeId, Timestamp, UserId};

use super::pages;
use crate::samples;

async fn all(store: &dyn Store, filter: &AuditFilter) -> Vec<AuditRecord> {
    pages(2, async |cursor, limit| store.audit_list(filter, cursor, limit).await).await
}

fn targets(records: &[AuditRecord]) -> Vec<&str> {
    records.iter().filter_map(|record| record.entry.target.as_deref()).collect()
}

fn about(node: &NodeId, target: &str) -> AuditEntry {
    AuditEntry { target: Some(target.to_owned()), ..samples::audit_entry(node) }
}

/// Entries alone: a chain, newest first, by what they say.
pub(super) async fn lists(store: &dyn Store) {
    let (node, user) = (NodeId::random(), UserId::random());
    let refused = AuditOutcome::Refused;
    let entries = vec![
        about(&node, "a"),
        AuditEntry { user: Some(user.clone()), ..about(&node, "b") },
        AuditEntry { action: "sandbox.stop".to_owned(), ..about(&node, "c") },
        AuditEntry { outcome: refused, at: Timestamp::from_unix_ms(5_000), ..about(&node, "d") },
        AuditEntry { action: "sandboxes".to_owned(), ..about(&node, "e") },
    ];
    store.audit_add(entries.clone()).await.unwrap();
    let filter = AuditFilter::default;
    let held = all(store, &filter()).await;
    assert_eq!(targets(&held), ["e", "d", "c", "b", "a"]);
    assert_eq!(held.iter().map(|r| r.seq).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert_eq!(held[1].entry, entries[3], "every field comes back");
    for (wanted, found) in [
        (AuditFilter { user: Some(user), ..filter() }, vec!["b"]),
        (AuditFilter { action: Some("sandbox.stop".to_owned()), ..filter() }, vec!["c"]),
        (AuditFilter { action: Some("sandbox.".to_owned()), ..filter() }, vec!["d", "c", "b", "a"]),
        (AuditFilter { target: Some("a".to_owned()), ..filter() }, vec!["a"]),
        (AuditFilter { outcome: Some(refused), ..filter() }, vec!["d"]),
        (AuditFilter { since: Some(Timestamp::from_unix_ms(5_000)), ..filter() }, vec!["d"]),
        (AuditFilter { until: Some(Timestamp::from_unix_ms(5_000)), ..filter() }, vec!["e", "c", "b", "a"]),
        (AuditFilter { user: Some(UserId::random()), ..filter() }, vec![]),
    ] {
        assert_eq!(targets(&all(store, &wanted).await), found, "{wanted:?}");
    }
    let check = store.audit_verify(&node).await.unwrap();
    assert_eq!((check.entries, check.first_seq, check.last_seq, check.broken), (5, 1, 5, None));
    assert_eq!(store.audit_hash(&node, 5).await.unwrap().as_ref(), Some(&check.last_hash));
    assert_eq!(store.audit_hash(&node, 6).await.unwrap(), None);
    let other = store.audit_verify(&NodeId::random()).await.unwrap();
    assert_eq!((other.entries, other.last_seq), (0, 0), "each node has a chain of its own");
}

/// An entry goes with the first write of its request, and not with one that is not made.
pub(super) async fn goes_with_a_write(store: &dyn Store) {
    let node = NodeId::random();
    let user = samples::user();
    let scope = AuditScope::new(about(&node, "user"));
    scope.run(async { store.user_insert(&user).await.unwrap() }).await;
    assert!(scope.end(AuditOutcome::Done, None).is_empty(), "it was taken");
    assert_eq!(targets(&all(store, &AuditFilter::default()).await), ["user"]);

    let again = AuditScope::new(about(&node, "again"));
    let twice = again.run(async { store.user_insert(&user).await }).await;
    assert!(matches!(twice, Err(StoreError::Conflict { .. })));
    assert_eq!(again.end(AuditOutcome::Failed, None).len(), 1, "it was given back");
    assert_eq!(targets(&all(store, &AuditFilter::default()).await), ["user"]);
    let check = store.audit_verify(&node).await.unwrap();
    assert_eq!((check.last_seq, check.broken), (1, None));
}

/// Old ones go from the front, and the chain goes on.
pub(super) async fn trims(store: &dyn Store) {
    let node = NodeId::random();
    let at = |n: i64| AuditEntry { at: Timestamp::from_unix_ms(n * 1_000), ..about(&node, &n.to_string()) };
    store.audit_add((1..=10).map(at).collect()).await.unwrap();
    let before = store.audit_verify(&node).await.unwrap();
    let trim = async |before_ms, keep, limit| {
        store.audit_trim(&node, Timestamp::from_unix_ms(before_ms), keep, limit).await.unwrap()
    };
    assert_eq!(trim(0, 100, 100).await, 0);
    assert_eq!(trim(3_000, 100, 100).await, 2, "those that are too old");
    assert_eq!(trim(9_000, 100, 3).await, 3, "no more at once than asked for");
    assert_eq!(trim(0, 4, 100).await, 1, "those that are too many");
    let check = store.audit_verify(&node).await.unwrap();
    assert_eq!((check.entries, check.first_seq, check.last_seq, check.broken), (4, 7, 10, None));
    assert_eq!(check.last_hash, before.last_hash);
    store.audit_add(vec![at(11)]).await.unwrap();
    assert_eq!(trim(99_000, 0, 100).await, 5, "all of them");
    store.audit_add(vec![at(12)]).await.unwrap();
    let check = store.audit_verify(&node).await.unwrap();
    assert_eq!((check.entries, check.first_seq, check.last_seq, check.broken), (1, 12, 12, None));
}

/// Starts of commands are counted by minute.
pub(super) async fn execs(store: &dyn Store) {
    let (node, user) = (NodeId::random(), UserId::random());
    let exec = |minute: i64| AuditEntry {
        action: "exec.start".to_owned(),
        user: Some(user.clone()),
        at: Timestamp::from_unix_ms(minute * 60_000 + 7),
        ..about(&node, "box")
    };
    store.audit_add(vec![exec(1), exec(3), exec(3), exec(4), about(&node, "box")]).await.unwrap();
    let found = store.audit_execs_since(Timestamp::from_unix_ms(3 * 60_000)).await.unwrap();
    let count = |minute| found.iter().filter(|m| m.minute == minute).map(|m| m.count).sum::<u64>();
    assert_eq!((count(1), count(3), count(4)), (0, 2, 1));
    assert!(found.iter().all(|m| m.user == user && m.sandbox == "box"), "{found:?}");
}
