use atoll_ports::{Durability, SandboxRecord, Store, StoreError};
use atoll_types::{Desired, ImageSource, NodeId, UserId};

use super::{is_absent, pages, user_in};
use crate::samples;

pub(super) async fn images(store: &dyn Store) {
    let user = user_in(store).await;
    let [a, b] = ['a', 'b'].map(samples::digest);
    let names = ["a", "debian:12", "registry.example.com/team/app:1.2", "z"];
    for name in names {
        store.image_put(&samples::image(&user.id, name, a.clone())).await.unwrap();
    }
    let replaced = samples::image(&user.id, "z", b.clone());
    store.image_put(&replaced).await.unwrap();
    assert_eq!(store.image_get(&replaced.name).await.unwrap(), Some(replaced.clone()));
    assert_eq!(store.image_get(&samples::parse("y")).await.unwrap(), None);
    assert!(is_absent(&store.image_put(&samples::image(&UserId::random(), "y", a.clone())).await));

    for limit in [1, 3, 4, 9] {
        let listed = pages(limit, async |cursor, limit| store.image_list(cursor, limit).await).await;
        let listed: Vec<_> = listed.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(listed, names, "by name, in pages of {limit}");
    }
    assert!(matches!(store.image_list(Some("?"), 1).await, Err(StoreError::BadCursor)));

    assert!(store.image_digest_used(&b).await.unwrap());
    let sandbox = sandbox_of(store, &user.id, ImageSource::Unpacked(b.clone())).await;
    assert!(store.image_delete(&replaced.name).await.unwrap());
    assert!(!store.image_delete(&replaced.name).await.unwrap());
    assert!(store.image_digest_used(&b).await.unwrap(), "a sandbox stands for it");
    let gone = SandboxRecord { desired: Desired::Deleted, ..sandbox };
    store.sandbox_update(&gone, Durability::Power).await.unwrap();
    assert!(store.image_digest_used(&b).await.unwrap(), "until its record is removed");
    assert!(store.sandbox_remove(&gone.id).await.unwrap());
    assert!(!store.image_digest_used(&b).await.unwrap());
    assert!(store.image_digest_used(&a).await.unwrap());
}

async fn sandbox_of(store: &dyn Store, owner: &UserId, source: ImageSource) -> SandboxRecord {
    let mut sandbox = samples::sandbox(owner, &NodeId::random());
    sandbox.spec.source = source;
    store.sandbox_insert(&sandbox, Durability::Process).await.unwrap()
}
