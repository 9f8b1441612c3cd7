//! Life times and idle times, on a clock that the test moves.

use std::time::Duration;

use atoll_ports::Clock;
use atoll_types::{OnExpiry, SandboxId, Status, StopReason, Timestamp};

use crate::world::{Serve, World, sandbox, with_main};

const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;
/// The timers look once a second.
const LOOK: Duration = Duration::from_secs(3);

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn status(world: &World, serve: &Serve, id: &SandboxId) -> Option<(Status, Option<StopReason>)> {
    let view = serve.run(serve.engine.sandbox_get(&world.caller, id)).ok()?;
    Some((view.status, view.record.stop_reason))
}

fn with_ttl(ttl: u64, on_expiry: OnExpiry) -> atoll_engine::NewSandbox {
    atoll_engine::NewSandbox { ttl_seconds: Some(ttl), on_expiry, ..sandbox() }
}

fn with_idle(idle: u64) -> atoll_engine::NewSandbox {
    atoll_engine::NewSandbox { idle_seconds: Some(idle), ..sandbox() }
}

#[test]
fn a_life_ends_with_a_delete_or_a_stop() {
    let world = World::new();
    let serve = world.serve();
    let gone = serve.create(&world, with_ttl(100, OnExpiry::Delete)).unwrap().record.id;
    let down = serve.create(&world, with_ttl(100, OnExpiry::Stop)).unwrap().record.id;
    let stays = serve.sandbox(&world);
    world.clock.advance(seconds(90));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &gone), Some((Status::Running, None)));
    world.clock.advance(seconds(20));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &gone), None);
    assert_eq!(status(&world, &serve, &down), Some((Status::Stopped, Some(StopReason::Expired))));
    assert_eq!(status(&world, &serve, &stays), Some((Status::Running, None)));
    world.assert_clean(&serve, "after lives ended");
}

#[test]
fn a_wall_clock_that_jumps_changes_nothing() {
    for jump in [-TEN_YEARS_MS, TEN_YEARS_MS] {
        let world = World::new();
        let serve = world.serve();
        let mortal = serve.create(&world, with_ttl(1_000, OnExpiry::Delete)).unwrap().record.id;
        let lazy = serve.create(&world, with_idle(1_000)).unwrap().record.id;
        world.clock.set_now(Timestamp::from_unix_ms(world.clock.now().as_unix_ms() + jump));
        world.clock.advance(seconds(900));
        serve.pass(LOOK);
        for id in [&mortal, &lazy] {
            assert_eq!(status(&world, &serve, id), Some((Status::Running, None)));
        }
        let view = serve.run(serve.engine.sandbox_get(&world.caller, &mortal)).unwrap();
        let left = view.expires_at.unwrap().as_unix_ms() - world.clock.now().as_unix_ms();
        assert!((90_000..100_000).contains(&left), "{left} ms are left");
        world.clock.advance(seconds(100));
        serve.pass(LOOK);
        assert_eq!(status(&world, &serve, &mortal), None);
        assert_eq!(status(&world, &serve, &lazy), Some((Status::Stopped, Some(StopReason::Idle))));
    }
}

#[test]
fn a_reboot_keeps_what_was_left() {
    let world = World::new();
    let id = {
        let serve = world.serve();
        let id = serve.create(&world, with_ttl(3_600, OnExpiry::Delete)).unwrap().record.id;
        // What is left is written down every five minutes.
        for _ in 0..7 {
            world.clock.advance(seconds(300));
            serve.pass(LOOK);
        }
        id
    };
    world.runtime.power_loss();
    world.clock.reboot("boot-2");
    world.clock.advance(seconds(10_000));
    let unlooked = world.unbooted();
    let engine = unlooked.engine.clone();
    unlooked.run(async move { engine.boot().await.unwrap() });
    let view = unlooked.run(unlooked.engine.sandbox_get(&world.caller, &id)).unwrap();
    let left = view.expires_at.unwrap().as_unix_ms() - world.clock.now().as_unix_ms();
    assert!((1_200_000..1_900_000).contains(&left), "{left} ms are left");
    drop(unlooked);
    let serve = world.serve();
    serve.pass(LOOK);
    assert!(status(&world, &serve, &id).is_some());
    world.clock.advance(seconds(1_000));
    serve.pass(LOOK);
    assert!(status(&world, &serve, &id).is_some());
    world.clock.advance(seconds(1_000));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), None);
}

