use std::num::NonZeroU16;
use std::sync::Arc;

use atoll_ports::{
    Cas, Durability, ExecFilter, Lifetime, OperationRecord, SandboxFilter, SandboxRecord, Store, StoreError,
    UID_SLOTS,
};
use atoll_types::{
    BootTime, Desired, NodeId, Observed, OperationId, OperationKind, PublishPort, PublishedPort, SandboxId,
    StopReason, Timestamp, UserId,
};

use super::{is_absent, is_conflict, pages, sandbox_in, user_in};
use crate::samples;

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

/// Every field that changes, changed.
fn changed(record: &SandboxRecord) -> SandboxRecord {
    SandboxRecord {
        desired: Desired::Stopped,
        observed: Observed::Crashed,
        operation: Some(OperationRecord {
            id: OperationId::random(),
            kind: OperationKind::Stop,
            step: 3,
            attempts: 2,
            started_at: Timestamp::from_unix_ms(77),
        }),
        stop_reason: Some(StopReason::HostRestarted),
        failure: Some("it failed: \"quoted\", 'so', and \u{1f40b}".to_owned()),
        lifetime: Some(Lifetime { boot_id: "b".to_owned(), deadline: BootTime::from_ms(9), left_ms: 8 }),
        started_at: Some(Timestamp::from_unix_ms(66)),
        boot_id: Some("a boot".to_owned()),
        host_ports: vec![PublishedPort { container: port(80), host: port(40_000) }],
        ..record.clone()
    }
}

pub(super) async fn insert_and_update(store: &dyn Store) {
    let user = user_in(store).await;
    let mut asked = samples::sandbox(&user.id, &NodeId::random());
    asked.spec.name = Some(samples::parse("Größe 1"));
    asked.spec.ports = vec![PublishPort { container: port(80), host: Some(port(8_080)) }];
    asked.spec.labels = samples::labels(&[("team", "a"), ("tier", "x")]);
    let given = SandboxRecord { uid_slot: 17, generation: 99, ..asked.clone() };
    let stored = store.sandbox_insert(&given, Durability::Power).await.unwrap();
    assert_eq!(stored, SandboxRecord { uid_slot: 0, generation: 1, ..asked });
    assert_eq!(store.sandbox_get(&stored.id).await.unwrap(), Some(stored.clone()));
    assert_eq!(store.sandbox_get(&SandboxId::random()).await.unwrap(), None);
    assert!(is_conflict(&store.sandbox_insert(&stored, Durability::Process).await));
    let orphan = samples::sandbox(&UserId::random(), &NodeId::random());
    assert!(is_absent(&store.sandbox_insert(&orphan, Durability::Process).await));

    let next = changed(&stored);
    let expected = SandboxRecord { generation: 2, ..next.clone() };
    let first = store.sandbox_update(&next, Durability::Power).await.unwrap();
    assert_eq!(first, Cas::Updated(expected.clone()));
    let again = store.sandbox_update(&next, Durability::Power).await.unwrap();
    assert_eq!(again, Cas::Stale(expected.clone()), "a generation is written once");
    assert_eq!(store.sandbox_get(&stored.id).await.unwrap(), Some(expected.clone()));

    // Every state that can be asked for and seen is kept.
    let mut now = expected.clone();
    for (desired, observed) in [
        (Desired::Paused, Observed::Running),
        (Desired::Paused, Observed::Paused),
        (Desired::Running, Observed::Paused),
        (Desired::Paused, Observed::Crashed),
        (expected.desired, expected.observed),
    ] {
        let next = SandboxRecord { desired, observed, ..now.clone() };
        store.sandbox_update(&next, Durability::Process).await.unwrap();
        now = store.sandbox_get(&next.id).await.unwrap().unwrap();
        assert_eq!(now, SandboxRecord { generation: next.generation + 1, ..next });
    }
    let last = now.generation;

    // What never changes is not written, whatever the caller says.
    let mut wild = SandboxRecord {
        generation: last,
        created_at: Timestamp::from_unix_ms(1),
        uid_slot: 5,
        ..stored.clone()
    };
    wild.spec.idle_seconds = 12_345;
    let kept = SandboxRecord { generation: last + 1, ..stored };
    assert_eq!(store.sandbox_update(&wild, Durability::Process).await.unwrap(), Cas::Updated(kept));
    let nobody = SandboxRecord { id: SandboxId::random(), ..wild };
    assert_eq!(store.sandbox_update(&nobody, Durability::Process).await.unwrap(), Cas::Absent);
}

pub(super) async fn uid_slots(store: &dyn Store) {
    let user = user_in(store).await;
    let (node, other) = (NodeId::random(), NodeId::random());
    let mut here = Vec::new();
    for slot in 0..UID_SLOTS {
        let stored =
            store.sandbox_insert(&samples::sandbox(&user.id, &node), Durability::Process).await.unwrap();
        assert_eq!(stored.uid_slot, slot, "the lowest free slot");
        here.push(stored);
    }
    let more = samples::sandbox(&user.id, &node);
    assert!(matches!(store.sandbox_insert(&more, Durability::Process).await, Err(StoreError::NoUidSlot)));
    let elsewhere =
        store.sandbox_insert(&samples::sandbox(&user.id, &other), Durability::Process).await.unwrap();
    assert_eq!(elsewhere.uid_slot, 0, "each node has slots of its own");
    for slot in [0, 1_234, 3_999, 7] {
        let gone = SandboxRecord { desired: Desired::Deleted, ..here[slot].clone() };
        store.sandbox_update(&gone, Durability::Process).await.unwrap();
        assert!(store.sandbox_remove(&gone.id).await.unwrap());
    }
    for slot in [0, 7, 1_234, 3_999] {
        let stored =
            store.sandbox_insert(&samples::sandbox(&user.id, &node), Durability::Process).await.unwrap();
        assert_eq!(stored.uid_slot, slot, "the lowest free slot");
    }
    assert_eq!(store.sandbox_list_node(&node).await.unwrap().len(), UID_SLOTS as usize);
}

