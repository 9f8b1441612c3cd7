use atoll_ports::{IdempotencyRecord, IdempotentAnswer, Store};
use atoll_types::{Timestamp, UserId};

use super::{is_absent, user_in};
use crate::samples;

pub(super) async fn requests(store: &dyn Store) {
    let (one, other) = (user_in(store).await, user_in(store).await);
    let of = |owner: &UserId, key: &str, request: u8| IdempotencyRecord {
        owner: owner.clone(),
        key: samples::parse(key),
        request: [request; 32],
        answer: None,
        created_at: samples::now(),
    };
    let first = of(&one.id, "k", 1);
    assert_eq!(store.idempotency_begin(&first).await.unwrap(), None);
    assert_eq!(store.idempotency_begin(&of(&one.id, "k", 2)).await.unwrap(), Some(first.clone()));
    assert_eq!(store.idempotency_begin(&of(&one.id, "l", 2)).await.unwrap(), None);
    let theirs = of(&other.id, "k", 2);
    assert_eq!(store.idempotency_begin(&theirs).await.unwrap(), None, "a key is one user's");
    assert!(is_absent(&store.idempotency_begin(&of(&UserId::random(), "k", 1)).await));

    let answer = IdempotentAnswer { status: 201, sealed: vec![1, 2, 3] };
    store.idempotency_answer(&one.id, &first.key, &answer).await.unwrap();
    let answered = IdempotencyRecord { answer: Some(answer.clone()), ..first.clone() };
    assert_eq!(store.idempotency_begin(&first).await.unwrap(), Some(answered));
    assert_eq!(store.idempotency_begin(&theirs).await.unwrap(), Some(theirs.clone()));

    store.idempotency_remove(&one.id, &first.key).await.unwrap();
    store.idempotency_remove(&one.id, &first.key).await.unwrap();
    store.idempotency_answer(&one.id, &first.key, &answer).await.unwrap();
    let later = of(&one.id, "k", 3);
    assert_eq!(store.idempotency_begin(&later).await.unwrap(), None, "it was never there");

    let before = |ms: i64| Timestamp::from_unix_ms(ms);
    assert_eq!(store.idempotency_sweep(before(first.created_at.as_unix_ms())).await.unwrap(), 0);
    assert_eq!(store.idempotency_sweep(before(later.created_at.as_unix_ms())).await.unwrap(), 2);
    assert_eq!(store.idempotency_begin(&later).await.unwrap(), Some(later));
}
