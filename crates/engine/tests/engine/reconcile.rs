//! Records and reality, brought together.

use std::time::Duration;

use atoll_ports::{Durability, ExecLogs, RuntimeError, RuntimeEvent, Store};
use atoll_testkit::{Fault, LogFault, StoreFault, samples};
use atoll_types::{
    Desired, ExecEvent, ExecEventKind, ExecId, ExecKind, Observed, OutputStream, SandboxId, Status,
    StopReason,
};

use crate::world::{Serve, World, block, sandbox, with_main};

fn status(world: &World, serve: &Serve, id: &SandboxId) -> Status {
    serve.run(serve.engine.sandbox_get(&world.caller, id)).unwrap().status
}

#[test]
fn what_no_record_owns_is_removed() {
    let world = World::new();
    let serve = world.serve();
    let mine = serve.sandbox(&world);
    drop(serve);
    for (slot, running) in [(100, true), (101, false)] {
        world.runtime.plant(&SandboxId::random(), slot, running);
    }
    let mut log = block(world.logs.writer(&SandboxId::random(), &ExecId::random(), ExecKind::Exec)).unwrap();
    let kind = ExecEventKind::Output(OutputStream::Stdout, b"x".to_vec());
    block(log.append(&[ExecEvent { seq: 2, time: samples::now(), kind }])).unwrap();
    let serve = world.serve();
    world.assert_clean(&serve, "after a boot");
    assert_eq!(status(&world, &serve, &mine), Status::Running);
    // And later too, when the first attempt fails.
    world.runtime.plant(&SandboxId::random(), 100, true);
    world.runtime.faults().nth_of("remove", 1, Fault::Before(RuntimeError::Failed("busy".to_owned())));
    serve.pass(Duration::from_secs(70));
    world.assert_clean(&serve, "after a pass");
}

#[test]
fn a_crash_is_noticed_by_its_event() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.runtime.crash(&id);
    serve.pass(Duration::from_millis(100));
    assert_eq!(status(&world, &serve, &id), Status::Crashed);
    world.assert_clean(&serve, "after a crash");
}

#[test]
fn a_crash_is_noticed_when_events_were_lost() {
    for event in [None, Some(RuntimeEvent::Reconnected)] {
        let world = World::new();
        let serve = world.serve();
        let id = serve.sandbox(&world);
        world.runtime.crash_silently(&id);
        match event {
            Some(event) => world.runtime.emit(event),
            None => {
                for _ in 0..2_000 {
                    world.runtime.emit(RuntimeEvent::Exited(SandboxId::random()));
                }
            }
        }
        serve.pass(Duration::from_secs(1));
        assert_eq!(status(&world, &serve, &id), Status::Crashed);
    }
}

#[test]
fn a_crash_is_noticed_by_the_periodic_pass() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.runtime.crash_silently(&id);
    serve.pass(Duration::from_secs(61));
    assert_eq!(status(&world, &serve, &id), Status::Crashed);
}

#[test]
fn an_event_about_what_was_started_again_is_old() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.runtime.crash(&id);
    serve.pass(Duration::from_millis(100));
    serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    world.runtime.emit(RuntimeEvent::Exited(id.clone()));
    serve.pass(Duration::from_millis(100));
    assert_eq!(status(&world, &serve, &id), Status::Running);
}

#[test]
fn a_stop_is_no_crash() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, with_main(&world)).unwrap().record.id;
    let stop = serve.engine.sandbox_stop(&world.caller, &id);
    world.runtime.emit(RuntimeEvent::Exited(id.clone()));
    let view = serve.run(stop).unwrap();
    world.runtime.emit(RuntimeEvent::Exited(id.clone()));
    serve.pass(Duration::from_secs(1));
    assert_eq!((view.status, view.record.stop_reason), (Status::Stopped, Some(StopReason::Requested)));
    assert_eq!(status(&world, &serve, &id), Status::Stopped);
    // The main process was asked to end, and its end is known.
    let mains =
        block(world.store.exec_list(&id, &atoll_ports::ExecFilter::default(), None, 10)).unwrap().items;
    assert_eq!(mains[0].outcome.as_ref().unwrap().exit.as_ref().unwrap().code, 143);
}

