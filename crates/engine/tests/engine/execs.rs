//! Execs: their answers, their streams, their errors.

use std::time::Duration;

use atoll_engine::NewExec;
use atoll_ports::{AgentError, StdinPiece};
use atoll_testkit::{Fault, Gate, Script, samples};
use atoll_types::{ErrorCode, ExecEventKind, ExecExit, ExecStatus, Signal, Timestamp};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::world::{World, block, ends_with_exit, exec, text};

/// Bytes of each stream that an answer carries at most.
const CAPTURE: usize = 1 << 20;

#[test]
fn the_answer_has_output_and_exit() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.script(|s| {
        (s.argv == ["both"]).then(|| Script::new().stdout("out").stderr("err").stdout("more").exit(3))
    });
    let new = NewExec {
        spec: atoll_types::ExecSpec {
            command: atoll_types::Command::argv(vec!["both".to_owned()]).unwrap(),
            ..samples::exec_spec("x")
        },
        stdin: Bytes::new(),
    };
    let view = serve.run(serve.engine.exec_run(&world.caller, &id, new)).unwrap();
    assert_eq!((view.stdout.as_slice(), view.stderr.as_slice()), (&b"outmore"[..], &b"err"[..]));
    assert!(!view.truncated);
    assert_eq!(view.record.status, ExecStatus::Exited);
    let outcome = view.record.outcome.clone().unwrap();
    assert_eq!(outcome.exit, Some(ExecExit { code: 3, timed_out: false }));
    assert_eq!(outcome.last_seq, 5);
    // The same is read later, and at once: not one moment later it is called running.
    let later = serve.exec_get(&world, &id, &view.record.id);
    assert_eq!((later.record, later.stdout, later.stderr), (view.record.clone(), view.stdout, view.stderr));
    let page = serve.run(serve.engine.exec_list(&world.caller, &id, None, 10)).unwrap();
    assert_eq!(page.items, [view.record]);
}

#[test]
fn every_position_of_a_stream_has_no_gap_and_no_repeat() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.script(|_| {
        let script = (0..20).fold(Script::new(), |s, n| s.stdout(format!("{n},")));
        let script = script.hold();
        Some((20..40).fold(script, |s, n| s.stdout(format!("{n},"))))
    });
    let run = serve.exec_start(&world, &id, "x");
    // Readers from many places, while it runs; one of them is slow.
    let readers: Vec<_> = [0, 1, 2, 10, 21, 30, 41, 42, 43, 1_000, u64::MAX]
        .into_iter()
        .map(|after| {
            let (engine, caller, id, run) =
                (serve.engine.clone(), world.caller.clone(), id.clone(), run.clone());
            let read = serve.start(async move {
                let mut events = engine.exec_events(&caller, &id, &run, after).await.unwrap();
                let mut all = Vec::new();
                while let Some(event) = events.next().await {
                    all.push(event);
                    tokio::time::sleep(Duration::from_millis(after % 7)).await;
                }
                all
            });
            (after, read)
        })
        .collect();
    world.agents.release(&id, &run);
    for (after, read) in readers {
        let events = read.result(&serve);
        assert_eq!(events.len() as u64, 42_u64.saturating_sub(after), "after {after}");
        let first = after.saturating_add(1);
        let _text = text(&events, first);
        assert_eq!(ends_with_exit(&events), after < 42);
        // And once more, from the log alone.
        let again = serve.events(&world, &id, &run, after);
        let plain = |e: Vec<Result<_, _>>| e.into_iter().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(plain(again), plain(events));
    }
    let all: String = (0..40).map(|n| format!("{n},")).collect();
    assert_eq!(text(&serve.events(&world, &id, &run, 0), 1), all.as_bytes());
}

