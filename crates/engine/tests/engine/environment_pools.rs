//! Sandboxes of environments that are made ahead.

use std::collections::BTreeSet;
use std::time::Duration;

use atoll_engine::{Base, Caller, EngineError, SandboxView};
use atoll_ports::{EnvironmentRecord, EnvironmentStore as _, Role, Runtime as _, SandboxRecord};
use atoll_testkit::samples;
use atoll_types::{Desired, ErrorCode, PoolSize, SandboxId, SandboxTemplate, Status};

use crate::world::{Serve, World, block, sandbox};

/// A pass of the pools, and what it makes.
const PASS: Duration = Duration::from_secs(3);

/// Sandboxes of so much memory, so many of them ready.
fn warm(size: &str, memory_mib: u64) -> SandboxTemplate {
    let warm_pool: PoolSize = size.parse().unwrap();
    SandboxTemplate {
        memory_bytes: Some(memory_mib << 20),
        env: atoll_types::EnvVars::new([("GREETING".to_owned(), "hello".to_owned())].into()).unwrap(),
        warm_pool: Some(warm_pool),
        ..SandboxTemplate::default()
    }
}

fn define(world: &World, serve: &Serve, template: SandboxTemplate) -> Result<EnvironmentRecord, EngineError> {
    serve.run(serve.engine.environment_create(&world.caller, samples::parse("web"), template))
}

fn update(world: &World, serve: &Serve, of: &EnvironmentRecord, template: SandboxTemplate) {
    serve.run(serve.engine.environment_update(&world.caller, &of.id, None, template)).unwrap();
}

fn create_as(serve: &Serve, caller: &Caller, base: &Base, over: SandboxTemplate) -> SandboxView {
    let new = serve.run(serve.engine.sandbox_from(caller, base, None, over)).unwrap();
    serve.run(serve.engine.sandbox_create(caller, new)).unwrap()
}

fn create(world: &World, serve: &Serve, of: &EnvironmentRecord) -> SandboxRecord {
    let base = Base::Environment { id: of.id.clone(), version: None };
    create_as(serve, &world.caller, &base, SandboxTemplate::default()).record
}

/// Waits for so many that are ready, none of them of these.
fn ready(world: &World, serve: &Serve, count: usize, not: &BTreeSet<SandboxId>) -> BTreeSet<SandboxId> {
    serve.until("as many are ready", || {
        let prepared = world.prepared();
        prepared.len() == count && prepared.is_disjoint(not)
    });
    serve.pass(Duration::from_millis(100));
    world.prepared()
}

#[test]
fn a_create_of_an_environment_takes_one_that_is_ready() {
    let world = World::new();
    let serve = world.serve();
    let environment = define(&world, &serve, warm("2", 64)).unwrap();
    let old = ready(&world, &serve, 2, &BTreeSet::new());
    let record = create(&world, &serve, &environment);
    assert!(old.contains(&record.id));
    assert_eq!(record.spec.environment.as_ref().map(|e| e.version), Some(1));
    assert_eq!(record.spec.env.iter().next(), Some(("GREETING", "hello")));
    assert_eq!(record.spec.limits.memory_bytes, 64 << 20);
    let started = block(world.runtime.list()).unwrap();
    assert!(started.iter().any(|found| found.sandbox == record.id));
    ready(&world, &serve, 2, &[record.id.clone()].into());

    // What is asked beside it is asked of the process, or of serve; what it is made with is its own.
    let base = Base::Environment { id: environment.id.clone(), version: Some(1) };
    let labelled = SandboxTemplate { labels: samples::labels(&[("a", "b")]), ..SandboxTemplate::default() };
    let before = world.prepared();
    assert!(before.contains(&create_as(&serve, &world.caller, &base, labelled).record.id));
    let before = ready(&world, &serve, 2, &BTreeSet::new());
    let larger = SandboxTemplate { memory_bytes: Some(65 << 20), ..SandboxTemplate::default() };
    assert!(!before.contains(&create_as(&serve, &world.caller, &base, larger).record.id));
    assert!(
        !before.contains(&serve.create(&world, sandbox()).unwrap().record.id),
        "the default is another kind"
    );
    world.assert_clean(&serve, "after claims of an environment");
}

#[test]
fn a_new_version_drains_the_pool_of_the_old_one_and_so_does_its_end() {
    let world = World::new();
    let serve = world.serve();
    let environment = define(&world, &serve, warm("2", 64)).unwrap();
    let first = ready(&world, &serve, 2, &BTreeSet::new());
    update(&world, &serve, &environment, warm("2", 128));
    let second = ready(&world, &serve, 2, &first);
    let found: BTreeSet<SandboxId> =
        block(world.runtime.list()).unwrap().into_iter().map(|f| f.sandbox).collect();
    assert_eq!(found, second, "nothing is left of the old ones");
    let record = create(&world, &serve, &environment);
    assert!(second.contains(&record.id) && record.spec.limits.memory_bytes == 128 << 20);

    let none = SandboxTemplate { warm_pool: None, ..warm("1", 128) };
    update(&world, &serve, &environment, none);
    ready(&world, &serve, 0, &BTreeSet::new());
    update(&world, &serve, &environment, warm("1", 128));
    ready(&world, &serve, 1, &second);
    serve.run(serve.engine.sandbox_delete(&world.caller, &record.id)).unwrap();
    serve.run(serve.engine.environment_delete(&world.caller, &environment.id)).unwrap();
    ready(&world, &serve, 0, &BTreeSet::new());
    world.assert_clean(&serve, "after the end of an environment");
    assert!(block(world.runtime.list()).unwrap().is_empty());
}

