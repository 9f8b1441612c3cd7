//! Pause and resume, and everything else that meets a paused sandbox.

use std::time::Duration;

use atoll_engine::{EngineError, SandboxView};
use atoll_ports::{RuntimeError, StdinPiece};
use atoll_testkit::{Fault, Gate, StoreFault};
use atoll_types::{
    Desired, ErrorCode, ExecStatus, Observed, OnExpiry, SandboxId, Signal, Status, StopReason,
};

use crate::world::{Serve, World, exec, sandbox, with_main};

const LOOK: Duration = Duration::from_secs(3);

fn status(world: &World, serve: &Serve, id: &SandboxId) -> Status {
    serve.run(serve.engine.sandbox_get(&world.caller, id)).unwrap().status
}

fn pause(world: &World, serve: &Serve, id: &SandboxId) -> Result<SandboxView, EngineError> {
    serve.run(serve.engine.sandbox_pause(&world.caller, id))
}

fn resume(world: &World, serve: &Serve, id: &SandboxId) -> Result<SandboxView, EngineError> {
    serve.run(serve.engine.sandbox_resume(&world.caller, id))
}

fn frozen(world: &World, id: &SandboxId) -> bool {
    world.runtime.found(id).is_some_and(|found| found.paused)
}

#[test]
fn both_may_be_repeated_and_both_survive_a_new_serve() {
    let world = World::new();
    let mut serve = world.serve();
    let id = serve.sandbox(&world);
    for _ in 0..2 {
        assert_eq!(pause(&world, &serve, &id).unwrap().status, Status::Paused);
        assert!(frozen(&world, &id));
        drop(serve);
        serve = world.serve();
        assert_eq!(status(&world, &serve, &id), Status::Paused);
    }
    world.assert_clean(&serve, "while paused");
    for _ in 0..2 {
        assert_eq!(resume(&world, &serve, &id).unwrap().status, Status::Running);
        assert!(!frozen(&world, &id));
        drop(serve);
        serve = world.serve();
        assert_eq!(status(&world, &serve, &id), Status::Running);
    }
    assert_eq!(world.runtime.faults().count("pause") + world.runtime.faults().count("resume"), 2);
    world.assert_clean(&serve, "after it was resumed");
}

#[test]
fn what_needs_its_processes_is_refused_while_paused() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.script(|_| Some(atoll_testkit::Script::new().hold().stdout("late").exit(0)));
    let run = serve.exec_start(&world, &id, "held");
    pause(&world, &serve, &id).unwrap();
    let (engine, caller) = (&serve.engine, &world.caller);
    let refused = [
        serve.run(engine.exec_run(caller, &id, exec("x"))).err(),
        serve.run(engine.exec_start(caller, &id, exec("x"))).err(),
        serve.run(engine.exec_stdin(caller, &id, &run, StdinPiece::default())).err(),
        serve.run(engine.exec_signal(caller, &id, &run, Signal::Term)).err(),
        serve.run(engine.sandbox_start(caller, &id)).err(),
        serve.run(engine.sandbox_keepalive(caller, &id)).err(),
    ];
    for error in refused {
        let error = error.unwrap();
        assert_eq!(error.code, ErrorCode::SandboxPaused);
        assert!(error.message.contains("resume"), "{error}");
    }
    // What runs goes on behind it and loses nothing, also through a new serve.
    drop(serve);
    let serve = world.serve();
    assert_eq!(serve.exec_get(&world, &id, &run).record.status, ExecStatus::Running);
    resume(&world, &serve, &id).unwrap();
    world.agents.release(&id, &run);
    serve.until("it ends", || serve.exec_get(&world, &id, &run).record.status == ExecStatus::Exited);
    assert_eq!(serve.exec_get(&world, &id, &run).stdout, b"late");
}

#[test]
fn only_what_is_up_is_paused() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    for answer in [pause(&world, &serve, &id), resume(&world, &serve, &id)] {
        assert_eq!(answer.unwrap_err().code, ErrorCode::SandboxNotRunning);
    }
    assert_eq!(status(&world, &serve, &id), Status::Stopped);
}

#[test]
fn stop_restart_and_delete_do_not_wait_for_what_is_frozen() {
    let world = World::new();
    let serve = world.serve();
    let new = || serve.create(&world, with_main(&world)).unwrap().record.id;
    // A graceful end takes ten seconds here: the main process of the fake ends by itself only when it is released.
    let soon = Duration::from_secs(5);
    let (stopped, restarted, deleted) = (new(), new(), new());
    for id in [&stopped, &restarted, &deleted] {
        pause(&world, &serve, id).unwrap();
    }
    let (engine, caller) = (&serve.engine, &world.caller);
    let view = serve.run_for(soon, engine.sandbox_stop(caller, &stopped)).expect("it waited").unwrap();
    assert_eq!((view.status, view.record.stop_reason), (Status::Stopped, Some(StopReason::Requested)));
    let view = serve.run_for(soon, engine.sandbox_restart(caller, &restarted)).expect("it waited").unwrap();
    assert_eq!(view.status, Status::Running);
    serve.run_for(soon, engine.sandbox_delete(caller, &deleted)).expect("it waited").unwrap();
    assert!(world.record(&deleted).is_none());
    // A start of what was paused when it was stopped is a usual start.
    assert_eq!(serve.run(engine.sandbox_start(caller, &stopped)).unwrap().status, Status::Running);
    assert!(!frozen(&world, &stopped) && !frozen(&world, &restarted));
    world.assert_clean(&serve, "after the ends");
}

