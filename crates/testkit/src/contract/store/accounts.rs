use atoll_ports::{ApiKeyRecord, Role, Store, StoreError, UserRecord};
use atoll_types::{ApiKeyId, Timestamp, UserId};

use super::{is_absent, is_conflict, pages, user_in};
use crate::samples;

pub(super) async fn users(store: &dyn Store) {
    assert_eq!(store.user_count().await.unwrap(), 0);
    let user = UserRecord { role: Role::Admin, ..samples::user() };
    store.user_insert(&user).await.unwrap();
    assert_eq!(store.user_get(&user.id).await.unwrap(), Some(user.clone()));
    assert_eq!(store.user_by_email(&user.email).await.unwrap(), Some(user.clone()));
    assert_eq!(store.user_get(&UserId::random()).await.unwrap(), None);
    assert_eq!(store.user_by_email(&samples::parse("nobody@example.com")).await.unwrap(), None);

    let same_email = UserRecord { email: user.email.clone(), ..samples::user() };
    let refused = store.user_insert(&same_email).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "email address" })), "{refused:?}");
    let same_id = UserRecord { id: user.id.clone(), ..samples::user() };
    let refused = store.user_insert(&same_id).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "user id" })), "{refused:?}");
    assert_eq!(store.user_count().await.unwrap(), 1);
}

pub(super) async fn api_keys(store: &dyn Store) {
    let (user, other) = (user_in(store).await, user_in(store).await);
    let expiring = Some(Timestamp::from_unix_ms(5));
    let mut keys: Vec<_> = (0..5)
        .map(|n| ApiKeyRecord { expires_at: expiring.filter(|_| n % 2 == 0), ..samples::api_key(&user.id) })
        .collect();
    keys[3].created_at = keys[2].created_at;
    for key in &keys {
        store.api_key_insert(key).await.unwrap();
    }
    let foreign = samples::api_key(&other.id);
    store.api_key_insert(&foreign).await.unwrap();

    assert!(is_conflict(&store.api_key_insert(&keys[0]).await));
    let same_hash = ApiKeyRecord { hash: keys[0].hash, ..samples::api_key(&user.id) };
    assert!(is_conflict(&store.api_key_insert(&same_hash).await));
    assert!(is_absent(&store.api_key_insert(&samples::api_key(&UserId::random())).await));

    assert_eq!(store.api_key_by_hash(&keys[1].hash).await.unwrap(), Some(keys[1].clone()));
    assert_eq!(store.api_key_by_hash(&[9; 32]).await.unwrap(), None);
    keys.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    for limit in [1, 2, 5, 100] {
        let listed =
            pages(limit, async |cursor, limit| store.api_key_list(&user.id, cursor, limit).await).await;
        assert_eq!(listed, keys, "newest first, in pages of {limit}");
    }
    let bad = store.api_key_list(&user.id, Some("nonsense"), 1).await;
    assert!(matches!(bad, Err(StoreError::BadCursor)));

    touch(store, &keys[0]).await;
    assert!(!store.api_key_delete(&user.id, &foreign.id).await.unwrap(), "another user's key stays");
    assert!(!store.api_key_delete(&user.id, &ApiKeyId::random()).await.unwrap());
    assert!(store.api_key_delete(&user.id, &keys[0].id).await.unwrap());
    assert!(!store.api_key_delete(&user.id, &keys[0].id).await.unwrap());
    assert_eq!(store.api_key_by_hash(&keys[0].hash).await.unwrap(), None);
}

async fn touch(store: &dyn Store, key: &ApiKeyRecord) {
    let at = Timestamp::from_unix_ms(1_000);
    store.api_key_touch(&key.id, at).await.unwrap();
    store.api_key_touch(&key.id, Timestamp::from_unix_ms(500)).await.unwrap();
    let touched = store.api_key_by_hash(&key.hash).await.unwrap().unwrap();
    assert_eq!(touched.last_used_at, Some(at), "the last use stays the last");
    store.api_key_touch(&ApiKeyId::random(), at).await.unwrap();
}
