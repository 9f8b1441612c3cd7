//! A clean stop of serve: nobody waits for ever, nothing is lost.

use std::time::Duration;

use atoll_testkit::{Fault, Gate};
use atoll_types::{ErrorCode, ExecStatus, Status};
use futures_util::StreamExt;

use crate::world::{World, ends_with_exit, exec, sandbox, text};

#[test]
fn whoever_waits_is_told_and_the_exec_goes_on() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let run = serve.exec_start(&world, &id, "sleep 100");
    let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
    let waiting = serve.start(async move { engine.exec_run(&caller, &known, exec("sleep 100")).await });
    let (engine, caller, known, other) =
        (serve.engine.clone(), world.caller.clone(), id.clone(), run.clone());
    let reading = serve.start(async move {
        let events = engine.exec_events(&caller, &known, &other, 0).await.unwrap();
        events.collect::<Vec<_>>().await
    });
    let tasks = serve.tasks.clone();
    let report = serve.run(async move { tasks.shutdown(Duration::from_secs(5)).await });
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(waiting.result(&serve).unwrap_err().code, ErrorCode::Unavailable);
    let events = reading.result(&serve);
    assert_eq!(events.last().unwrap().as_ref().unwrap_err().code, ErrorCode::Unavailable);
    // Whoever asks now is told the same.
    assert_eq!(serve.exec(&world, &id, "true").unwrap_err().code, ErrorCode::Unavailable);
    assert_eq!(serve.create(&world, sandbox()).unwrap_err().code, ErrorCode::Unavailable);
    let events = serve.run(async { serve.engine.exec_events(&world.caller, &id, &run, 0).await.map(|_| ()) });
    assert_eq!(events.unwrap_err().code, ErrorCode::Unavailable);
    drop(serve);
    let serve = world.serve();
    assert_eq!(serve.exec_get(&world, &id, &run).record.status, ExecStatus::Running);
    world.agents.release(&id, &run);
    let events = serve.events(&world, &id, &run, 0);
    assert_eq!(text(&events, 1), b"");
    assert!(ends_with_exit(&events));
}

#[test]
fn a_mutation_under_way_is_waited_for() {
    let world = World::new();
    let serve = world.serve();
    let gate = Gate::closed();
    world.runtime.faults().nth_of("start", 1, Fault::Wait(gate.clone()));
    let (engine, caller, new) = (serve.engine.clone(), world.caller.clone(), crate::world::with_main(&world));
    let create = serve.start(async move { engine.sandbox_create(&caller, new).await });
    let tasks = serve.tasks.clone();
    let down = serve.start(async move { tasks.shutdown(Duration::from_secs(20)).await });
    assert!(!down.is_done());
    gate.open();
    assert_eq!(create.result(&serve).unwrap().status, Status::Running);
    assert!(down.result(&serve).is_clean());
    drop(serve);
    let serve = world.serve();
    world.assert_clean(&serve, "after a clean stop");
}

#[test]
fn a_caller_that_goes_away_cuts_nothing() {
    let world = World::new();
    let serve = world.serve();
    let gate = Gate::closed();
    world.runtime.faults().nth_of("start", 1, Fault::Wait(gate.clone()));
    let create = serve.engine.sandbox_create(&world.caller, sandbox());
    assert!(serve.run_for(Duration::from_millis(100), create).is_none());
    gate.open();
    serve.pass(Duration::from_millis(100));
    let records = world.records();
    assert_eq!(records.len(), 1);
    let view = serve.run(serve.engine.sandbox_get(&world.caller, &records[0].id)).unwrap();
    assert_eq!(view.status, Status::Running);
    serve.shut_down();
}

#[test]
fn agents_and_disks_that_hang_do_not_delay_the_stop() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let _run = serve.exec_start(&world, &id, "sleep 100");
    world.agents.hang(&id);
    let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
    let _waiting = serve.start(async move { engine.exec_run(&caller, &known, exec("true")).await });
    serve.shut_down();
}
