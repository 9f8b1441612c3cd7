//! Delete always wins.

use std::time::Duration;

use atoll_ports::{AgentError, RuntimeError};
use atoll_testkit::{Fault, Gate, StoreFault};
use atoll_types::{ErrorCode, SandboxId, Status};

use crate::world::{Serve, World, with_main};

/// What a caller waits for at most, in virtual time.
const BOUNDED: Duration = Duration::from_secs(1);

fn delete(world: &World, serve: &Serve, id: &SandboxId) {
    let answer = serve.run_for(BOUNDED, serve.engine.sandbox_delete(&world.caller, id));
    answer.expect("a delete takes too long").unwrap();
    assert!(world.record(id).is_none());
    let again = serve.run(serve.engine.sandbox_delete(&world.caller, id)).unwrap_err();
    assert_eq!(again.code, ErrorCode::SandboxNotFound);
    world.assert_clean(serve, "after a delete");
}

fn shown(world: &World, serve: &Serve, id: &SandboxId) -> Status {
    serve.run(serve.engine.sandbox_get(&world.caller, id)).unwrap().status
}

#[test]
fn from_every_state_at_rest() {
    let world = World::new();
    let serve = world.serve();
    let running = serve.create(&world, with_main(&world)).unwrap().record.id;
    delete(&world, &serve, &running);
    let stopped = serve.sandbox(&world);
    serve.run(serve.engine.sandbox_stop(&world.caller, &stopped)).unwrap();
    delete(&world, &serve, &stopped);
    let crashed = serve.sandbox(&world);
    world.runtime.crash(&crashed);
    serve.until("it is crashed", || shown(&world, &serve, &crashed) == Status::Crashed);
    delete(&world, &serve, &crashed);
    let failed = serve.sandbox(&world);
    serve.run(serve.engine.sandbox_stop(&world.caller, &failed)).unwrap();
    world.runtime.faults().nth_of("start", 1, Fault::Before(RuntimeError::Failed("no".to_owned())));
    serve.run(serve.engine.sandbox_start(&world.caller, &failed)).unwrap_err();
    assert_eq!(shown(&world, &serve, &failed), Status::Failed);
    delete(&world, &serve, &failed);
    let vanished = serve.sandbox(&world);
    world.runtime.vanish(&vanished);
    delete(&world, &serve, &vanished);
}

#[test]
fn while_a_create_or_a_start_hangs() {
    for (start, call) in [(false, "start"), (true, "start"), (false, "exec"), (true, "exec")] {
        let world = World::new();
        let serve = world.serve();
        let new = with_main(&world);
        let id = start.then(|| serve.create(&world, new.clone()).unwrap().record.id);
        if let Some(id) = &id {
            serve.run(serve.engine.sandbox_stop(&world.caller, id)).unwrap();
        }
        let gate = Gate::closed();
        if call == "start" {
            world.runtime.faults().nth_of(call, 1, Fault::Wait(gate));
        } else {
            world.agents.faults().nth_of(call, 1, Fault::Wait(gate));
        }
        let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
        let under_way = serve.start(async move {
            match known {
                None => engine.sandbox_create(&caller, new).await,
                Some(id) => engine.sandbox_start(&caller, &id).await,
            }
        });
        let id = world.records()[0].id.clone();
        assert!(matches!(shown(&world, &serve, &id), Status::Creating | Status::Starting));
        delete(&world, &serve, &id);
        assert_eq!(under_way.result(&serve).unwrap_err().code, ErrorCode::SandboxDeleting);
    }
}

#[test]
fn while_a_stop_waits_for_the_main_process() {
    let world = World::new();
    let serve = world.serve();
    let new = with_main(&world);
    world.agents.script(|_| Some(atoll_testkit::Script::new().hold().ignore_signals()));
    let id = serve.create(&world, new).unwrap().record.id;
    let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
    let stop = serve.start(async move { engine.sandbox_stop(&caller, &known).await });
    assert_eq!(shown(&world, &serve, &id), Status::Stopping);
    delete(&world, &serve, &id);
    assert_eq!(stop.result(&serve).unwrap_err().code, ErrorCode::SandboxDeleting);
}