#[test]
fn more_than_a_mebibyte_keeps_the_end_and_says_so() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.script(|_| Some(Script::new().stdout(vec![b'a'; CAPTURE]).stdout(vec![b'b'; CAPTURE / 2])));
    let view = serve.exec(&world, &id, "big").unwrap();
    assert!(view.truncated);
    assert_eq!(view.stdout.len(), CAPTURE);
    assert_eq!((view.stdout[0], view.stdout[CAPTURE / 2]), (b'a', b'b'));
    let later = serve.exec_get(&world, &id, &view.record.id);
    assert_eq!((later.truncated, later.stdout), (true, view.stdout));
    // The stream has everything.
    let events = serve.events(&world, &id, &view.record.id, 0);
    assert_eq!(text(&events, 1).len(), CAPTURE + CAPTURE / 2);
    world.agents.script(|_| Some(Script::new().stdout(vec![b'a'; CAPTURE])));
    assert!(!serve.exec(&world, &id, "just fits").unwrap().truncated);
}

/// Each costs the agent more than its data.
#[test]
fn a_command_that_writes_byte_by_byte_is_not_held_up() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let bytes = 20_000;
    world.agents.script(move |_| Some((0..bytes).fold(Script::new(), |script, _| script.stdout(vec![b'x']))));
    let view = serve.exec(&world, &id, "drip").unwrap();
    assert_eq!((view.stdout.len(), view.record.outcome.is_some()), (bytes, true));
    world.assert_clean(&serve, "after many small events");
}

/// Little is acknowledged, too, after a while, whoever logged it: what its agent holds of it may stop the command.
#[test]
fn what_is_logged_is_acknowledged_after_a_silence() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.script(|_| Some(Script::new().stdout(vec![b'x']).hold().stdout(vec![b'x']).hold()));
    let run = serve.exec_start(&world, &id, "little");
    let first_held = || block(atoll_ports::AgentLink::list(&world.agents, &id)).unwrap()[0].first_seq;
    serve.until("its output is logged", || world.logs.held(&id, &run).len() == 1);
    assert_eq!(first_held(), 1);
    serve.pass(Duration::from_secs(2));
    assert_eq!(first_held(), 3);
    world.agents.release(&id, &run);
    serve.until("more is logged", || world.logs.held(&id, &run).len() == 2);
    drop(serve);
    assert_eq!(first_held(), 3);
    let serve = world.serve();
    serve.pass(Duration::from_secs(2));
    assert_eq!(first_held(), 4);
    world.agents.release(&id, &run);
    assert!(ends_with_exit(&serve.events(&world, &id, &run, 0)));
    world.assert_clean(&serve, "after silences");
}

#[test]
fn nothing_is_acknowledged_before_it_is_in_the_log() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.script(|_| Some(Script::new().stdout(vec![b'x'; 3 << 20])));
    // The disk is full: the ring of 1 MiB fills, and the command waits.
    world.logs.faults().always("append", atoll_testkit::LogFault);
    let run = serve.exec_start(&world, &id, "flood");
    serve.pass(Duration::from_secs(20));
    let held = block(atoll_ports::AgentLink::list(&world.agents, &id)).unwrap();
    assert_eq!((held[0].first_seq, held[0].running), (1, true));
    assert_eq!(world.agents.faults().count("ack"), 0);
    assert_eq!(world.logs.held(&id, &run), []);
    // There is room again.
    world.logs.faults().clear();
    let events = serve.events(&world, &id, &run, 0);
    assert_eq!(text(&events, 1).len(), 3 << 20);
    assert!(ends_with_exit(&events));
    assert!(world.agents.faults().count("ack") > 0);
    world.assert_clean(&serve, "after the disk was full");
}

#[test]
fn events_that_the_log_dropped_are_called_expired() {
    let mut world = World::new();
    world.logs = atoll_testkit::FakeExecLogs::with_bytes_max(1_000);
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.script(|_| Some((0..20).fold(Script::new(), |s, _| s.stdout(vec![b'x'; 100]))));
    let view = serve.exec(&world, &id, "x").unwrap();
    assert!(view.truncated, "the log says that it dropped something");
    let run = view.record.id;
    let events = serve.events(&world, &id, &run, 3);
    let error = events.last().unwrap().as_ref().unwrap_err();
    assert_eq!((error.code, error.first_seq), (ErrorCode::EventsExpired, Some(12)));
    assert_eq!(events.len(), 1);
    let rest = serve.events(&world, &id, &run, 11);
    assert_eq!(text(&rest, 12).len(), 1_000);
    assert!(ends_with_exit(&rest));
    // From the start: the start itself, and then the gap.
    let events = serve.events(&world, &id, &run, 0);
    assert!(events[0].is_ok() && events[1].as_ref().is_err_and(|e| e.first_seq == Some(12)));
    let view = serve.exec_get(&world, &id, &run);
    assert!(view.truncated);
}

