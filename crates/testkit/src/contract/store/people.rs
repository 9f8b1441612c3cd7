use atoll_ports::{
    Cas, Durability, InvitationRecord, Role, SessionRecord, Store, StoreError, UserChange, UserRecord,
};
use atoll_types::{NodeId, Timestamp, UserId};

use super::{is_absent, is_conflict, pages, user_in};
use crate::samples;

pub(super) async fn users(store: &dyn Store) {
    let mut users = Vec::new();
    for n in 0..4 {
        let role = if n == 0 { Role::Admin } else { Role::User };
        users.push(UserRecord { role, ..samples::user() });
    }
    users[2].created_at = users[1].created_at;
    for user in &users {
        store.user_insert(user).await.unwrap();
    }
    users.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    for limit in [1, 3, 100] {
        let listed = pages(limit, async |cursor, limit| store.user_list(cursor, limit).await).await;
        assert_eq!(listed, users, "newest first, in pages of {limit}");
    }
    assert_eq!(store.admin_count().await.unwrap(), 1);

    let at = Some(Timestamp::from_unix_ms(7));
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$bmV3".to_owned();
    let change =
        UserChange { role: Some(Role::Admin), disabled_at: Some(at), password_hash: Some(hash.clone()) };
    let expected = UserRecord { role: Role::Admin, disabled_at: at, password_hash: hash, ..users[0].clone() };
    assert_eq!(store.user_update(&users[0].id, &change).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.user_get(&users[0].id).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.admin_count().await.unwrap(), 1, "one who is disabled does not count");
    let nothing = UserChange::default();
    assert_eq!(store.user_update(&users[0].id, &nothing).await.unwrap(), Some(expected.clone()));
    let enable = UserChange { disabled_at: Some(None), ..UserChange::default() };
    let enabled = UserRecord { disabled_at: None, ..expected };
    assert_eq!(store.user_update(&users[0].id, &enable).await.unwrap(), Some(enabled));
    assert_eq!(store.admin_count().await.unwrap(), 2);
    assert_eq!(store.user_update(&UserId::random(), &enable).await.unwrap(), None);
}

pub(super) async fn removal(store: &dyn Store) {
    let (user, other) = (user_in(store).await, user_in(store).await);
    let sandbox = samples::sandbox(&user.id, &NodeId::random());
    let mut sandbox = store.sandbox_insert(&sandbox, Durability::Process).await.unwrap();
    let image = samples::image(&user.id, "his", samples::digest('a'));
    store.image_put(&image).await.unwrap();
    let key = samples::api_key(&user.id);
    store.api_key_insert(&key).await.unwrap();
    let log_in = samples::session(&user.id);
    store.session_insert(&log_in, 10).await.unwrap();
    let invitation = samples::invitation(&user.id);
    store.invitation_insert(&invitation).await.unwrap();

    assert!(is_conflict(&store.user_remove(&user.id, &other.id).await), "it owns a sandbox");
    assert_eq!(store.image_get(&image.name).await.unwrap().unwrap().owner, user.id, "nothing was done");
    sandbox.desired = atoll_types::Desired::Deleted;
    store.sandbox_update(&sandbox, Durability::Process).await.unwrap();
    assert!(store.sandbox_remove(&sandbox.id).await.unwrap());

    assert!(store.user_remove(&user.id, &other.id).await.unwrap());
    assert!(!store.user_remove(&user.id, &other.id).await.unwrap());
    assert_eq!(store.user_get(&user.id).await.unwrap(), None);
    assert_eq!(store.api_key_by_hash(&key.hash).await.unwrap(), None);
    assert_eq!(store.session_get(&log_in.id).await.unwrap(), None);
    assert_eq!(store.invitation_by_hash(&invitation.hash).await.unwrap(), None);
    assert_eq!(store.image_get(&image.name).await.unwrap().unwrap().owner, other.id);
}

