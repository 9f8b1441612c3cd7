//! Sandboxes that are made ahead.

use std::collections::BTreeSet;
use std::time::Duration;

use atoll_engine::NewSandbox;
use atoll_ports::{AgentLink as _, Runtime as _, RuntimeError};
use atoll_testkit::{Fault, StoreFault, samples};
use atoll_types::{Desired, ErrorCode, Limits, Observed, SandboxId, Status};

use crate::world::{Serve, World, block, sandbox, with_main};

fn world(size: &str) -> World {
    let mut world = World::new();
    world.settings.warm_pool = size.parse().unwrap();
    world
}

/// A serve whose pool holds so many.
fn filled(world: &World, count: usize) -> Serve {
    let serve = world.serve();
    serve.until("the pool is full", || world.prepared().len() == count);
    serve.pass(Duration::from_millis(100));
    serve
}

#[test]
fn a_create_takes_one_that_is_ready_and_another_takes_its_place() {
    let world = world("2");
    let serve = filled(&world, 2);
    let ready = world.prepared();
    let name = Some(samples::parse("mine"));
    let labels = samples::labels(&[("a", "1")]);
    let asked = NewSandbox { name: name.clone(), labels: labels.clone(), ttl_seconds: Some(60), ..sandbox() };
    let view = serve.create(&world, asked).unwrap();
    assert!(ready.contains(&view.record.id));
    assert_eq!((view.status, view.record.owner.clone()), (Status::Running, world.caller.user.clone()));
    assert_eq!((view.record.spec.name, view.record.spec.labels), (name, labels));
    assert!(view.expires_at.is_some() && view.record.started_at.is_some() && view.record.boot_id.is_some());
    assert_eq!(view.record.generation, 1, "whoever waits waits for one write");
    serve.until("another is ready", || world.prepared().len() == 2);
    assert!(!world.prepared().contains(&view.record.id));
    assert_eq!(
        serve.exec(&world, &view.record.id, "true").unwrap().record.outcome.unwrap().exit.unwrap().code,
        0
    );
    serve.run(serve.engine.sandbox_delete(&world.caller, &view.record.id)).unwrap();
    world.assert_clean(&serve, "after a claim");
    assert!(!world.prepared().contains(&view.record.id), "what was somebody's is never ready again");
}

#[test]
fn whoever_has_claimed_one_is_alone_for_a_moment() {
    let world = world("6");
    let serve = filled(&world, 6);
    serve.create(&world, sandbox()).unwrap();
    serve.pass(Duration::from_millis(20));
    assert_eq!(world.prepared().len(), 5, "none is made beside its first command");
    serve.pass(Duration::from_millis(100));
    assert_eq!(world.prepared().len(), 6);
    for _ in 0..4 {
        serve.create(&world, sandbox()).unwrap();
    }
    serve.pass(Duration::from_millis(20));
    assert!(world.prepared().len() > 2, "while many claim, none is waited for");
}

#[test]
fn its_main_process_starts_with_the_claim() {
    let world = world("1");
    let serve = filled(&world, 1);
    let ready = world.prepared();
    let view = serve.create(&world, with_main(&world)).unwrap();
    assert!(ready.contains(&view.record.id));
    assert_eq!(block(world.agents.list(&view.record.id)).unwrap().len(), 1);
    world.assert_clean(&serve, "after a claim with a main process");
}

#[test]
fn another_kind_is_made_for_itself() {
    let world = world("1");
    let serve = filled(&world, 1);
    let ready = world.prepared();
    let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    let others = [
        NewSandbox { limits, ..sandbox() },
        NewSandbox { network: atoll_types::Network::All, ..sandbox() },
        NewSandbox { capabilities: atoll_types::Capabilities::None, ..sandbox() },
        NewSandbox { read_only_root: true, ..sandbox() },
    ];
    for other in others {
        let view = serve.create(&world, other).unwrap();
        assert!(!ready.contains(&view.record.id));
    }
    assert_eq!(world.prepared(), ready);
}

#[test]
fn what_is_ready_is_nobodys() {
    let world = world("3");
    let serve = filled(&world, 3);
    let admin = world.user(atoll_ports::Role::Admin);
    for id in world.prepared() {
        for caller in [&world.caller, &admin] {
            let error = serve.run(serve.engine.sandbox_get(caller, &id)).unwrap_err();
            assert_eq!(error.code, ErrorCode::SandboxNotFound);
            assert!(serve.run(serve.engine.sandbox_delete(caller, &id)).is_err());
        }
    }
    assert_eq!(serve.run(serve.engine.health()).running, 0);
    let listed = serve.run(serve.engine.sandbox_list(&admin, Vec::new(), None, None, None, 100)).unwrap();
    assert!(listed.items.is_empty());
    world.assert_clean(&serve, "beside a pool");
    assert_eq!(world.prepared().len(), 3);
}

#[test]
fn each_is_handed_out_once() {
    let world = world("3");
    let serve = filled(&world, 3);
    let ready = world.prepared();
    let made = serve.run(serve.engine.sandbox_create_many(&world.caller, sandbox(), 10)).unwrap();
    let ids: BTreeSet<SandboxId> = made.iter().map(|view| view.record.id.clone()).collect();
    assert_eq!(ids.len(), 10);
    assert!(ids.is_superset(&ready));
    let slots: BTreeSet<u32> = world.records().iter().map(|record| record.uid_slot).collect();
    assert_eq!(slots.len(), 10, "each has user ids of its own");
    world.assert_clean(&serve, "after a burst");
}

