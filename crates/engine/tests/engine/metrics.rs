//! What sandboxes use.

use std::time::Duration;

use atoll_engine::MetricsView;
use atoll_ports::{RuntimeError, Usage};
use atoll_testkit::Fault;
use atoll_types::{ErrorCode, SandboxId};

use crate::world::{Serve, World};

fn metrics(world: &World, serve: &Serve, id: &SandboxId) -> MetricsView {
    serve.run(serve.engine.sandbox_metrics(&world.caller, id)).unwrap()
}

fn used(ms: u64) -> Usage {
    Usage { cpu_nanos: ms * 1_000_000, system_nanos: ms * 500_000, pids: 3, rx_bytes: 5, ..Usage::default() }
}

#[test]
fn a_share_of_cpu_is_measured_since_the_look_before() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.runtime.set_usage(&id, used(10_000));
    let first = metrics(&world, &serve, &id);
    assert_eq!((first.cpu_percent, first.usage), (0.0, used(10_000)), "nothing was used during the look");
    world.runtime.faults().reset_calls();
    world.runtime.set_usage(&id, used(10_500));
    serve.pass(Duration::from_secs(1));
    let second = metrics(&world, &serve, &id);
    assert!((second.cpu_percent - 50.0).abs() < 2.0, "{second:?}");
    assert!((second.system_percent - 25.0).abs() < 1.0, "{second:?}");
    assert_eq!(world.runtime.faults().count("usage"), 1, "it waited for a reading that it had");
}

#[test]
fn what_is_too_old_or_too_new_is_not_compared_with() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    metrics(&world, &serve, &id);
    // Half a core for a minute, then nothing: the minute is over.
    world.runtime.set_usage(&id, used(30_000));
    serve.pass(Duration::from_secs(60));
    assert_eq!(metrics(&world, &serve, &id).cpu_percent, 0.0);
    // At once again: it waits for the rest of a window.
    let before = atoll_ports::Clock::boot_time(&*world.clock);
    metrics(&world, &serve, &id);
    let waited = atoll_ports::Clock::boot_time(&*world.clock).since(before);
    assert!((80..=130).contains(&waited.as_millis()), "{waited:?}");
    // Counters that begin anew, as after a restart, are no time that was used.
    world.runtime.set_usage(&id, used(100));
    serve.pass(Duration::from_secs(1));
    assert_eq!(metrics(&world, &serve, &id).cpu_percent, 0.0);
}

#[test]
fn only_what_is_up_is_measured() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    serve.run(serve.engine.sandbox_pause(&world.caller, &id)).unwrap();
    metrics(&world, &serve, &id);
    let failed = RuntimeError::Failed("planned".to_owned());
    world.runtime.faults().nth_of("usage", 1, Fault::Before(failed));
    let ask = || serve.run(serve.engine.sandbox_metrics(&world.caller, &id));
    assert_eq!(ask().unwrap_err().code, ErrorCode::RuntimeFailed);
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    assert_eq!(ask().unwrap_err().code, ErrorCode::SandboxNotRunning);
    let other = world.user(atoll_ports::Role::User);
    let strange = serve.run(serve.engine.sandbox_metrics(&other, &id));
    assert_eq!(strange.unwrap_err().code, ErrorCode::SandboxNotFound);
}
