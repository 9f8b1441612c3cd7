//! Public sessions: destroyed where others are stopped, and counted of their records.

use std::time::Duration;

use atoll_engine::{Caller, EngineError, SandboxView, SessionHolder, SessionSettings};
use atoll_ports::Role;
use atoll_types::{Capabilities, ErrorCode, Network, SandboxId};

use crate::world::{Serve, World};

/// The timers look once a second.
const LOOK: Duration = Duration::from_secs(3);

fn world() -> World {
    let mut world = World::new();
    world.settings.sessions =
        Some(SessionSettings { sessions_max: 4, allow_native: true, ..SessionSettings::default() });
    world
}

fn begin(serve: &Serve, name: &str, sessions_max: u32) -> Result<SandboxView, EngineError> {
    let holder = SessionHolder { name: name.parse().unwrap(), is_class: false, sessions_max };
    serve.run(serve.engine.public_session_create(holder))
}

fn begun(serve: &Serve) -> SandboxId {
    begin(serve, "address-a", 2).unwrap().record.id
}

fn is_there(serve: &Serve, id: &SandboxId) -> bool {
    serve.engine.public_session(id).is_ok()
}

#[test]
fn a_session_is_narrow_and_of_no_user() {
    let world = world();
    let serve = world.serve();
    let session = begin(&serve, "address-a", 2).unwrap().record;
    assert_eq!(
        (
            &session.spec.network,
            session.spec.capabilities,
            session.spec.idle_seconds,
            session.spec.ttl_seconds
        ),
        (&Network::None, Capabilities::None, 300, Some(1_800))
    );
    let home = session.spec.env.iter().find(|(name, _)| *name == "HOME").map(|(_, value)| value);
    assert_eq!((session.spec.read_only_root, home), (true, Some("/tmp")));
    let limits = &session.spec.limits;
    assert_eq!(
        (limits.cpu_millis, limits.memory_bytes, limits.pids, limits.open_files),
        (500, 128 << 20, 64, 256)
    );
    assert!(serve.run(serve.engine.sandbox_get(&world.caller, &session.id)).is_err());
    let admin = Caller { role: Role::Admin, ..world.caller.clone() };
    let listed = serve.run(serve.engine.public_session_list(&admin, None, 10)).unwrap();
    assert_eq!(listed.items.len(), 1);
    let refused = serve.run(serve.engine.public_session_list(&world.caller, None, 10)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    // A sandbox of somebody is no session.
    let sandbox = serve.sandbox(&world);
    assert_eq!(serve.engine.public_session(&sandbox).unwrap_err().code, ErrorCode::SessionNotFound);
}

#[test]
fn an_idle_session_is_destroyed() {
    let world = world();
    let serve = world.serve();
    let id = begun(&serve);
    world.clock.advance(Duration::from_secs(290));
    serve.pass(LOOK);
    assert!(is_there(&serve, &id));
    world.clock.advance(Duration::from_secs(20));
    serve.pass(LOOK);
    assert_eq!((is_there(&serve, &id), world.record(&id)), (false, None));
    world.assert_clean(&serve, "after an idle session");
}

#[test]
fn a_session_that_went_down_is_over() {
    let world = world();
    let serve = world.serve();
    let (crashed, stopped) = (begun(&serve), begun(&serve));
    world.runtime.crash(&crashed);
    let caller = serve.engine.public_session(&stopped).unwrap();
    serve.run(serve.engine.sandbox_stop(&caller, &stopped)).unwrap();
    serve.pass(2 * LOOK);
    assert_eq!((world.record(&crashed), world.record(&stopped)), (None, None));
    world.assert_clean(&serve, "after sessions went down");
}

#[test]
fn what_is_held_is_known_after_a_crash_and_so_is_its_end() {
    let world = world();
    let (first, second) = {
        let serve = world.serve();
        (begun(&serve), begun(&serve))
    };
    let serve = world.serve();
    assert_eq!(begin(&serve, "address-a", 2).unwrap_err().code, ErrorCode::TooManySessions);
    serve.run(serve.engine.public_session_delete(&first)).unwrap();
    let third = begun(&serve);
    world.clock.advance(Duration::from_secs(310));
    serve.pass(LOOK);
    for id in [&second, &third] {
        assert_eq!(world.record(id), None);
    }
    world.assert_clean(&serve, "after a crash");
}

#[test]
fn the_server_has_so_many_whoever_asks() {
    let world = world();
    let serve = world.serve();
    for n in 0..4 {
        begin(&serve, &format!("address-{n}"), 2).unwrap();
    }
    assert_eq!(begin(&serve, "address-9", 2).unwrap_err().code, ErrorCode::TooManySessions);
}

#[test]
fn those_that_are_left_end_where_sessions_were_turned_off() {
    let mut world = world();
    let id = begun(&world.serve());
    world.settings.sessions = None;
    let serve = world.serve();
    assert_eq!(serve.engine.public_session(&id).unwrap_err().code, ErrorCode::SessionsDisabled);
    assert_eq!(begin(&serve, "address-a", 2).unwrap_err().code, ErrorCode::SessionsDisabled);
    world.clock.advance(Duration::from_secs(310));
    serve.pass(LOOK);
    assert_eq!(world.record(&id), None);
    world.assert_clean(&serve, "after sessions were turned off");
}

#[test]
fn a_runtime_that_is_not_strong_must_be_allowed() {
    let mut world = world();
    world.settings.sessions = Some(SessionSettings::default());
    let serve = world.serve();
    assert_eq!(begin(&serve, "address-a", 2).unwrap_err().code, ErrorCode::SessionsUnavailable);
    assert!(world.records().is_empty());
}