#[test]
fn a_pause_that_hangs_does_not_hold_up_a_delete() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let gate = Gate::closed();
    world.runtime.faults().nth_of("pause", 1, Fault::Wait(gate.clone()));
    let (engine, caller, sandbox) = (serve.engine.clone(), world.caller.clone(), id.clone());
    let pausing = serve.start(async move { engine.sandbox_pause(&caller, &sandbox).await });
    let delete = serve.engine.sandbox_delete(&world.caller, &id);
    serve.run_for(Duration::from_secs(1), delete).expect("it waited").unwrap();
    assert_eq!(pausing.result(&serve).unwrap_err().code, ErrorCode::SandboxDeleting);
    gate.open();
    world.assert_clean(&serve, "after the delete");
}

#[test]
fn a_pause_or_resume_that_was_cut_off_has_not_happened() {
    let planned = || RuntimeError::Failed("planned".to_owned());
    for fault in [Fault::Before(planned()), Fault::After(planned())] {
        let world = World::new();
        let serve = world.serve();
        let id = serve.sandbox(&world);
        world.runtime.faults().nth_of("pause", 1, fault.clone());
        assert_eq!(pause(&world, &serve, &id).unwrap_err().code, ErrorCode::RuntimeFailed);
        assert_eq!(status(&world, &serve, &id), Status::Running);
        world.assert_clean(&serve, "after a pause failed");
        assert!(!frozen(&world, &id));

        pause(&world, &serve, &id).unwrap();
        world.runtime.faults().nth_of("resume", 1, fault);
        assert_eq!(resume(&world, &serve, &id).unwrap_err().code, ErrorCode::RuntimeFailed);
        assert_eq!(status(&world, &serve, &id), Status::Paused);
        world.assert_clean(&serve, "after a resume failed");
        assert!(frozen(&world, &id));
    }
}

#[test]
fn a_pause_that_is_not_written_down_is_taken_back() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.store.faults().always("sandbox_update", StoreFault);
    assert!(pause(&world, &serve, &id).is_err());
    world.store.faults().clear();
    drop(serve);
    let serve = world.serve();
    assert_eq!((status(&world, &serve, &id), frozen(&world, &id)), (Status::Running, false));
}

#[test]
fn what_somebody_else_froze_or_thawed_becomes_what_was_asked() {
    let world = World::new();
    let serve = world.serve();
    let (runs, stands) = (serve.sandbox(&world), serve.sandbox(&world));
    pause(&world, &serve, &stands).unwrap();
    world.runtime.freeze(&runs, true);
    world.runtime.freeze(&stands, false);
    serve.pass(Duration::from_secs(70));
    assert!(!frozen(&world, &runs) && frozen(&world, &stands));
    world.assert_clean(&serve, "after a pass");
}

#[test]
fn an_agent_that_dies_while_paused_is_a_crash_and_starts_again() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    pause(&world, &serve, &id).unwrap();
    world.runtime.crash(&id);
    serve.pass(Duration::from_millis(100));
    assert_eq!(status(&world, &serve, &id), Status::Crashed);
    let view = serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    assert_eq!((view.record.desired, view.record.observed), (Desired::Running, Observed::Running));
    world.assert_clean(&serve, "after a start");
}

#[test]
fn idle_time_stands_still_while_paused_and_life_time_does_not() {
    let world = World::new();
    let serve = world.serve();
    let lazy = atoll_engine::NewSandbox { idle_seconds: Some(100), ..sandbox() };
    let mortal = |on_expiry| atoll_engine::NewSandbox { ttl_seconds: Some(1_000), on_expiry, ..sandbox() };
    let lazy = serve.create(&world, lazy).unwrap().record.id;
    let gone = serve.create(&world, mortal(OnExpiry::Delete)).unwrap().record.id;
    let down = serve.create(&world, mortal(OnExpiry::Stop)).unwrap().record.id;
    for id in [&lazy, &gone, &down] {
        pause(&world, &serve, id).unwrap();
    }
    world.clock.advance(Duration::from_secs(900));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &lazy), Status::Paused);
    resume(&world, &serve, &lazy).unwrap();
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &lazy), Status::Running, "its idle time begins anew");
    world.clock.advance(Duration::from_secs(110));
    serve.pass(LOOK);
    assert_eq!(status(&world, &serve, &lazy), Status::Stopped);
    assert!(world.record(&gone).is_none());
    assert_eq!(status(&world, &serve, &down), Status::Stopped);
}

#[test]
fn after_a_reboot_a_paused_sandbox_is_stopped() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    pause(&world, &serve, &id).unwrap();
    drop(serve);
    world.runtime.power_loss();
    world.clock.reboot("another boot");
    let serve = world.serve();
    let view = serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap();
    assert_eq!((view.status, view.record.stop_reason), (Status::Stopped, Some(StopReason::HostRestarted)));
    assert_eq!(resume(&world, &serve, &id).unwrap_err().code, ErrorCode::SandboxNotRunning);
}
