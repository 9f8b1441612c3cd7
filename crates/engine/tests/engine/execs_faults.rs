//! Execs, while something dies: serve at every point, the agent, the database, the sandbox.

use std::time::Duration;

use atoll_ports::{AgentError, AgentLink};
use atoll_testkit::{Fault, Script, StoreFault};
use atoll_types::{ErrorCode, ExecStatus, Status};

use crate::faults::{PORTS, Port, Wrong, pending, plan};
use crate::world::{World, block, ends_with_exit, exec, text};

fn script(world: &World) {
    world.agents.script(|s| {
        s.argv.last().is_some_and(|a| a == "talk").then(|| {
            let script = (0..5).fold(Script::new(), |s, n| s.stdout(format!("{n};")));
            (5..10).fold(script.hold(), |s, n| s.stdout(format!("{n};"))).exit(7)
        })
    });
}

const TALK: &[u8] = b"0;1;2;3;4;5;6;7;8;9;";

/// serve dies at the `n`-th call of a port while a command is started, talks and ends; whatever was answered is kept.
#[test]
fn an_exec_that_was_answered_is_whole_wherever_serve_dies() {
    for port in PORTS {
        for n in 1..60 {
            let world = World::new();
            script(&world);
            let name = format!("{port:?} call {n}");
            let (id, answered) = {
                let serve = world.serve();
                let id = serve.sandbox(&world);
                plan(&world, port, n, Wrong::Hangs);
                let started = serve.run_for(
                    Duration::from_millis(300),
                    serve.engine.exec_start(&world.caller, &id, exec("talk")),
                );
                let run = started.and_then(Result::ok).map(|v| v.record.id);
                if let Some(run) = &run {
                    serve.pass(Duration::from_millis(50));
                    world.agents.release(&id, run);
                    serve.pass(Duration::from_millis(200));
                }
                (id, run)
            };
            let struck = !pending(&world);
            world.clear_faults();
            let serve = world.serve();
            match answered {
                Some(run) => {
                    world.agents.release(&id, &run);
                    let events = serve.events(&world, &id, &run, 0);
                    assert_eq!(text(&events, 1), TALK, "{name}");
                    assert!(ends_with_exit(&events), "{name}");
                    for after in [1, 4, 7, 11, 12] {
                        let events = serve.events(&world, &id, &run, after);
                        assert_eq!(events.len() as u64, 12 - after, "{name}");
                        let _text = text(&events, after + 1);
                    }
                    let view = serve.exec_get(&world, &id, &run);
                    assert_eq!(
                        (view.record.status, view.stdout.as_slice()),
                        (ExecStatus::Exited, TALK),
                        "{name}"
                    );
                    assert_eq!(view.record.outcome.unwrap().exit.unwrap().code, 7, "{name}");
                }
                None => {
                    // Nobody was told of it: it does not run on, or it is written down and runs.
                    serve.pass(Duration::from_secs(2));
                    for held in block(world.agents.list(&id)).unwrap() {
                        let view = serve.run(serve.engine.exec_get(&world.caller, &id, &held.exec));
                        assert!(view.is_ok(), "{name}: {held:?} runs unseen");
                        world.agents.release(&id, &held.exec);
                    }
                }
            }
            world.assert_clean(&serve, &name);
            if !struck {
                break;
            }
        }
    }
}

/// One command over many deaths of serve.
#[test]
fn an_exec_outlives_many_serves() {
    let world = World::new();
    world
        .agents
        .script(|_| Some((0..30).fold(Script::new(), |s, n| s.stdout(format!("{n};")).hold()).exit(1)));
    let (id, run) = {
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let run = serve.exec_start(&world, &id, "x");
        (id, run)
    };
    for n in 0..30 {
        let serve = world.serve();
        let so_far = serve.exec_get(&world, &id, &run);
        assert_eq!(so_far.record.status, ExecStatus::Running);
        let expected: String = (0..=n).map(|n| format!("{n};")).collect();
        assert_eq!(String::from_utf8(so_far.stdout).unwrap(), expected);
        world.agents.release(&id, &run);
        // Dies before or after it has taken the next output.
        serve.pass(Duration::from_millis(n % 3 * 10));
    }
    let serve = world.serve();
    let events = serve.events(&world, &id, &run, 0);
    let expected: String = (0..30).map(|n| format!("{n};")).collect();
    assert_eq!(text(&events, 1), expected.as_bytes());
    assert!(ends_with_exit(&events));
    world.assert_clean(&serve, "after many serves");
}