#[test]
fn no_more_than_the_server_keeps_and_the_oldest_first() {
    let mut world = World::new();
    world.settings.warm_pool_max = 3;
    let serve = world.serve();
    let refused = define(&world, &serve, warm("1-4", 64)).unwrap_err();
    assert_eq!((refused.code, refused.fields[0].field.as_str()), (ErrorCode::InvalidRequest, "warmPool"));
    let oldest = define(&world, &serve, warm("2", 64)).unwrap();
    world.clock.advance(Duration::from_secs(1));
    let next = define(&world, &serve, warm("2", 128)).unwrap();
    world.clock.advance(Duration::from_secs(1));
    let last = define(&world, &serve, warm("3", 256)).unwrap();
    ready(&world, &serve, 3, &BTreeSet::new());
    serve.pass(PASS);
    let before = world.prepared();
    assert_eq!(before.len(), 3);
    for (environment, is_ready) in [(&oldest, true), (&next, true), (&last, false)] {
        assert_eq!(before.contains(&create(&world, &serve, environment).id), is_ready);
    }
    world.assert_clean(&serve, "with more than there is room for");
    assert_eq!(world.prepared().len(), 3);
    drop(serve);
    world.settings.warm_pool_max = 0;
    let serve = world.serve();
    ready(&world, &serve, 0, &BTreeSet::new());
    assert_eq!(create(&world, &serve, &oldest).desired, Desired::Running);
}

#[test]
fn what_is_made_alike_is_shared_with_everybody_and_the_default() {
    let mut world = World::new();
    world.settings.warm_pool = "1".parse().unwrap();
    let serve = world.serve();
    let alike = SandboxTemplate { memory_bytes: None, ..warm("2", 0) };
    let environment = define(&world, &serve, alike).unwrap();
    let before = ready(&world, &serve, 3, &BTreeSet::new());
    let stranger = world.user(Role::User);
    let view = create_as(&serve, &stranger, &Base::Defaults, SandboxTemplate::default());
    assert!(before.contains(&view.record.id));
    assert_eq!((view.record.owner, view.record.spec.env.iter().count()), (stranger.user.clone(), 0));
    let before = ready(&world, &serve, 3, &[view.record.id].into());
    assert!(before.contains(&create(&world, &serve, &environment).id));
    let base = Base::Environment { id: environment.id, version: None };
    let hidden = serve.engine.sandbox_from(&stranger, &base, None, SandboxTemplate::default());
    assert_eq!(serve.run(hidden).unwrap_err().code, ErrorCode::EnvironmentNotFound);
}

#[test]
fn an_environment_that_cannot_be_made_holds_up_no_other() {
    let world = World::new();
    let serve = world.serve();
    let absent = SandboxTemplate { image: Some(samples::parse("absent:1")), ..warm("1", 64) };
    define(&world, &serve, absent).unwrap();
    world.clock.advance(Duration::from_secs(1));
    define(&world, &serve, warm("2", 128)).unwrap();
    ready(&world, &serve, 2, &BTreeSet::new());
    world.assert_clean(&serve, "beside one without an image");
    assert_eq!(world.prepared().len(), 2);
}

#[test]
fn demand_decides_between_the_bounds_of_an_environment() {
    let world = World::new();
    let serve = world.serve();
    let environment = define(&world, &serve, warm("1-3", 64)).unwrap();
    ready(&world, &serve, 1, &BTreeSet::new());
    for _ in 0..5 {
        create(&world, &serve, &environment);
    }
    serve.until("as many as may be", || world.prepared().len() == 3);
    serve.pass(Duration::from_secs(40));
    assert_eq!(world.prepared().len(), 1, "nobody asked for half a minute");
}

#[test]
fn another_serve_makes_its_own_for_environments_too() {
    let world = World::new();
    let serve = world.serve();
    let environment = define(&world, &serve, warm("2", 64)).unwrap();
    let old = ready(&world, &serve, 2, &BTreeSet::new());
    drop(serve);
    let serve = world.serve();
    let new = ready(&world, &serve, 2, &old);
    let view = create(&world, &serve, &environment);
    assert!(new.contains(&view.id));
    let shown = serve.run(serve.engine.sandbox_get(&world.caller, &view.id)).unwrap();
    assert_eq!(shown.status, Status::Running);
    world.assert_clean(&serve, "after a death");
    serve.shut_down();
    assert!(world.prepared().is_empty(), "an orderly stop leaves none");
}

#[test]
fn where_no_environment_wants_a_pool_the_store_is_left_alone() {
    let world = World::new();
    let serve = world.serve();
    define(&world, &serve, SandboxTemplate::default()).unwrap();
    serve.pass(PASS);
    world.store.faults().reset_calls();
    serve.pass(Duration::from_secs(30));
    assert_eq!(world.store.faults().count("environment_list_warm"), 0);
    // One that is changed is seen at once, one that only another server knows after a while.
    define(&world, &serve, warm("1", 64)).unwrap();
    ready(&world, &serve, 1, &BTreeSet::new());
    let other = World::new();
    let serve = other.serve();
    serve.pass(PASS);
    let mut environment = samples::environment(&other.caller.user);
    environment.template = warm("1", 64);
    block(other.store.environment_insert(&environment)).unwrap();
    serve.pass(Duration::from_secs(70));
    assert_eq!(other.prepared().len(), 1);
}