#[test]
fn after_the_host_went_down_sandboxes_are_stopped_and_say_why() {
    let world = World::new();
    let (id, run) = {
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let run = serve.exec_start(&world, &id, "sleep 100");
        (id, run)
    };
    world.runtime.power_loss();
    world.clock.advance(Duration::from_secs(600));
    world.clock.reboot("boot-2");
    world.clock.advance(Duration::from_secs(20));
    let serve = world.serve();
    let view = serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap();
    assert_eq!((view.status, view.record.stop_reason), (Status::Stopped, Some(StopReason::HostRestarted)));
    assert_eq!(serve.exec_get(&world, &id, &run).record.status, atoll_types::ExecStatus::Lost);
    world.assert_clean(&serve, "after the host went down");
    let view = serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    assert_eq!((view.status, view.record.stop_reason), (Status::Running, None));
}

#[test]
fn a_wall_clock_that_jumps_makes_no_crash_a_restart_of_the_host() {
    for years in [-10_i64, 10] {
        let world = World::new();
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let now = atoll_ports::Clock::now(&*world.clock).as_unix_ms();
        world.clock.set_now(atoll_types::Timestamp::from_unix_ms(now + years * 365 * 86_400_000));
        world.runtime.crash(&id);
        serve.pass(Duration::from_secs(1));
        assert_eq!(status(&world, &serve, &id), Status::Crashed);
    }
}

/// While no serve runs, an agent dies or the host restarts, and the wall clock jumps: the boot's id alone tells which it was.
#[test]
fn a_restart_of_the_host_and_a_crash_are_told_apart_whatever_the_clocks_say() {
    for (years, rebooted) in [(-10_i64, true), (10, true), (0, true), (-10, false), (10, false), (0, false)] {
        let world = World::new();
        let (id, other) = {
            let serve = world.serve();
            (serve.sandbox(&world), serve.sandbox(&world))
        };
        world.clock.advance(Duration::from_secs(600));
        let now = atoll_ports::Clock::now(&*world.clock).as_unix_ms();
        if rebooted {
            world.runtime.power_loss();
            world.clock.reboot("boot-2");
        } else {
            world.runtime.crash(&id);
            world.runtime.crash(&other);
        }
        world.clock.set_now(atoll_types::Timestamp::from_unix_ms(now + years * 365 * 86_400_000));
        let serve = world.serve();
        let expected = if rebooted { Status::Stopped } else { Status::Crashed };
        assert_eq!(status(&world, &serve, &id), expected, "{years} years, rebooted: {rebooted}");
        // One that is started in this boot can crash in it, also for the next serve.
        serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
        drop(serve);
        world.runtime.crash(&id);
        let serve = world.serve();
        assert_eq!(status(&world, &serve, &id), Status::Crashed, "{years} years, after {rebooted}");
        assert_eq!(status(&world, &serve, &other), expected);
    }
}

#[test]
fn what_should_not_run_is_stopped() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    let slot = world.record(&id).unwrap().uid_slot;
    world.runtime.plant(&id, slot, true);
    serve.pass(Duration::from_secs(61));
    assert!(!world.agents.alive(&id));
    assert_eq!(status(&world, &serve, &id), Status::Stopped);
    world.assert_clean(&serve, "after it was stopped");
}

#[test]
fn what_runs_after_all_is_noted() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.runtime.crash(&id);
    serve.pass(Duration::from_secs(1));
    let slot = world.record(&id).unwrap().uid_slot;
    world.runtime.plant(&id, slot, true);
    serve.pass(Duration::from_secs(61));
    assert_eq!(status(&world, &serve, &id), Status::Running);
}

#[test]
fn a_wish_to_delete_without_an_operation_is_carried_out() {
    let world = World::new();
    let id = world.serve().sandbox(&world);
    let mut record = world.record(&id).unwrap();
    record.desired = Desired::Deleted;
    block(world.store.sandbox_update(&record, Durability::Process)).unwrap();
    let serve = world.serve();
    assert_eq!(world.record(&id), None);
    world.assert_clean(&serve, "after the boot");
}