#[test]
fn a_command_that_nobody_was_told_of_is_ended() {
    let world = World::new();
    let id = {
        let serve = world.serve();
        let id = serve.sandbox(&world);
        plan(&world, Port::Store, 1, Wrong::Hangs);
        let engine = &serve.engine;
        let answer =
            serve.run_for(Duration::from_millis(300), engine.exec_start(&world.caller, &id, exec("sleep 9")));
        assert!(answer.is_none());
        assert_eq!(block(world.agents.list(&id)).unwrap().len(), 1);
        id
    };
    world.clear_faults();
    let serve = world.serve();
    // A command of this serve's own, started at that moment, is left alone.
    let own = serve.exec_start(&world, &id, "sleep 10");
    serve.pass(Duration::from_secs(200));
    let held = block(world.agents.list(&id)).unwrap();
    assert_eq!(held.iter().map(|h| &h.exec).collect::<Vec<_>>(), [&own]);
    assert!(held[0].running);
    world.assert_clean(&serve, "after the boot");
}

#[test]
fn an_agent_that_died_leaves_what_was_logged() {
    for silently in [false, true] {
        let world = World::new();
        script(&world);
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let run = serve.exec_start(&world, &id, "talk");
        let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
        let waiting = serve.start(async move { engine.exec_run(&caller, &known, exec("talk")).await });
        if silently {
            world.runtime.crash_silently(&id);
        } else {
            world.runtime.crash(&id);
        }
        serve.pass(Duration::from_secs(70));
        let status = serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap().status;
        assert_eq!(status, Status::Crashed);
        let view = waiting.result(&serve).unwrap();
        assert_eq!((view.record.status, view.stdout.as_slice()), (ExecStatus::Lost, &b"0;1;2;3;4;"[..]));
        assert!(view.record.outcome.unwrap().failure.is_some());
        let view = serve.exec_get(&world, &id, &run);
        assert_eq!((view.record.status, view.stdout.as_slice()), (ExecStatus::Lost, &b"0;1;2;3;4;"[..]));
        assert_eq!(view.record.outcome.unwrap().last_seq, 6);
        let events = serve.events(&world, &id, &run, 0);
        assert_eq!(text(&events, 1), b"0;1;2;3;4;");
        assert!(!ends_with_exit(&events));
        world.assert_clean(&serve, "after a crash");
        let view = serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
        assert_eq!(view.status, Status::Running);
        assert!(serve.exec(&world, &id, "true").is_ok());
    }
}

#[test]
fn an_agent_that_died_while_nobody_looked_leaves_what_was_logged() {
    let world = World::new();
    script(&world);
    let (id, run) = {
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let run = serve.exec_start(&world, &id, "talk");
        serve.pass(Duration::from_millis(100));
        (id, run)
    };
    world.runtime.crash(&id);
    let serve = world.serve();
    let view = serve.exec_get(&world, &id, &run);
    assert_eq!((view.record.status, view.stdout.as_slice()), (ExecStatus::Lost, &b"0;1;2;3;4;"[..]));
    let events = serve.events(&world, &id, &run, 0);
    assert_eq!(text(&events, 1), b"0;1;2;3;4;");
    world.assert_clean(&serve, "after a crash unseen");
}

#[test]
fn an_agent_that_forgot_a_command_loses_it() {
    let world = World::new();
    script(&world);
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let run = serve.exec_start(&world, &id, "talk");
    world.agents.faults().nth_of("attach", 1, Fault::Before(AgentError::NotFound));
    world.agents.cut(&id);
    serve.pass(Duration::from_secs(1));
    let view = serve.exec_get(&world, &id, &run);
    assert_eq!((view.record.status, view.stdout.as_slice()), (ExecStatus::Lost, &b"0;1;2;3;4;"[..]));
    // It does not run on unseen.
    world.assert_clean(&serve, "after a command was lost");
}

#[test]
fn the_end_is_written_however_long_the_database_fails() {
    let world = World::new();
    script(&world);
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
    world.store.faults().always("exec_finish", StoreFault);
    let run = serve.start(async move { engine.exec_run(&caller, &known, exec("echo hi")).await });
    serve.pass(Duration::from_secs(20));
    assert!(!run.is_done(), "acknowledged and not written down");
    assert!(world.agents.faults().count("ack") == 0, "acknowledged to the agent and not written down");
    world.store.faults().clear();
    let view = run.result(&serve).unwrap();
    assert_eq!(view.stdout, b"hi\n");
    world.assert_clean(&serve, "after the database came back");
}

#[test]
fn a_lost_exec_does_not_spin_while_the_database_fails() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let run = serve.exec_start(&world, &id, "sleep 100");
    world.store.faults().always("exec_finish", StoreFault);
    world.store.faults().reset_calls();
    world.runtime.crash(&id);
    serve.pass(Duration::from_secs(10));
    let tries = world.store.faults().count("exec_finish");
    assert!(tries < 100, "{tries} writes in ten seconds");
    world.store.faults().clear();
    serve.pass(Duration::from_secs(10));
    assert_eq!(serve.exec_get(&world, &id, &run).record.status, ExecStatus::Lost);
    world.assert_clean(&serve, "after the database came back");
}

