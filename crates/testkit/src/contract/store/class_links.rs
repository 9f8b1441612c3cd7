use atoll_ports::{ClassLinkRecord, Store};
use atoll_types::{Timestamp, UserId};

use super::{is_absent, is_conflict, pages, user_in};
use crate::samples;

pub(super) async fn class_links(store: &dyn Store) {
    let (maker, other) = (user_in(store).await, user_in(store).await);
    let mut all: Vec<_> = (0..3).map(|_| samples::class_link(&maker.id)).collect();
    all[1] = ClassLinkRecord { maker: other.id.clone(), sessions_max: u32::MAX, ..all[1].clone() };
    for one in &all {
        store.class_link_insert(one).await.unwrap();
        assert_eq!(store.class_link_get(&one.id).await.unwrap().as_ref(), Some(one));
    }
    assert!(is_conflict(&store.class_link_insert(&all[0]).await));
    assert!(is_absent(&store.class_link_insert(&samples::class_link(&UserId::random())).await));
    all.reverse();
    for limit in [1, 2, 100] {
        let listed = pages(limit, async |cursor, limit| store.class_link_list(cursor, limit).await).await;
        assert_eq!(listed, all);
    }

    assert!(store.class_link_remove(&all[0].id).await.unwrap());
    assert!(!store.class_link_remove(&all[0].id).await.unwrap());
    assert_eq!(store.class_link_get(&all[0].id).await.unwrap(), None);
    // With who made it, and when its time is over.
    assert!(store.user_remove(&other.id, &maker.id).await.unwrap());
    assert_eq!(store.class_link_get(&all[1].id).await.unwrap(), None);
    let end = all[2].expires_at.as_unix_ms();
    assert_eq!(store.session_sweep(Timestamp::from_unix_ms(end)).await.unwrap(), 0);
    assert_eq!(store.session_sweep(Timestamp::from_unix_ms(end + 1)).await.unwrap(), 1);
    assert_eq!(store.class_link_get(&all[2].id).await.unwrap(), None);
}