#[test]
fn a_broken_stream_is_attached_to_again_at_every_event() {
    for at in 0..8 {
        let world = World::new();
        let serve = world.serve();
        let id = serve.sandbox(&world);
        world.agents.script(|_| Some((0..8).fold(Script::new(), |s, n| s.stdout(format!("{n}")).hold())));
        let run = serve.exec_start(&world, &id, "x");
        for n in 0..8 {
            serve.pass(Duration::from_millis(50));
            if n == at {
                world.agents.faults().nth_of(
                    "attach",
                    1,
                    Fault::Before(AgentError::Unreachable("no".to_owned())),
                );
                world.agents.faults().nth_of(
                    "attach",
                    1,
                    Fault::After(AgentError::Unreachable("no".to_owned())),
                );
                world.agents.cut(&id);
            }
            world.agents.release(&id, &run);
        }
        let events = serve.events(&world, &id, &run, 0);
        assert_eq!(text(&events, 1), b"01234567");
        assert!(ends_with_exit(&events));
        world.assert_clean(&serve, "after a broken stream");
    }
}

#[test]
fn a_sandbox_that_is_down_takes_no_execs() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    assert_eq!(serve.exec(&world, &id, "true").unwrap_err().code, ErrorCode::SandboxNotRunning);
    let error = serve.run(serve.engine.sandbox_keepalive(&world.caller, &id)).unwrap_err();
    assert_eq!(error.code, ErrorCode::SandboxNotRunning);
    serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    world.runtime.crash(&id);
    serve.pass(Duration::from_secs(1));
    assert_eq!(serve.exec(&world, &id, "true").unwrap_err().code, ErrorCode::SandboxNotRunning);
    serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap();
    assert_eq!(serve.exec(&world, &id, "true").unwrap_err().code, ErrorCode::SandboxNotFound);
}

#[test]
fn a_command_that_cannot_be_started_says_why() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.script(|_| Some(Script::refuse("no such user: bob")));
    let error = serve.exec(&world, &id, "x").unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::RuntimeFailed, "no such user: bob"));
    world.assert_clean(&serve, "after a refusal");
    world.agents.faults().always("exec", AgentError::Unreachable("gone".to_owned()));
    assert_eq!(serve.exec(&world, &id, "x").unwrap_err().code, ErrorCode::AgentUnreachable);
    world.assert_clean(&serve, "after an agent that was away");
}

#[test]
fn a_start_whose_answer_was_lost_runs_once() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.faults().nth_of("exec", 1, Fault::After(AgentError::Unreachable("cut".to_owned())));
    let view = serve.exec(&world, &id, "echo once").unwrap();
    assert_eq!(view.stdout, b"once\n");
    assert_eq!(world.agents.started().len(), 1);
    // And one that is given up is not left to run unseen.
    for _ in 0..3 {
        world.agents.faults().nth_of("exec", 1, Fault::After(AgentError::Unreachable("cut".to_owned())));
    }
    assert_eq!(serve.exec(&world, &id, "sleep 1000").unwrap_err().code, ErrorCode::AgentUnreachable);
    let (_, start) = world.agents.started().pop().unwrap();
    serve.pass(Duration::from_secs(1));
    let held = block(atoll_ports::AgentLink::list(&world.agents, &id)).unwrap();
    assert!(!held.iter().any(|h| h.exec == start.exec && h.running), "{held:?}");
    world.assert_clean(&serve, "after a start that was given up");
}

