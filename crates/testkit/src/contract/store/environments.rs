use atoll_ports::{Cas, Durability, EnvironmentRecord, SandboxFilter, Store};
use atoll_types::{EnvironmentId, EnvironmentRef, NodeId, SandboxTemplate, Timestamp, UserId};

use super::{is_absent, is_conflict, pages, user_in};
use crate::samples;

/// The next version of it.
fn changed(environment: &EnvironmentRecord) -> EnvironmentRecord {
    EnvironmentRecord {
        name: samples::parse("Größe 2"),
        template: SandboxTemplate { cpu_millis: Some(250), ..environment.template.clone() },
        updated_at: samples::now(),
        ..environment.clone()
    }
}

pub(super) async fn insert_and_update(store: &dyn Store) {
    let user = user_in(store).await;
    let mut environment = samples::environment(&user.id);
    environment.template.image = Some(samples::parse("nginx:alpine"));
    environment.template.labels = samples::labels(&[("a", "b")]);
    store.environment_insert(&EnvironmentRecord { version: 9, ..environment.clone() }).await.unwrap();
    assert_eq!(store.environment_get(&environment.id).await.unwrap(), Some(environment.clone()));
    assert_eq!(store.environment_get(&EnvironmentId::random()).await.unwrap(), None);
    assert!(is_conflict(&store.environment_insert(&environment).await));
    assert!(is_absent(&store.environment_insert(&samples::environment(&UserId::random())).await));

    let next = changed(&environment);
    let expected = EnvironmentRecord { version: 2, ..next.clone() };
    assert_eq!(store.environment_update(&next).await.unwrap(), Cas::Updated(expected.clone()));
    assert_eq!(store.environment_update(&next).await.unwrap(), Cas::Stale(expected.clone()));
    assert_eq!(store.environment_get(&environment.id).await.unwrap(), Some(expected.clone()));
    // What never changes is not written, whatever the caller says.
    let wild = EnvironmentRecord { created_at: Timestamp::from_unix_ms(1), ..expected.clone() };
    let written = store.environment_update(&wild).await.unwrap();
    assert_eq!(written, Cas::Updated(EnvironmentRecord { version: 3, ..expected }));
    let missing = samples::environment(&user.id);
    assert_eq!(store.environment_update(&missing).await.unwrap(), Cas::Absent);

    let first = store.environment_version(&environment.id, 1).await.unwrap().unwrap();
    assert_eq!((first.version, first.created_at), (1, environment.updated_at));
    assert_eq!(first.template, environment.template, "a version never changes");
    assert_eq!(store.environment_version(&environment.id, 4).await.unwrap(), None);
    assert_eq!(store.environment_version(&missing.id, 1).await.unwrap(), None);
}

pub(super) async fn lists(store: &dyn Store) {
    let (user, other) = (user_in(store).await, user_in(store).await);
    let mut mine = Vec::new();
    for _ in 0..5 {
        let environment = samples::environment(&user.id);
        store.environment_insert(&environment).await.unwrap();
        mine.insert(0, environment);
    }
    store.environment_insert(&samples::environment(&other.id)).await.unwrap();
    let listed = pages(2, async |cursor, limit| store.environment_list(&user.id, cursor, limit).await).await;
    assert_eq!(listed, mine);
    assert_eq!(store.environment_count(Some(&user.id)).await.unwrap(), 5);
    assert_eq!(store.environment_count(Some(&UserId::random())).await.unwrap(), 0);
    assert!(store.environment_count(None).await.unwrap() >= 5);

    let mut newest = mine[0].clone();
    for _ in 0..4 {
        let Cas::Updated(now) = store.environment_update(&changed(&newest)).await.unwrap() else {
            panic!("nobody else writes")
        };
        newest = now;
    }
    let id = &newest.id;
    let versions = pages(2, async |cursor, limit| store.environment_versions(id, cursor, limit).await).await;
    let numbers: Vec<u32> = versions.iter().map(|v| v.version).collect();
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    assert_eq!(versions[0].template, newest.template);
    assert_eq!(versions[4].template, mine[0].template);
}

pub(super) async fn warm(store: &dyn Store) {
    let user = user_in(store).await;
    let size = atoll_types::PoolSize::new(1, 4).unwrap();
    let mut made = Vec::new();
    for at in 0..4 {
        // In the past, so that others' come behind.
        let mut environment = samples::environment(&user.id);
        environment.created_at = Timestamp::from_unix_ms(1_000 + at);
        environment.template.warm_pool = (at != 2).then_some(size);
        store.environment_insert(&environment).await.unwrap();
        made.push(environment);
    }
    let mine = async || {
        let all = store.environment_list_warm(1_000).await.unwrap();
        let mine: Vec<_> = all.into_iter().filter(|e| e.owner == user.id).collect();
        mine
    };
    assert_eq!(mine().await, [made[0].clone(), made[1].clone(), made[3].clone()]);
    assert_eq!(store.environment_list_warm(1).await.unwrap().len(), 1);
    let with = |environment: &EnvironmentRecord, warm_pool| {
        let template = SandboxTemplate { warm_pool, ..environment.template.clone() };
        EnvironmentRecord { template, ..environment.clone() }
    };
    store.environment_update(&with(&made[0], None)).await.unwrap();
    store.environment_update(&with(&made[2], Some(size))).await.unwrap();
    store.environment_remove(&made[3].id).await.unwrap();
    let left = mine().await;
    assert_eq!(
        left.iter().map(|e| (&e.id, e.version)).collect::<Vec<_>>(),
        [(&made[1].id, 1), (&made[2].id, 2)]
    );
}

pub(super) async fn remove(store: &dyn Store) {
    let user = user_in(store).await;
    let (used, free) = (samples::environment(&user.id), samples::environment(&user.id));
    store.environment_insert(&used).await.unwrap();
    store.environment_insert(&free).await.unwrap();
    let of = |id: &EnvironmentId, version| {
        let mut sandbox = samples::sandbox(&user.id, &NodeId::random());
        sandbox.spec.environment = Some(EnvironmentRef { id: id.clone(), version });
        sandbox
    };
    let sandbox = store.sandbox_insert(&of(&used.id, 1), Durability::Process).await.unwrap();
    assert_eq!(store.sandbox_get(&sandbox.id).await.unwrap().unwrap().spec, sandbox.spec);
    let filter = |id: &EnvironmentId| SandboxFilter { environment: Some(id.clone()), ..Default::default() };
    let listed = store.sandbox_list(&filter(&used.id), None, 10).await.unwrap();
    assert_eq!(listed.items, vec![sandbox]);
    assert!(store.sandbox_list(&filter(&free.id), None, 10).await.unwrap().items.is_empty());

    let unknown = [of(&used.id, 2), of(&EnvironmentId::random(), 1)];
    for sandbox in unknown {
        assert!(is_absent(&store.sandbox_insert(&sandbox, Durability::Process).await));
    }
    assert!(is_conflict(&store.environment_remove(&used.id).await), "one in use stays");
    assert!(store.environment_version(&used.id, 1).await.unwrap().is_some());
    assert!(store.environment_remove(&free.id).await.unwrap());
    assert!(!store.environment_remove(&free.id).await.unwrap());
    assert_eq!(store.environment_get(&free.id).await.unwrap(), None);
    assert_eq!(store.environment_version(&free.id, 1).await.unwrap(), None);
}
