//! Every operation, with every call of every port failing once: before its act, and after it with the answer lost.

use atoll_engine::{EngineError, SandboxView};
use atoll_ports::{AgentError, RuntimeError};
use atoll_testkit::{Fault, Gate};
use atoll_types::{Desired, ErrorCode, Observed, SandboxId, Status};

use crate::world::{Serve, World, sandbox, with_main};

/// What is asked of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Create,
    Start,
    Stop,
    Restart,
    Delete,
}

pub(crate) const ASKS: [Ask; 5] = [Ask::Create, Ask::Start, Ask::Stop, Ask::Restart, Ask::Delete];

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    Before,
    After,
    Hangs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Store,
    Runtime,
    Agents,
    Logs,
}

pub(crate) const PORTS: [Port; 4] = [Port::Store, Port::Runtime, Port::Agents, Port::Logs];

pub(crate) fn plan(world: &World, port: Port, n: u64, wrong: Wrong) {
    fn fault<E>(wrong: Wrong, error: E) -> Fault<E> {
        match wrong {
            Wrong::Before => Fault::Before(error),
            Wrong::After => Fault::After(error),
            Wrong::Hangs => Fault::Wait(Gate::closed()),
        }
    }
    let down = || "planned".to_owned();
    match port {
        Port::Store => world.store.faults().nth(n, fault(wrong, atoll_testkit::StoreFault)),
        Port::Runtime => world.runtime.faults().nth(n, fault(wrong, RuntimeError::Unavailable(down()))),
        Port::Agents => world.agents.faults().nth(n, fault(wrong, AgentError::Unreachable(down()))),
        Port::Logs => world.logs.faults().nth(n, fault(wrong, atoll_testkit::LogFault)),
    }
}

pub(crate) fn pending(world: &World) -> bool {
    world.store.faults().pending()
        || world.runtime.faults().pending()
        || world.agents.faults().pending()
        || world.logs.faults().pending()
}

/// Brings the world to where this can be asked.
pub(crate) fn prepare(world: &World, serve: &Serve, ask: Ask, main: bool) -> Option<SandboxId> {
    let new = if main { with_main(world) } else { sandbox() };
    if ask == Ask::Create {
        return None;
    }
    let id = serve.create(world, new).unwrap().record.id;
    if ask == Ask::Start {
        serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    }
    serve.pass(std::time::Duration::from_millis(200));
    Some(id)
}

pub(crate) async fn ask(
    engine: atoll_engine::Engine,
    caller: atoll_engine::Caller,
    new: atoll_engine::NewSandbox,
    ask: Ask,
    id: Option<SandboxId>,
) -> Result<Option<SandboxView>, EngineError> {
    let id = id.as_ref();
    match ask {
        Ask::Create => engine.sandbox_create(&caller, new).await.map(Some),
        Ask::Start => engine.sandbox_start(&caller, id.unwrap()).await.map(Some),
        Ask::Stop => engine.sandbox_stop(&caller, id.unwrap()).await.map(Some),
        Ask::Restart => engine.sandbox_restart(&caller, id.unwrap()).await.map(Some),
        Ask::Delete => engine.sandbox_delete(&caller, id.unwrap()).await.map(|()| None),
    }
}

fn expected_code(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Unavailable | ErrorCode::RuntimeFailed | ErrorCode::AgentUnreachable | ErrorCode::Internal
    )
}

/// What the records must say afterwards. An answer that says success is held to; after one that says failure a create
/// has left nothing, and everything else is at one of its two ends.
fn check(world: &World, ask: Ask, ok: bool, what: &str) {
    let records = world.records();
    let running = |want: bool| {
        assert_eq!(records.len(), 1, "{what}");
        assert_eq!(records[0].observed == Observed::Running, want, "{what}: {:?}", records[0]);
    };
    match (ask, ok) {
        (Ask::Create, false) | (Ask::Delete, _) => assert_eq!(records, [], "{what}: something is left"),
        (Ask::Create | Ask::Start | Ask::Restart, true) => running(true),
        (Ask::Stop, _) => running(false),
        (Ask::Start | Ask::Restart, false) => assert_eq!(records.len(), 1, "{what}"),
    }
}