#[test]
fn an_exec_that_cannot_be_written_down_is_refused_and_ended() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.store.faults().always("exec_insert", StoreFault);
    world.store.faults().always("exec_finish", StoreFault);
    let started = serve.engine.exec_start(&world.caller, &id, exec("sleep 1000"));
    let error = serve.try_run(started).expect("it hangs").unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable);
    world.clear_faults();
    serve.pass(Duration::from_secs(1));
    assert!(block(world.agents.list(&id)).unwrap().iter().all(|h| !h.running));
    world.assert_clean(&serve, "after an exec that could not be written down");
    // One failure is made good.
    for fault in [Fault::Before(StoreFault), Fault::After(StoreFault)] {
        world.store.faults().nth_of("exec_insert", 1, fault);
        let run = serve.exec_start(&world, &id, "sleep 1000");
        assert_eq!(serve.exec_get(&world, &id, &run).record.status, ExecStatus::Running);
        assert!(world.store.faults().count("exec_insert") > 1);
    }
    world.assert_clean(&serve, "after execs that were written down late");
}

#[test]
fn a_sandbox_that_goes_down_ends_its_execs() {
    for delete in [false, true] {
        let world = World::new();
        script(&world);
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let run = serve.exec_start(&world, &id, "talk");
        let (engine, caller, known) = (serve.engine.clone(), world.caller.clone(), id.clone());
        let waiting = serve.start(async move { engine.exec_run(&caller, &known, exec("talk")).await });
        let (engine, caller, known, exec_id) =
            (serve.engine.clone(), world.caller.clone(), id.clone(), run.clone());
        let reading = serve.start(async move {
            use futures_util::StreamExt;
            let events = engine.exec_events(&caller, &known, &exec_id, 0).await.unwrap();
            events.collect::<Vec<_>>().await
        });
        if delete {
            serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap();
        } else {
            serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
        }
        let view = waiting.result(&serve).unwrap();
        assert_eq!((view.record.status, view.stdout.as_slice()), (ExecStatus::Lost, &b"0;1;2;3;4;"[..]));
        let events = reading.result(&serve);
        assert_eq!(text(&events, 1), b"0;1;2;3;4;");
        if !delete {
            assert_eq!(serve.exec_get(&world, &id, &run).record.status, ExecStatus::Lost);
        }
        world.assert_clean(&serve, "after its sandbox went down");
    }
}

#[test]
fn a_main_process_is_taken_up_again_behind_what_was_acknowledged() {
    let world = World::new();
    let serve = world.serve();
    let new = crate::world::with_main(&world);
    world
        .agents
        .script(|s| (s.argv == ["serve"]).then(|| Script::new().stdout(vec![b'x'; 700 << 10]).hold()));
    // Dies when the main process runs and part of its output is acknowledged, before the create is written down.
    world.store.faults().nth_of("sandbox_update", 2, Fault::Wait(atoll_testkit::Gate::closed()));
    let (engine, caller) = (serve.engine.clone(), world.caller.clone());
    let create = serve.start(async move { engine.sandbox_create(&caller, new).await });
    serve.pass(Duration::from_secs(1));
    assert!(!create.is_done());
    assert!(world.agents.faults().count("ack") > 0, "the test needs an acknowledgement");
    drop(serve);
    world.clear_faults();
    let serve = world.unbooted();
    let engine = serve.engine.clone();
    serve.try_run(async move { engine.boot().await }).expect("boot hangs").unwrap();
    serve.pass(Duration::from_secs(1));
    let records = world.records();
    assert_eq!(records.len(), 1);
    let id = records[0].id.clone();
    assert_eq!(serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap().status, Status::Running);
    assert_eq!(world.agents.started().len(), 1, "its main process was started twice");
    let main = world.agents.started()[0].1.exec.clone();
    let bytes: usize = world
        .logs
        .held(&id, &main)
        .iter()
        .map(|e| if let atoll_types::ExecEventKind::Output(_, d) = &e.kind { d.len() } else { 0 })
        .sum();
    assert_eq!(bytes, 700 << 10);
    world.assert_clean(&serve, "after a create that was taken up");
}

#[test]
fn an_agent_that_hangs_delays_neither_boot_nor_the_others() {
    let world = World::new();
    let (hung, fine) = {
        let serve = world.serve();
        let hung = serve.sandbox(&world);
        let fine = serve.sandbox(&world);
        (hung, fine)
    };
    world.agents.hang(&hung);
    let serve = world.unbooted();
    let engine = serve.engine.clone();
    let booted = serve.run_for(Duration::from_secs(1), async move { engine.boot().await });
    booted.expect("boot waits for a hung agent").unwrap();
    assert!(serve.exec(&world, &fine, "true").is_ok());
    world.agents.unhang(&hung);
    assert!(serve.exec(&world, &hung, "true").is_ok());
    world.assert_clean(&serve, "after it hung");
}