#[test]
fn standard_input_and_signals() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let mut new = exec("cat");
    new.spec.stdin_open = true;
    new.stdin = Bytes::from_static(b"one ");
    let run = serve.run(serve.engine.exec_start(&world.caller, &id, new)).unwrap().record.id;
    let write = |data: &'static [u8], eof| {
        serve.run(serve.engine.exec_stdin(
            &world.caller,
            &id,
            &run,
            StdinPiece { offset: None, data: Bytes::from_static(data), eof },
        ))
    };
    write(b"two ", false).unwrap();
    write(b"three", true).unwrap();
    let events = serve.events(&world, &id, &run, 0);
    assert_eq!(text(&events, 1), b"one two three");
    assert_eq!(write(b"more", false).unwrap_err().code, ErrorCode::ExecNotRunning);
    let signal = |run: &atoll_types::ExecId| {
        serve.run(serve.engine.exec_signal(&world.caller, &id, run, Signal::Term))
    };
    assert_eq!(signal(&run).unwrap_err().code, ErrorCode::ExecNotRunning);
    assert_eq!(signal(&atoll_types::ExecId::random()).unwrap_err().code, ErrorCode::ExecNotFound);
    let run = serve.exec_start(&world, &id, "sleep 100");
    let closed = serve.engine.exec_stdin(&world.caller, &id, &run, StdinPiece::default());
    assert_eq!(serve.run(closed).unwrap_err().code, ErrorCode::StdinClosed);
    signal(&run).unwrap();
    let events = serve.events(&world, &id, &run, 0);
    let exit = ExecEventKind::Exit(ExecExit { code: 143, timed_out: false });
    assert_eq!(events.last().unwrap().as_ref().unwrap().kind, exit);
}

#[test]
fn an_exec_that_ran_out_of_time_says_so() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let mut new = exec("sleep 100");
    new.spec.timeout_seconds = Some(5);
    let run = serve.run(serve.engine.exec_start(&world.caller, &id, new)).unwrap().record.id;
    assert_eq!(world.agents.started()[0].1.timeout, Some(Duration::from_secs(5)));
    world.agents.expire(&id, &run);
    let events = serve.events(&world, &id, &run, 0);
    assert!(ends_with_exit(&events));
    let record = serve.exec_get(&world, &id, &run).record;
    assert_eq!(record.status, ExecStatus::TimedOut);
    assert!(record.outcome.unwrap().exit.unwrap().timed_out);
}

#[test]
fn too_many_at_once_is_told_and_ended_ones_do_not_count() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    world.agents.set_execs_max(4);
    // Ended ones that wait for their acknowledgement give way at once.
    for _ in 0..20 {
        assert!(serve.exec(&world, &id, "true").is_ok());
    }
    let runs: Vec<_> = (0..4).map(|_| serve.exec_start(&world, &id, "sleep 100")).collect();
    assert_eq!(serve.exec(&world, &id, "true").unwrap_err().code, ErrorCode::TooManyExecs);
    serve.run(serve.engine.exec_signal(&world.caller, &id, &runs[0], Signal::Kill)).unwrap();
    serve.pass(Duration::from_secs(1));
    assert!(serve.exec(&world, &id, "true").is_ok());
}

#[test]
fn the_last_acknowledgement_costs_less_than_a_call_an_exec() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    for _ in 0..100 {
        assert!(serve.exec(&world, &id, "true").is_ok());
    }
    serve.pass(Duration::from_secs(1));
    let acks = world.agents.faults().count("ack");
    assert!(acks <= 10, "{acks} calls for 100 execs");
    assert_eq!(block(atoll_ports::AgentLink::list(&world.agents, &id)).unwrap(), []);
    // Neither does one that fails keep the command in the agent.
    world.agents.faults().nth_of("ack", 1, Fault::Before(AgentError::Unreachable("no".to_owned())));
    assert!(serve.exec(&world, &id, "true").is_ok());
    world.assert_clean(&serve, "after an acknowledgement that was lost");
}