#[test]
fn the_quota_counts_those_that_are_claimed() {
    let mut world = world("3");
    world.settings.quota.sandboxes = 5;
    let serve = filled(&world, 3);
    let five = serve.run(serve.engine.sandbox_create_many(&world.caller, sandbox(), 5)).unwrap();
    let error = serve.create(&world, sandbox()).unwrap_err();
    assert_eq!(error.code, ErrorCode::QuotaExceeded);
    serve.run(serve.engine.sandbox_delete(&world.caller, &five[0].record.id)).unwrap();
    serve.create(&world, sandbox()).unwrap();
}

#[test]
fn another_serve_removes_what_the_last_one_made() {
    let world = world("2");
    let serve = filled(&world, 2);
    let old = world.prepared();
    drop(serve);
    let serve = world.serve();
    serve.until("a pool of its own", || world.prepared().len() == 2 && world.prepared().is_disjoint(&old));
    world.assert_clean(&serve, "after a death");
    serve.shut_down();
    assert!(world.prepared().is_empty(), "an orderly stop leaves none");
    assert!(block(world.runtime.list()).unwrap().is_empty());
}

#[test]
fn one_that_died_is_nobodys_and_replaced() {
    for silently in [false, true] {
        let world = world("1");
        let serve = filled(&world, 1);
        let ready = world.prepared();
        let id = ready.first().unwrap();
        if silently {
            world.runtime.crash_silently(id)
        } else {
            world.runtime.crash(id)
        }
        serve.until("another is ready", || world.prepared().len() == 1 && world.prepared() != ready);
        assert_eq!(serve.create(&world, sandbox()).unwrap().status, Status::Running);
        world.assert_clean(&serve, "after a death in the pool");
    }
}

#[test]
fn demand_decides_between_two_bounds() {
    let world = world("1-3");
    let serve = filled(&world, 1);
    for _ in 0..5 {
        serve.create(&world, sandbox()).unwrap();
    }
    serve.until("as many as may be", || world.prepared().len() == 3);
    serve.pass(Duration::from_secs(40));
    assert_eq!(world.prepared().len(), 1, "nobody asked for half a minute");
}

#[test]
fn one_that_nobody_wanted_for_an_hour_is_made_anew() {
    let world = world("1");
    let serve = filled(&world, 1);
    let old = world.prepared();
    serve.run_for(Duration::from_secs(3_500), std::future::pending::<()>());
    assert_eq!(world.prepared(), old);
    serve.run_for(Duration::from_secs(200), std::future::pending::<()>());
    assert!(world.prepared().len() == 1 && world.prepared() != old);
}

#[test]
fn a_failure_at_any_call_leaves_nothing_and_is_tried_again() {
    let store = ["prepared_insert", "prepared_claim", "prepared_remove", "prepared_list_node"];
    for call in store {
        for fault in [Fault::Before(StoreFault), Fault::After(StoreFault)] {
            let world = world("1");
            world.store.faults().nth_of(call, 1, fault.clone());
            let serve = world.serve();
            serve.pass(Duration::from_secs(5));
            // The first claim may be what fails; then its error is told, and nothing is left of it.
            let first = serve.create(&world, sandbox());
            serve.create(&world, sandbox()).unwrap();
            world.assert_clean(&serve, &format!("{call} {fault:?}"));
            let there = world.records().len();
            assert_eq!(there, 1 + usize::from(first.is_ok()), "{call} {fault:?}");
        }
    }
    for call in ["start", "remove"] {
        let world = world("1");
        world.runtime.faults().nth_of(call, 1, Fault::After(RuntimeError::Failed("no".to_owned())));
        let serve = world.serve();
        serve.until("one is ready", || world.prepared().len() == 1);
        world.assert_clean(&serve, call);
    }
}

#[test]
fn a_machine_that_makes_none_is_asked_less_and_less_often() {
    let world = world("1");
    world.runtime.faults().always("start", RuntimeError::DiskFull);
    let serve = world.serve();
    serve.run_for(Duration::from_secs(600), std::future::pending::<()>());
    let tried = world.runtime.faults().count("start");
    assert!((8..=20).contains(&tried), "{tried}");
    assert!(world.prepared().is_empty());
    world.clear_faults();
    serve.run_for(Duration::from_secs(70), std::future::pending::<()>());
    assert_eq!(world.prepared().len(), 1);
}

#[test]
fn a_claim_that_is_cut_off_is_finished_or_undone() {
    let world = world("1");
    let serve = filled(&world, 1);
    world.store.faults().nth_of("sandbox_update", 1, Fault::Before(StoreFault));
    let outcome = serve.create(&world, sandbox());
    drop(serve);
    let serve = world.serve();
    world.assert_clean(&serve, "after a death in a claim");
    let records = world.records();
    assert!(records.iter().all(|r| r.desired == Desired::Running && r.observed == Observed::Running));
    assert_eq!(records.len(), usize::from(outcome.is_ok()));
}
