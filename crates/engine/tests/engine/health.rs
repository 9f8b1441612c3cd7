//! Health checks, on a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use atoll_engine::{Caller, NewSandbox};
use atoll_testkit::Script;
use atoll_types::{Command, ErrorCode, Health, HealthCheck, SandboxId, Status};

use crate::world::{Serve, World, sandbox};

/// The timers look once a second.
const LOOK: Duration = Duration::from_millis(1_100);
/// What a check exits with that does not end.
const HOLDS: i32 = -1;

fn check() -> HealthCheck {
    HealthCheck {
        command: Some(Command::Argv(vec!["probe".to_owned()])),
        interval_seconds: 10,
        timeout_seconds: 5,
        retries: 2,
        start_period_seconds: 0,
    }
}

fn checked(check: HealthCheck) -> NewSandbox {
    NewSandbox { health_check: Some(check), ..sandbox() }
}

/// A world in which checks exit with what this holds.
fn world() -> (World, Arc<AtomicI32>) {
    let (world, code) = (World::new(), Arc::new(AtomicI32::new(0)));
    let exits = Arc::clone(&code);
    world.agents.script(move |start| {
        let script = Script::new().stdout("how it is");
        (start.argv == ["probe"]).then(|| match exits.load(Ordering::SeqCst) {
            HOLDS => script.hold(),
            code => script.exit(code),
        })
    });
    (world, code)
}

fn health(world: &World, serve: &Serve, id: &SandboxId) -> (Health, u32) {
    let view = serve.run(serve.engine.sandbox_get(&world.caller, id)).unwrap();
    (view.health.health, view.health.failing_streak)
}

fn wait(world: &World, serve: &Serve, id: &SandboxId, seconds: u64) -> Result<(), ErrorCode> {
    let ids = [id.clone()];
    let within = Duration::from_secs(seconds);
    let wait = serve.engine.sandbox_wait_healthy(&world.caller, &ids, within);
    serve.run(wait).map(drop).map_err(|error| error.code)
}

#[test]
fn a_sandbox_is_what_its_check_says_and_changes_are_told() {
    let (world, code) = world();
    let serve = world.serve();
    let mut feed = serve.engine.events(&world.caller, None).unwrap();
    let id = serve.create(&world, checked(check())).unwrap().record.id;
    serve.until("it is healthy", || health(&world, &serve, &id) == (Health::Healthy, 0));
    let view = serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap();
    let last = view.health.last.unwrap();
    assert_eq!((last.exit_code, last.output.as_str()), (Some(0), "how it is"));
    code.store(1, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(10));
    serve.pass(LOOK);
    assert_eq!(health(&world, &serve, &id), (Health::Healthy, 1), "one failure is none");
    world.clock.advance(Duration::from_secs(10));
    serve.pass(LOOK);
    assert_eq!(health(&world, &serve, &id), (Health::Unhealthy, 2));
    code.store(0, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(10));
    serve.pass(LOOK);
    assert_eq!(health(&world, &serve, &id), (Health::Healthy, 0));
    let mut told = Vec::new();
    while told.len() < 3 {
        let event = serve.run(feed.next()).unwrap().unwrap();
        if event.kind == "sandbox.health" {
            assert_eq!(event.sandbox.as_ref(), Some(&id));
            told.push(event.data["health"].clone());
        }
    }
    assert_eq!(told, ["healthy", "unhealthy", "healthy"]);
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    assert_eq!(health(&world, &serve, &id), (Health::None, 0));
    let checks = world.agents.probes(&id);
    serve.pass(LOOK);
    assert_eq!(world.agents.probes(&id), checks, "what is down is not checked");
    code.store(1, Ordering::SeqCst);
    serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    serve.pass(LOOK);
    assert_eq!(health(&world, &serve, &id), (Health::Starting, 0), "of a new run nothing is known");
    world.assert_clean(&serve, "after checks");
}

#[test]
fn a_sandbox_without_a_check_has_none() {
    let (world, _) = world();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let none = HealthCheck { command: None, ..check() };
    let taken_back = serve.create(&world, checked(none)).unwrap().record;
    assert_eq!(taken_back.spec.health_check, None);
    serve.pass(LOOK);
    for id in [&id, &taken_back.id] {
        assert_eq!((health(&world, &serve, id), world.agents.probes(id)), ((Health::None, 0), 0));
        assert_eq!(wait(&world, &serve, id, 5), Err(ErrorCode::SandboxNotHealthy));
    }
}