async fn listed(store: &dyn Store, filter: &SandboxFilter, limit: u32) -> Vec<SandboxRecord> {
    pages(limit, async |cursor, limit| store.sandbox_list(filter, cursor, limit).await).await
}

pub(super) async fn lists(store: &dyn Store) {
    let (user, other) = (user_in(store).await, user_in(store).await);
    let node = NodeId::random();
    let labels: [&[(&str, &str)]; 4] =
        [&[], &[("a", "1")], &[("a", "1"), ("b", "2")], &[("a", "2"), ("b", "2")]];
    let mut all = Vec::new();
    for n in 0..24 {
        let owner = if n % 3 == 0 { &other.id } else { &user.id };
        let mut asked = samples::sandbox(owner, &node);
        asked.spec.labels = samples::labels(labels[n % 4]);
        if n % 5 == 0 {
            asked.created_at = Timestamp::from_unix_ms(1_000);
        }
        all.push(store.sandbox_insert(&asked, Durability::Process).await.unwrap());
    }
    all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let filters = [
        (None, vec![]),
        (Some(&user.id), vec![]),
        (None, vec![("a", "1")]),
        (Some(&user.id), vec![("a", "1"), ("b", "2")]),
        (None, vec![("b", "2"), ("a", "1")]),
        (None, vec![("a", "3")]),
    ];
    for (owner, labels) in filters {
        let labels: Vec<_> = samples::labels(&labels).into_iter().collect();
        let fits = |s: &&SandboxRecord| {
            owner.is_none_or(|o| *o == s.owner) && labels.iter().all(|(k, v)| s.spec.labels.get(k) == Some(v))
        };
        let expected: Vec<_> = all.iter().filter(fits).cloned().collect();
        let filter = SandboxFilter { owner: owner.cloned(), labels: labels.clone(), environment: None };
        for limit in [1, 2, 7, 100] {
            assert_eq!(listed(store, &filter, limit).await, expected, "{filter:?} in pages of {limit}");
        }
    }
    stable(store, &all, &user.id, &node).await;
    assert_eq!(store.sandbox_list_node(&node).await.unwrap().len(), all.len() + 1);
    assert_eq!(store.sandbox_list_node(&NodeId::random()).await.unwrap(), []);
    let bad = store.sandbox_list(&SandboxFilter::default(), Some("////"), 1).await;
    assert!(matches!(bad, Err(StoreError::BadCursor)));
}

/// What is added while somebody pages neither repeats nor hides anything.
async fn stable(store: &dyn Store, all: &[SandboxRecord], user: &UserId, node: &NodeId) {
    let filter = SandboxFilter::default();
    let first = store.sandbox_list(&filter, None, 10).await.unwrap();
    store.sandbox_insert(&samples::sandbox(user, node), Durability::Process).await.unwrap();
    let second = store.sandbox_list(&filter, first.next_cursor.as_deref(), 100).await.unwrap();
    let both: Vec<_> = first.items.into_iter().chain(second.items).collect();
    assert_eq!(both, all, "a new one changes no page behind the first");
}

pub(super) async fn remove(store: &dyn Store) {
    let sandbox = sandbox_in(store).await;
    let mut execs = Vec::new();
    for _ in 0..3 {
        execs.push(samples::exec(&sandbox.id));
        store.exec_insert(&execs[execs.len() - 1]).await.unwrap();
    }
    assert!(!store.sandbox_remove(&sandbox.id).await.unwrap(), "only what is to be deleted");
    assert!(store.exec_get(&sandbox.id, &execs[0].id).await.unwrap().is_some());
    let gone = SandboxRecord { desired: Desired::Deleted, ..sandbox };
    store.sandbox_update(&gone, Durability::Power).await.unwrap();
    assert!(store.sandbox_remove(&gone.id).await.unwrap());
    assert!(!store.sandbox_remove(&gone.id).await.unwrap());
    assert_eq!(store.sandbox_get(&gone.id).await.unwrap(), None);
    let left = store.exec_list(&gone.id, &ExecFilter::default(), None, 10).await.unwrap();
    assert_eq!(left.items, [], "its execs go with it");
    assert!(is_absent(&store.exec_insert(&execs[0]).await));
    let told = store.exec_finish(&samples::finished(&execs[0], samples::exited(0))).await;
    assert!(told.is_ok() || is_absent(&told));
    assert_eq!(store.exec_get(&gone.id, &execs[0].id).await.unwrap(), None, "it does not come back");
}

/// Ten writers of one generation: one wins, the others see the winner's record.
pub(super) async fn concurrent_updates(store: Arc<dyn Store>) {
    let sandbox = sandbox_in(&*store).await;
    let attempts = (0..10).map(|n| {
        let record = SandboxRecord { failure: Some(format!("writer {n}")), ..sandbox.clone() };
        let store = Arc::clone(&store);
        async move { store.sandbox_update(&record, Durability::Process).await.unwrap() }
    });
    let results = futures_util::future::join_all(attempts).await;
    let winners: Vec<_> = results.iter().filter(|r| matches!(r, Cas::Updated(_))).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    let now = store.sandbox_get(&sandbox.id).await.unwrap().unwrap();
    assert_eq!(now.generation, 2);
    for result in &results {
        match result {
            Cas::Updated(record) | Cas::Stale(record) => assert_eq!(*record, now),
            Cas::Absent => panic!("it is there"),
        }
    }
}