#[test]
fn one_thing_that_fails_keeps_no_other() {
    let world = World::new();
    let (bad, good, run) = {
        let serve = world.serve();
        let (bad, good) = (serve.sandbox(&world), serve.sandbox(&world));
        let run = serve.exec_start(&world, &good, "sleep 100");
        (bad, good, run)
    };
    world.runtime.crash_silently(&bad);
    world.runtime.faults().always("stop", RuntimeError::Failed("busy".to_owned()));
    world.logs.faults().always("sandboxes", LogFault);
    let serve = world.serve();
    // The exec of the other sandbox is followed all the same.
    world.agents.release(&good, &run);
    serve.pass(Duration::from_secs(1));
    assert_eq!(serve.exec_get(&world, &good, &run).record.status, atoll_types::ExecStatus::Exited);
    world.assert_clean(&serve, "after failures");
    assert_eq!(status(&world, &serve, &bad), Status::Crashed);
}

#[test]
fn a_runtime_that_is_away_does_not_keep_serve_from_booting() {
    let world = World::new();
    let (id, run) = {
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let run = serve.exec_start(&world, &id, "sleep 100");
        (id, run)
    };
    world.runtime.faults().always("list", RuntimeError::Unavailable("starting".to_owned()));
    let serve = world.serve();
    world.agents.release(&id, &run);
    serve.pass(Duration::from_secs(1));
    assert_eq!(serve.exec_get(&world, &id, &run).record.status, atoll_types::ExecStatus::Exited);
    world.assert_clean(&serve, "after the runtime came back");
    // Without records nothing can be decided.
    let serve = world.unbooted();
    world.store.faults().nth_of("sandbox_list_node", 1, Fault::Before(StoreFault));
    let engine = serve.engine.clone();
    assert!(serve.run(async move { engine.boot().await }).is_err());
}

#[test]
fn a_pass_over_many_asks_the_runtime_and_the_agents_little() {
    let mut world = World::new();
    world.settings.quota.sandboxes = 1_000;
    let ids: Vec<_> = {
        let serve = world.serve();
        let made = serve.run(serve.engine.sandbox_create_many(&world.caller, sandbox(), 100)).unwrap();
        made.into_iter().map(|v| v.record.id).collect()
    };
    world.runtime.power_loss();
    world.runtime.faults().reset_calls();
    let serve = world.serve();
    assert!(ids.iter().all(|id| status(&world, &serve, id) != Status::Running));
    let lists = world.runtime.faults().count("list");
    assert!(lists <= 4, "{lists} lists of everything for one boot");
    for id in &ids {
        serve.run(serve.engine.sandbox_start(&world.caller, id)).unwrap();
    }
    world.agents.faults().reset_calls();
    serve.pass(Duration::from_secs(200));
    assert_eq!(
        world.agents.faults().calls(),
        Vec::<&str>::new(),
        "agents that nothing is wanted of were asked"
    );
}

#[test]
fn a_record_that_only_the_store_knows_is_taken_up() {
    let world = World::new();
    let serve = world.serve();
    // The insert was made, its answer was lost, and so was the one to the question after it.
    world.store.faults().nth_of("sandbox_insert", 1, Fault::After(StoreFault));
    world.store.faults().nth_of("sandbox_get", 1, Fault::Before(StoreFault));
    let answer = serve.create(&world, sandbox());
    assert!(answer.is_err());
    assert_eq!(world.records().len(), 1);
    serve.pass(Duration::from_secs(130));
    world.assert_clean(&serve, "after the pass");
    assert!(world.records().iter().all(|r| r.observed == Observed::Running));
}

#[test]
fn a_change_whose_answer_is_lost_twice_is_taken_up() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    // The stop is written down; neither the write nor the question for it is answered.
    world.store.faults().nth_of("sandbox_update", 1, Fault::After(StoreFault));
    world.store.faults().nth_of("sandbox_get", 1, Fault::Before(StoreFault));
    assert!(serve.run(serve.engine.sandbox_stop(&world.caller, &id)).is_err());
    assert!(world.record(&id).unwrap().operation.is_some());
    world.assert_clean(&serve, "after a change that was not answered");
    assert_eq!(world.record(&id).unwrap().observed, Observed::Stopped);
}