#[test]
fn who_waits_is_told_when_it_is_healthy_or_will_not_be() {
    let (world, code) = world();
    let serve = world.serve();
    let id = serve.create(&world, checked(check())).unwrap().record.id;
    assert_eq!(wait(&world, &serve, &id, 5), Ok(()));
    code.store(1, Ordering::SeqCst);
    let slow = HealthCheck { start_period_seconds: 3_600, ..check() };
    let slow = serve.create(&world, checked(slow)).unwrap().record.id;
    assert_eq!(wait(&world, &serve, &slow, 5), Err(ErrorCode::SandboxNotHealthy), "the time is over");
    assert_eq!(health(&world, &serve, &slow), (Health::Starting, 0));
    let ids = [slow.clone()];
    let (engine, caller) = (serve.engine.clone(), world.caller.clone());
    let waiting = serve.start(async move {
        engine.sandbox_wait_healthy(&caller, &ids, Duration::from_secs(60)).await.map(drop)
    });
    assert!(!waiting.is_done());
    code.store(0, Ordering::SeqCst);
    assert!(waiting.result(&serve).is_ok());
    code.store(1, Ordering::SeqCst);
    let quick = HealthCheck { interval_seconds: 1, ..check() };
    let bad = serve.create(&world, checked(quick)).unwrap().record.id;
    let ids = [id.clone(), bad.clone()];
    let error = serve
        .run(serve.engine.sandbox_wait_healthy(&world.caller, &ids, Duration::from_secs(60)))
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::SandboxNotHealthy);
    assert!(error.message.contains(bad.as_str()) && error.message.contains("how it is"), "{error}");
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    assert_eq!(wait(&world, &serve, &id, 60), Err(ErrorCode::SandboxNotHealthy), "it is down");
    let stranger: Caller = world.user(atoll_ports::Role::User);
    let ids = [bad];
    let hidden = serve.engine.sandbox_wait_healthy(&stranger, &ids, Duration::from_secs(5));
    assert_eq!(serve.run(hidden).unwrap_err().code, ErrorCode::SandboxNotFound);
}

#[test]
fn what_is_paused_is_not_checked_and_a_check_cut_by_a_pause_says_nothing() {
    let (world, code) = world();
    let serve = world.serve();
    let id = serve.create(&world, checked(HealthCheck { retries: 1, ..check() })).unwrap().record.id;
    serve.until("it is healthy", || health(&world, &serve, &id).0 == Health::Healthy);
    code.store(HOLDS, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(10));
    serve.pass(LOOK);
    assert_eq!(world.agents.probes(&id), 2);
    serve.run(serve.engine.sandbox_pause(&world.caller, &id)).unwrap();
    // Its time limit is over meanwhile.
    serve.pass(Duration::from_secs(25));
    assert_eq!((health(&world, &serve, &id).0, world.agents.probes(&id)), (Health::Healthy, 2));
    code.store(0, Ordering::SeqCst);
    serve.run(serve.engine.sandbox_resume(&world.caller, &id)).unwrap();
    serve.until("it is checked again", || world.agents.probes(&id) == 3);
    serve.pass(LOOK);
    assert_eq!(health(&world, &serve, &id).0, Health::Healthy);
}

#[test]
fn a_check_that_does_not_end_has_failed() {
    let (world, code) = world();
    let serve = world.serve();
    code.store(HOLDS, Ordering::SeqCst);
    let quick = HealthCheck { interval_seconds: 1, retries: 1, ..check() };
    let id = serve.create(&world, checked(quick)).unwrap().record.id;
    serve.until("it is unhealthy", || health(&world, &serve, &id).0 == Health::Unhealthy);
    world.agents.hang(&id);
    code.store(0, Ordering::SeqCst);
    serve.pass(Duration::from_secs(20));
    assert_eq!(health(&world, &serve, &id).0, Health::Unhealthy, "an agent that hangs tells nothing better");
}

#[test]
fn the_next_serve_learns_it_with_its_first_check() {
    let (world, code) = world();
    let serve = world.serve();
    let id = serve.create(&world, checked(check())).unwrap().record.id;
    code.store(1, Ordering::SeqCst);
    serve.pass(Duration::from_secs(25));
    assert_eq!(health(&world, &serve, &id).0, Health::Unhealthy);
    drop(serve);
    let serve = world.serve();
    serve.pass(LOOK);
    assert_eq!(health(&world, &serve, &id).0, Health::Unhealthy);
}

#[test]
fn checks_are_no_activity() {
    let (world, _) = world();
    let serve = world.serve();
    let new =
        NewSandbox { idle_seconds: Some(20), ..checked(HealthCheck { interval_seconds: 1, ..check() }) };
    let id = serve.create(&world, new).unwrap().record.id;
    serve.pass(Duration::from_secs(25));
    assert!(world.agents.probes(&id) > 5);
    let view = serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap();
    assert_eq!(view.status, Status::Stopped);
}
