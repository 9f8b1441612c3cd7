//! Terminals: made once and found again, also by the next serve; and what is said where there is none.

use std::time::Duration;

use atoll_engine::{NewSandbox, NewTerminal, Resume, TerminalView};
use atoll_ports::{AgentError, TerminalEvent, TerminalKey};
use atoll_testkit::Fault;
use atoll_types::{ErrorCode, SandboxId, TerminalKind, TerminalName, TerminalSize};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::world::{Serve, World, sandbox};

/// Terminals that one sandbox may have.
const TERMINALS_MAX: usize = 16;

pub(crate) fn terminal(name: &str) -> NewTerminal {
    NewTerminal {
        name: name.parse().unwrap(),
        size: None,
        resume: None,
        user: None,
        cwd: None,
        kind: TerminalKind::default(),
        linger: None,
    }
}

fn view(
    serve: &Serve,
    world: &World,
    id: &SandboxId,
    new: NewTerminal,
) -> Result<TerminalView, (ErrorCode, String)> {
    let viewed = serve.run(serve.engine.terminal_view(&world.caller, id, new));
    viewed.map_err(|error| (error.code, error.message))
}

/// Why it is not shown.
fn refusal(serve: &Serve, world: &World, id: &SandboxId, new: NewTerminal) -> ErrorCode {
    view(serve, world, id, new).unwrap_err().0
}

fn types(
    serve: &Serve,
    world: &World,
    id: &SandboxId,
    key: &TerminalKey,
    text: &str,
) -> Result<(), ErrorCode> {
    let data = Bytes::copy_from_slice(text.as_bytes());
    serve.run(serve.engine.terminal_input(&world.caller, id, key, data)).map_err(|error| error.code)
}

/// The next piece of output, and the number of its first byte.
fn shown(serve: &Serve, view: &mut TerminalView) -> (u64, Vec<u8>) {
    match serve.run(view.events.next()) {
        Some(Ok(TerminalEvent::Output { offset, data })) => (offset, data.to_vec()),
        other => panic!("no output but {other:?}"),
    }
}

#[test]
fn a_terminal_is_made_once_and_found_again() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let wide = NewTerminal { size: TerminalSize::new(132, 50).ok(), ..terminal("main") };
    let mut one = view(&serve, &world, &id, wide).unwrap();
    assert!(one.made);
    let made = world.agents.terminal(&id, &one.key.name).unwrap();
    assert_eq!(made.user, world.record(&id).unwrap().spec.user);
    assert!(made.env.contains(&("TERM".to_owned(), "xterm-256color".to_owned())), "{:?}", made.env);
    assert!(made.argv.is_empty(), "the shell is the user's own");

    types(&serve, &world, &id, &one.key, "ls\r").unwrap();
    assert_eq!(shown(&serve, &mut one), (0, b"ls\r\n".to_vec()));
    let mut two = view(&serve, &world, &id, terminal("main")).unwrap();
    assert_eq!((two.made, &two.key), (false, &one.key));
    assert_eq!(two.attached.size, TerminalSize::new(132, 50).unwrap(), "who names no size changes none");
    assert_eq!(shown(&serve, &mut two), (0, b"ls\r\n".to_vec()));

    // Who names one changes it for all.
    let narrow = TerminalSize::new(40, 10).unwrap();
    view(&serve, &world, &id, NewTerminal { size: Some(narrow), ..terminal("main") }).unwrap();
    assert_eq!(serve.run(one.events.next()), Some(Ok(TerminalEvent::Resized(narrow))));
    let listed = serve.run(serve.engine.terminal_list(&world.caller, &id)).unwrap();
    assert_eq!(listed.iter().map(|held| (&held.key, held.size)).collect::<Vec<_>>(), [(&one.key, narrow)]);

    types(&serve, &world, &id, &one.key, "exit 3\r").unwrap();
    assert_eq!(shown(&serve, &mut one).0, 4);
    assert_eq!(serve.run(one.events.next()), Some(Ok(TerminalEvent::Exit(3))));
    assert_eq!(types(&serve, &world, &id, &one.key, "x"), Err(ErrorCode::TerminalEnded));
    let next = view(&serve, &world, &id, terminal("main")).unwrap();
    assert!(next.made && next.key.generation > one.key.generation);
    world.assert_clean(&serve, "with a terminal");
}

#[test]
fn who_was_cut_off_by_the_death_of_serve_goes_on_where_he_was() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let one = view(&serve, &world, &id, terminal("work")).unwrap();
    types(&serve, &world, &id, &one.key, "abc").unwrap();
    drop(serve);

    let serve = world.serve();
    let resume = Resume { generation: one.key.generation, offset: 1 };
    let back = NewTerminal { resume: Some(resume), ..terminal("work") };
    let mut two = view(&serve, &world, &id, back.clone()).unwrap();
    assert_eq!((two.made, &two.key, two.attached.offset, two.attached.end), (false, &one.key, 1, 3));
    assert_eq!(shown(&serve, &mut two), (1, b"bc".to_vec()));

    // No other one is taken for it, and none is made in its place.
    serve.run(serve.engine.terminal_close(&world.caller, &id, &one.key.name)).unwrap();
    assert!(view(&serve, &world, &id, terminal("work")).unwrap().made);
    assert_eq!(refusal(&serve, &world, &id, back.clone()), ErrorCode::TerminalNotFound);
    let other = NewTerminal { name: "other".parse().unwrap(), ..back };
    assert_eq!(refusal(&serve, &world, &id, other), ErrorCode::TerminalNotFound);
    assert_eq!(serve.run(serve.engine.terminal_list(&world.caller, &id)).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_done_has_its_own_code() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let main = || TerminalKey::any(TerminalName::main());
    assert_eq!(types(&serve, &world, &id, &main(), "x"), Err(ErrorCode::TerminalNotFound));
    for number in 0..TERMINALS_MAX {
        view(&serve, &world, &id, terminal(&format!("t{number}"))).unwrap();
    }
    assert_eq!(refusal(&serve, &world, &id, terminal("more")), ErrorCode::TooManyTerminals);
    view(&serve, &world, &id, terminal("t0")).unwrap();

    for call in ["terminal_open", "terminal_attach"] {
        let lost = AgentError::Unreachable("gone".to_owned());
        world.agents.faults().nth_of(call, 1, Fault::Before(lost));
        assert_eq!(refusal(&serve, &world, &id, terminal("t0")), ErrorCode::AgentUnreachable, "{call}");
    }
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    assert_eq!(refusal(&serve, &world, &id, terminal("t0")), ErrorCode::SandboxNotRunning);
    assert_eq!(types(&serve, &world, &id, &main(), "x"), Err(ErrorCode::SandboxNotRunning));
}

#[test]
fn typing_keeps_a_sandbox_from_being_idle() {
    let world = World::new();
    let serve = world.serve();
    let new = NewSandbox { idle_seconds: Some(60), ..sandbox() };
    let id = serve.create(&world, new).unwrap().record.id;
    let one = view(&serve, &world, &id, terminal("main")).unwrap();
    for _ in 0..3 {
        serve.pass(Duration::from_secs(40));
        types(&serve, &world, &id, &one.key, "x").unwrap();
    }
    serve.pass(Duration::from_secs(120));
    assert_eq!(types(&serve, &world, &id, &one.key, "x"), Err(ErrorCode::SandboxNotRunning));
}