pub(super) async fn sessions(store: &dyn Store) {
    let (user, other) = (user_in(store).await, user_in(store).await);
    let mut all: Vec<_> = (0..4).map(|_| samples::session(&user.id)).collect();
    for one in &all {
        store.session_insert(one, 100).await.unwrap();
    }
    let foreign = samples::session(&other.id);
    store.session_insert(&foreign, 100).await.unwrap();
    assert!(is_conflict(&store.session_insert(&foreign, 100).await));
    assert!(is_absent(&store.session_insert(&samples::session(&UserId::random()), 100).await));
    all.reverse();
    for limit in [1, 3, 100] {
        let listed =
            pages(limit, async |cursor, limit| store.session_list(&user.id, cursor, limit).await).await;
        assert_eq!(listed, all, "newest first, in pages of {limit}");
    }

    let next = SessionRecord {
        seq: 2,
        used_at: samples::now(),
        address: "::1".to_owned(),
        agent: String::new(),
        ..all[0].clone()
    };
    assert_eq!(store.session_update(&next, 1).await.unwrap(), Cas::Updated(next.clone()));
    assert_eq!(store.session_update(&next, 1).await.unwrap(), Cas::Stale(next.clone()));
    assert_eq!(store.session_update(&samples::session(&user.id), 1).await.unwrap(), Cas::Absent);
    assert_eq!(store.session_get(&next.id).await.unwrap(), Some(next.clone()));

    assert!(!store.session_remove(&user.id, &foreign.id).await.unwrap(), "another user's stays");
    assert!(store.session_remove(&user.id, &all[3].id).await.unwrap());
    assert!(!store.session_remove(&user.id, &all[3].id).await.unwrap());
    // Of those that are left, the one refreshed last and the new one stay.
    let new = samples::session(&user.id);
    store.session_insert(&new, 2).await.unwrap();
    let ids = |page: atoll_ports::Page<SessionRecord>| -> Vec<_> {
        page.items.into_iter().map(|session| session.id).collect()
    };
    let left = ids(store.session_list(&user.id, None, 10).await.unwrap());
    assert_eq!(left, [new.id.clone(), next.id.clone()]);
    assert_eq!(store.session_remove_all(&user.id, Some(&new.id)).await.unwrap(), 1);
    assert_eq!(ids(store.session_list(&user.id, None, 10).await.unwrap()), std::slice::from_ref(&new.id));
    assert_eq!(store.session_remove_all(&user.id, None).await.unwrap(), 1);

    let invitation = samples::invitation(&user.id);
    store.invitation_insert(&invitation).await.unwrap();
    assert_eq!(store.session_sweep(Timestamp::from_unix_ms(0)).await.unwrap(), 0);
    let later = Timestamp::from_unix_ms(invitation.expires_at.as_unix_ms() + 1);
    assert_eq!(store.session_sweep(later).await.unwrap(), 2, "another user's session, and the invitation");
    assert_eq!(store.session_get(&foreign.id).await.unwrap(), None);
}

pub(super) async fn invitations(store: &dyn Store) {
    let inviter = user_in(store).await;
    let mut all: Vec<_> = (0..3).map(|_| samples::invitation(&inviter.id)).collect();
    all[1] = InvitationRecord { email: Some(samples::parse("a@b.c")), role: Role::Admin, ..all[1].clone() };
    for one in &all {
        store.invitation_insert(one).await.unwrap();
        assert_eq!(store.invitation_by_hash(&one.hash).await.unwrap().as_ref(), Some(one));
    }
    assert!(is_conflict(&store.invitation_insert(&all[0]).await));
    assert!(is_absent(&store.invitation_insert(&samples::invitation(&UserId::random())).await));
    all.reverse();
    for limit in [1, 2, 100] {
        let listed = pages(limit, async |cursor, limit| store.invitation_list(cursor, limit).await).await;
        assert_eq!(listed, all);
    }

    let taken = UserRecord { email: inviter.email.clone(), ..samples::user() };
    let refused = store.invitation_take(&all[0].id, &taken).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "email address" })), "{refused:?}");
    assert!(store.invitation_by_hash(&all[0].hash).await.unwrap().is_some(), "it was not used up");
    let user = samples::user();
    store.invitation_take(&all[0].id, &user).await.unwrap();
    assert_eq!(store.user_get(&user.id).await.unwrap(), Some(user));
    assert!(is_absent(&store.invitation_take(&all[0].id, &samples::user()).await));
    assert_eq!(store.user_count().await.unwrap(), 2);
    assert!(store.invitation_remove(&all[1].id).await.unwrap());
    assert!(!store.invitation_remove(&all[1].id).await.unwrap());
}