#[test]
fn environment_directory_and_user_reach_the_agent() {
    let world = World::new();
    let serve = world.serve();
    let vars = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        atoll_types::EnvVars::new(pairs.collect()).unwrap()
    };
    let mut new = crate::world::sandbox();
    new.env = vars(&[("A", "sandbox"), ("B", "sandbox"), ("LANG", "de")]);
    let id = serve.create(&world, new).unwrap().record.id;
    let mut run = exec("true");
    run.spec.env = vars(&[("B", "exec")]);
    run.spec.cwd = Some(samples::parse("/srv"));
    run.spec.user = Some(samples::parse("root"));
    serve.run(serve.engine.exec_run(&world.caller, &id, run)).unwrap();
    let (_, start) = world.agents.started().pop().unwrap();
    let var = |name: &str| start.env.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
    assert_eq!(
        (var("A"), var("B"), var("LANG"), var("TZ")),
        (Some("sandbox"), Some("exec"), Some("de"), Some("UTC"))
    );
    assert!(var("PATH").is_some_and(|p| !p.contains("home")));
    assert_eq!((start.cwd.unwrap().as_str(), start.user.as_str()), ("/srv", "root"));
    assert_eq!(start.argv, ["/bin/sh", "-c", "true"]);
}

#[test]
fn old_execs_are_swept_with_their_logs_all_of_them() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let old: Vec<_> = (0..5).map(|_| serve.exec(&world, &id, "echo old").unwrap().record.id).collect();
    world.clock.set_now(Timestamp::from_unix_ms(
        atoll_ports::Clock::now(&*world.clock).as_unix_ms() + 25 * 3_600_000,
    ));
    let new = serve.exec(&world, &id, "echo new").unwrap().record.id;
    // One log that cannot be removed keeps no other.
    world.logs.faults().nth_of("remove", 2, Fault::Before(atoll_testkit::LogFault));
    serve.pass(Duration::from_secs(700));
    let left = old.iter().filter(|e| !world.logs.held(&id, e).is_empty()).count();
    assert!(left <= 1, "{left} logs are left");
    assert_eq!(serve.exec_get(&world, &id, &new).stdout, b"new\n");
    let gone = serve.run(serve.engine.exec_get(&world.caller, &id, &old[0])).unwrap_err();
    assert_eq!(gone.code, ErrorCode::ExecNotFound);
}

#[test]
fn the_log_of_a_sandbox_is_what_its_main_process_wrote() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.create(&world, crate::world::with_main(&world)).unwrap().record.id;
    assert!(serve.exec(&world, &id, "echo not this").is_ok());
    serve.pass(Duration::from_millis(100));
    let logs =
        serve.run(serve.engine.sandbox_logs(&world.caller, &id, atoll_engine::LogQuery::default())).unwrap();
    assert_eq!(logs.lines.iter().map(|l| l.line.as_slice()).collect::<Vec<_>>(), [b"up"]);
    let page = serve.run(serve.engine.exec_list(&world.caller, &id, None, 10)).unwrap();
    assert_eq!(page.items.len(), 1, "the main process is no exec of the list");
}

#[test]
fn a_create_opens_the_way_to_the_agent_and_does_not_wait_for_it() {
    let world = World::new();
    let serve = world.serve();
    let gate = Gate::closed();
    world.agents.faults().nth_of("greet", 1, Fault::Wait(gate.clone()));
    let id = serve.sandbox(&world);
    serve.until("the agent is greeted", || world.agents.faults().count("greet") == 1);
    // Nor does a command depend on it.
    assert_eq!(serve.exec(&world, &id, "true").unwrap().record.status, ExecStatus::Exited);
    gate.open();
    // An agent that cannot be greeted is nothing that a create fails for.
    world.agents.faults().nth_of("greet", 1, Fault::Before(AgentError::Unreachable("gone".to_owned())));
    let second = serve.sandbox(&world);
    assert_eq!(serve.exec(&world, &second, "true").unwrap().record.status, ExecStatus::Exited);
}