fn sweep(wrong: Wrong, main: bool) -> u32 {
    let mut cases = 0;
    for what in ASKS {
        for port in PORTS {
            for n in 1..100 {
                let world = World::new();
                let serve = world.serve();
                let id = prepare(&world, &serve, what, main);
                let new = if main { with_main(&world) } else { sandbox() };
                plan(&world, port, n, wrong);
                let name = format!("{what:?} main={main} {port:?} call {n} {wrong:?}");
                let asked = ask(serve.engine.clone(), world.caller.clone(), new, what, id);
                let answer = serve.try_run(asked).unwrap_or_else(|| panic!("{name}: hangs"));
                let struck = !pending(&world);
                if let Err(error) = &answer {
                    assert!(struck, "{name}: {error:?}");
                    assert!(expected_code(error.code), "{name}: {error:?}");
                }
                world.assert_clean(&serve, &name);
                // A delete or a stop that failed was wished all the same: the wish counts once it is written down.
                let unwritten = answer.is_err() && matches!(what, Ask::Stop | Ask::Delete) && {
                    let records = world.records();
                    records.first().is_some_and(|r| r.desired == Desired::Running)
                };
                if !unwritten {
                    check(&world, what, answer.is_ok(), &name);
                }
                cases += 1;
                if !struck {
                    break;
                }
            }
        }
    }
    cases
}

#[test]
fn every_call_may_fail() {
    assert!(sweep(Wrong::Before, false) > 20);
}

#[test]
fn every_call_may_fail_with_a_main_process() {
    assert!(sweep(Wrong::Before, true) > 30);
}

#[test]
fn every_answer_may_be_lost() {
    assert!(sweep(Wrong::After, false) > 20);
}

#[test]
fn every_answer_may_be_lost_with_a_main_process() {
    assert!(sweep(Wrong::After, true) > 30);
}

#[test]
fn a_start_that_failed_says_why_and_can_be_repeated() {
    let world = World::new();
    let serve = world.serve();
    let id = prepare(&world, &serve, Ask::Start, false).unwrap();
    world.runtime.faults().nth_of("start", 1, Fault::Before(RuntimeError::Failed("no luck".to_owned())));
    let error = serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::RuntimeFailed, "no luck"));
    let view = serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap();
    assert_eq!((view.status, view.record.failure.as_deref()), (Status::Failed, Some("no luck")));
    let view = serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    assert_eq!((view.status, view.record.failure), (Status::Running, None));
}

#[test]
fn errors_of_a_create_have_their_codes_and_leave_nothing() {
    let cases = [
        (RuntimeError::DiskFull, ErrorCode::DiskFull),
        (RuntimeError::ImageMissing, ErrorCode::ImageNotFound),
        (RuntimeError::Refused("no".to_owned()), ErrorCode::RuntimeFailed),
        (RuntimeError::Unavailable("no".to_owned()), ErrorCode::Unavailable),
    ];
    for (fault, code) in cases {
        let world = World::new();
        let serve = world.serve();
        world.runtime.faults().nth_of("start", 1, Fault::Before(fault));
        assert_eq!(serve.create(&world, sandbox()).unwrap_err().code, code);
        assert_eq!(world.records(), []);
        world.assert_clean(&serve, "after a create that failed");
    }
}

#[test]
fn many_are_made_or_none() {
    let world = World::new();
    let serve = world.serve();
    world.runtime.faults().nth_of("start", 7, Fault::Before(RuntimeError::DiskFull));
    let asked = serve.engine.sandbox_create_many(&world.caller, sandbox(), 10);
    assert_eq!(serve.run(asked).unwrap_err().code, ErrorCode::DiskFull);
    assert_eq!(world.records(), []);
    let made = serve.run(serve.engine.sandbox_create_many(&world.caller, sandbox(), 10)).unwrap();
    assert_eq!(made.len(), 10);
    assert!(made.iter().all(|v| v.status == Status::Running));
    world.assert_clean(&serve, "after ten");
}

#[test]
fn the_quota_holds_however_many_ask_at_once() {
    let mut world = World::new();
    world.settings.quota.sandboxes = 5;
    let serve = world.serve();
    let asked: Vec<_> = (0..12)
        .map(|_| {
            let (engine, caller) = (serve.engine.clone(), world.caller.clone());
            async move { engine.sandbox_create(&caller, sandbox()).await }
        })
        .collect();
    let answers = serve.run(futures_util::future::join_all(asked));
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 5);
    assert!(answers.iter().flat_map(|a| a.as_ref().err()).all(|e| e.code == ErrorCode::QuotaExceeded));
    let first = world.records()[0].id.clone();
    serve.run(serve.engine.sandbox_delete(&world.caller, &first)).unwrap();
    assert!(serve.create(&world, sandbox()).is_ok());
    // One that failed does not count.
    serve.run(serve.engine.sandbox_delete(&world.caller, &world.records()[0].id)).unwrap();
    world.runtime.faults().nth_of("start", 1, Fault::Before(RuntimeError::DiskFull));
    assert!(serve.create(&world, sandbox()).is_err());
    assert!(serve.create(&world, sandbox()).is_ok());
}
