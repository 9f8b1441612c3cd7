//! Sandboxes that are made ahead.

use atoll_ports::{Durability, PreparedRecord, SandboxRecord, Store, StoreError, UID_SLOTS};
use atoll_types::{Desired, ImageDigest, ImageSource, NodeId, SandboxId};

use super::{is_conflict, user_in};
use crate::samples;

fn sample(node: &NodeId, source: ImageSource) -> PreparedRecord {
    PreparedRecord {
        id: SandboxId::random(),
        node: node.clone(),
        uid_slot: 0,
        source,
        created_at: samples::now(),
    }
}

async fn prepared_in(store: &dyn Store, node: &NodeId) -> PreparedRecord {
    store.prepared_insert(&sample(node, ImageSource::Host)).await.unwrap()
}

pub(super) async fn claimed_or_removed(store: &dyn Store) {
    let (user, node) = (user_in(store).await, NodeId::random());
    let (one, two) = (prepared_in(store, &node).await, prepared_in(store, &node).await);
    assert!(is_conflict(&store.prepared_insert(&one).await));
    let mut all = store.prepared_list_node(&node).await.unwrap();
    all.sort_by_key(|p| p.created_at);
    assert_eq!(all, [one.clone(), two.clone()]);
    assert_eq!(store.prepared_list_node(&NodeId::random()).await.unwrap(), []);
    assert_eq!(store.sandbox_list_node(&node).await.unwrap(), [], "nobody's");

    let asked = SandboxRecord { id: one.id.clone(), ..samples::sandbox(&user.id, &node) };
    let nobody = SandboxRecord { owner: atoll_types::UserId::random(), ..asked.clone() };
    assert!(store.prepared_claim(&nobody, Durability::Power).await.is_err());
    assert_eq!(store.prepared_list_node(&node).await.unwrap().len(), 2, "a refused claim changes nothing");
    let claimed = store.prepared_claim(&asked, Durability::Power).await.unwrap().unwrap();
    assert_eq!(claimed, SandboxRecord { uid_slot: one.uid_slot, generation: 1, ..asked.clone() });
    assert_eq!(store.sandbox_get(&one.id).await.unwrap(), Some(claimed));
    assert_eq!(store.prepared_list_node(&node).await.unwrap(), std::slice::from_ref(&two));
    assert_eq!(store.prepared_claim(&asked, Durability::Power).await.unwrap(), None, "only once");
    assert!(!store.prepared_remove(&one.id).await.unwrap(), "what is claimed is a sandbox");

    assert!(store.prepared_remove(&two.id).await.unwrap());
    assert!(!store.prepared_remove(&two.id).await.unwrap());
}

pub(super) async fn slots(store: &dyn Store) {
    let (user, node) = (user_in(store).await, NodeId::random());
    let prepared = prepared_in(store, &node).await;
    let mut seen = vec![prepared.uid_slot];
    for _ in 1..UID_SLOTS {
        let made = store.sandbox_insert(&samples::sandbox(&user.id, &node), Durability::Process).await;
        seen.push(made.unwrap().uid_slot);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..UID_SLOTS).collect::<Vec<_>>(), "no two have the same slot");
    let more = samples::sandbox(&user.id, &node);
    assert!(matches!(store.sandbox_insert(&more, Durability::Process).await, Err(StoreError::NoUidSlot)));
    let full = store.prepared_insert(&sample(&node, ImageSource::Host)).await;
    assert!(matches!(full, Err(StoreError::NoUidSlot)));

    let low = store.sandbox_list_node(&node).await.unwrap().into_iter().find(|s| s.uid_slot == 5).unwrap();
    let gone = SandboxRecord { desired: Desired::Deleted, ..low };
    store.sandbox_update(&gone, Durability::Process).await.unwrap();
    assert!(store.sandbox_remove(&gone.id).await.unwrap());
    assert_eq!(prepared_in(store, &node).await.uid_slot, 5, "the last one that is free");
    let elsewhere = prepared_in(store, &NodeId::random()).await;
    assert_ne!(elsewhere.uid_slot, 5, "each node has slots of its own");
}

pub(super) async fn images(store: &dyn Store) {
    let node = NodeId::random();
    let digest: ImageDigest = samples::parse(&"ab".repeat(32));
    let source = ImageSource::Unpacked(digest.clone());
    let prepared = store.prepared_insert(&sample(&node, source)).await.unwrap();
    assert!(store.image_digest_used(&digest).await.unwrap(), "what is made ahead stands on it");
    assert!(store.prepared_remove(&prepared.id).await.unwrap());
    assert!(!store.image_digest_used(&digest).await.unwrap());
}