#[test]
fn while_the_agent_hangs_with_execs_running() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    for _ in 0..3 {
        serve.exec_start(&world, &id, "sleep 1000");
    }
    world.agents.hang(&id);
    let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
    let exec = serve.start(async move { engine.exec_run(&caller, &known, crate::world::exec("true")).await });
    assert!(!exec.is_done());
    delete(&world, &serve, &id);
    assert!(exec.result(&serve).is_ok_and(|v| v.record.status == atoll_types::ExecStatus::Lost));
}

#[test]
fn while_an_agent_call_never_answers() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    for call in ["exec", "ack", "attach"] {
        world.agents.faults().nth_of(call, 1, Fault::Wait(Gate::closed()));
    }
    let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
    let exec = serve.start(async move { engine.exec_run(&caller, &known, crate::world::exec("true")).await });
    delete(&world, &serve, &id);
    assert!(exec.is_done());
}

#[test]
fn twice_at_the_same_time() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, with_main(&world)).unwrap().record.id;
    let both =
        futures_util::future::join_all((0..5).map(|_| serve.engine.sandbox_delete(&world.caller, &id)));
    assert!(serve.run(both).iter().all(Result::is_ok));
    assert_eq!(world.runtime.faults().count("remove"), 1);
    world.assert_clean(&serve, "after two deletes");
}

#[test]
fn with_other_writers_of_the_record() {
    use atoll_ports::{Durability, Store};
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    // Another serve wrote in between, as during an upgrade.
    for reason in [atoll_types::StopReason::Idle, atoll_types::StopReason::Expired] {
        let mut record = world.record(&id).unwrap();
        record.stop_reason = Some(reason);
        crate::world::block(world.store.sandbox_update(&record, Durability::Process)).unwrap();
    }
    delete(&world, &serve, &id);
}

#[test]
fn with_a_runtime_that_fails_several_times() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, with_main(&world)).unwrap().record.id;
    world.runtime.faults().always("remove", RuntimeError::Failed("busy".to_owned()));
    let error = serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap_err();
    assert_eq!(error.code, ErrorCode::RuntimeFailed);
    assert_eq!(shown(&world, &serve, &id), Status::Deleting);
    serve.pass(Duration::from_secs(200));
    for denied in [
        serve.run(serve.engine.sandbox_start(&world.caller, &id)).map(|_| ()),
        serve.run(serve.engine.sandbox_keepalive(&world.caller, &id)).map(|_| ()),
        serve.exec(&world, &id, "true").map(|_| ()),
    ] {
        let code = denied.unwrap_err().code;
        assert!(matches!(code, ErrorCode::SandboxDeleting | ErrorCode::RuntimeFailed), "{code:?}");
    }
    world.runtime.faults().clear();
    serve.until("it is gone", || world.record(&id).is_none());
    world.assert_clean(&serve, "after a delete that failed");
}

#[test]
fn with_a_store_that_fails_several_times() {
    for call in ["sandbox_remove", "exec_finish_all", "exec_finish"] {
        let world = World::new();
        let serve = world.serve();
        let id = serve.create(&world, with_main(&world)).unwrap().record.id;
        world.store.faults().always(call, StoreFault);
        let _failed = serve.run(serve.engine.sandbox_delete(&world.caller, &id));
        world.store.faults().clear();
        serve.until("it is gone", || world.record(&id).is_none());
        world.assert_clean(&serve, "after a delete that failed");
    }
}

#[test]
fn an_agent_that_answers_nothing_useful_does_not_matter() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, with_main(&world)).unwrap().record.id;
    for call in ["signal", "ack", "attach", "list"] {
        world.agents.faults().always(call, AgentError::Protocol("nonsense".to_owned()));
    }
    delete(&world, &serve, &id);
    let id = serve.sandbox(&world);
    delete(&world, &serve, &id);
}