#[test]
fn an_idle_sandbox_stops_and_says_why() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, with_idle(900)).unwrap().record.id;
    for _ in 0..3 {
        world.clock.advance(seconds(800));
        serve.pass(LOOK);
        assert_eq!(status(&world, &serve, &id), Some((Status::Running, None)));
        assert!(serve.exec(&world, &id, "true").is_ok());
    }
    world.clock.advance(seconds(800));
    serve.run(serve.engine.sandbox_keepalive(&world.caller, &id)).unwrap();
    world.clock.advance(seconds(800));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), Some((Status::Running, None)), "keepalive counts");
    world.clock.advance(seconds(200));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), Some((Status::Stopped, Some(StopReason::Idle))));
    let view = serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    assert_eq!((view.status, view.record.stop_reason), (Status::Running, None));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), Some((Status::Running, None)), "a start counts");
    world.assert_clean(&serve, "after idle time");
}

#[test]
fn an_exec_that_runs_keeps_it_awake() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, with_idle(900)).unwrap().record.id;
    let run = serve.exec_start(&world, &id, "sleep 100000");
    for _ in 0..5 {
        world.clock.advance(seconds(1_000));
        serve.pass(LOOK);
    }
    assert_eq!(status(&world, &serve, &id), Some((Status::Running, None)));
    world.agents.release(&id, &run);
    serve.pass(LOOK);
    world.clock.advance(seconds(1_000));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), Some((Status::Stopped, Some(StopReason::Idle))));
}

#[test]
fn a_main_process_alone_does_not() {
    let world = World::new();
    let serve = world.serve();
    let new = atoll_engine::NewSandbox { idle_seconds: Some(900), ..with_main(&world) };
    let id = serve.create(&world, new).unwrap().record.id;
    world.clock.advance(seconds(1_000));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), Some((Status::Stopped, Some(StopReason::Idle))));
}

#[test]
fn what_the_agent_saw_keeps_it_awake() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, with_idle(900)).unwrap().record.id;
    world.agents.set_idle(&id, Some(seconds(10)));
    world.clock.advance(seconds(1_000));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), Some((Status::Running, None)));
    world.agents.set_idle(&id, None);
    world.clock.advance(seconds(1_000));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), Some((Status::Stopped, Some(StopReason::Idle))));
}

#[test]
fn a_hung_agent_delays_no_other_timer() {
    let world = World::new();
    let serve = world.serve();
    let hung: Vec<_> = (0..5).map(|_| serve.create(&world, with_idle(900)).unwrap().record.id).collect();
    let mortal = serve.create(&world, with_ttl(900, OnExpiry::Delete)).unwrap().record.id;
    hung.iter().for_each(|id| world.agents.hang(id));
    world.clock.advance(seconds(1_000));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &mortal), None);
    // It serves nobody, so it is idle.
    serve.pass(seconds(60));
    for id in &hung {
        assert_eq!(status(&world, &serve, id), Some((Status::Stopped, Some(StopReason::Idle))));
    }
    world.assert_clean(&serve, "after hung agents");
}

#[test]
fn a_restart_of_serve_counts_idle_time_anew_and_life_time_on() {
    let world = World::new();
    let (lazy, mortal) = {
        let serve = world.serve();
        let lazy = serve.create(&world, with_idle(900)).unwrap().record.id;
        (lazy, serve.create(&world, with_ttl(900, OnExpiry::Delete)).unwrap().record.id)
    };
    world.clock.advance(seconds(1_000));
    let serve = world.serve();
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &lazy), Some((Status::Running, None)));
    assert_eq!(status(&world, &serve, &mortal), None);
}

#[test]
fn a_delete_that_takes_long_is_asked_for_once() {
    use atoll_testkit::{Fault, Gate};
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, with_ttl(100, OnExpiry::Delete)).unwrap().record.id;
    let gate = Gate::closed();
    // The very first write of it hangs.
    world.clock.advance(seconds(110));
    world.store.faults().nth_of("sandbox_update", 1, Fault::Wait(gate.clone()));
    world.store.faults().reset_calls();
    serve.pass(seconds(30));
    assert_eq!(world.store.faults().count("sandbox_update"), 1);
    gate.open();
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &id), None);
}
