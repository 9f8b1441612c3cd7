//! What is another's answers exactly as what does not exist.

use atoll_engine::{Caller, EngineError, LogQuery};
use atoll_ports::{Role, StdinPiece, TerminalKey};
use atoll_testkit::samples;
use atoll_types::{
    ApiKeyId, ErrorCode, ExecId, FilePath, JobId, RestartPolicy, SandboxId, Signal, TerminalName,
    TerminalSize,
};
use bytes::Bytes;

use crate::terminals::terminal;
use crate::world::{Serve, World, exec};

type Answer = (ErrorCode, String);

fn failure<T>(result: Result<T, EngineError>) -> Option<Answer> {
    result.err().map(|e| (e.code, e.message))
}

/// What every use-case says to this caller about this sandbox and this exec.
fn answers(serve: &Serve, caller: &Caller, id: &SandboxId, run: &ExecId, job: &JobId) -> Vec<Option<Answer>> {
    let engine = &serve.engine;
    let main = TerminalKey::any(TerminalName::main());
    vec![
        failure(serve.run(engine.sandbox_get(caller, id))),
        failure(serve.run(engine.sandbox_keepalive(caller, id))),
        failure(serve.run(engine.sandbox_logs(caller, id, LogQuery::default()))),
        failure(serve.run(engine.exec_run(caller, id, exec("true")))),
        failure(serve.run(engine.exec_start(caller, id, exec("true")))),
        failure(serve.run(engine.exec_get(caller, id, run))),
        failure(serve.run(engine.exec_list(caller, id, None, 10))),
        failure(serve.run(engine.exec_stdin(caller, id, run, StdinPiece::default()))),
        failure(serve.run(engine.exec_signal(caller, id, run, Signal::Winch))),
        failure(serve.run(async { engine.exec_events(caller, id, run, 0).await.map(|_| ()) })),
        failure(serve.run(engine.terminal_view(caller, id, terminal("main")))),
        failure(serve.run(engine.terminal_input(caller, id, &main, Bytes::from_static(b"x")))),
        failure(serve.run(engine.terminal_resize(caller, id, &main, TerminalSize::default()))),
        failure(serve.run(engine.terminal_list(caller, id))),
        failure(serve.run(engine.terminal_close(caller, id, &main.name))),
        failure(engine.files(caller, id, None, FilePath::home(), true).map(|_| ())),
        failure(serve.run(engine.job_create(caller, id, samples::job_spec("true", RestartPolicy::Never)))),
        failure(serve.run(engine.job_get(caller, id, job))),
        failure(serve.run(engine.job_list(caller, id, None, 10))),
        failure(serve.run(engine.job_logs(caller, id, job, LogQuery::default()))),
        failure(serve.run(engine.job_delete(caller, id, job))),
        failure(serve.run(engine.sandbox_start(caller, id))),
        failure(serve.run(engine.sandbox_restart(caller, id))),
        failure(serve.run(engine.sandbox_stop(caller, id))),
        failure(serve.run(engine.sandbox_delete(caller, id))),
    ]
}

#[test]
fn another_users_sandbox_is_as_one_that_is_missing() {
    let world = World::new();
    let serve = world.serve();
    let other = world.user(Role::User);
    let id = serve.sandbox(&world);
    let mut new = exec("cat");
    new.spec.stdin_open = true;
    let run = serve.run(serve.engine.exec_start(&world.caller, &id, new)).unwrap().record.id;
    let spec = samples::job_spec("sleep 100", RestartPolicy::Always);
    let job = serve.run(serve.engine.job_create(&world.caller, &id, spec)).unwrap().record.id;
    let missing = answers(&serve, &other, &SandboxId::random(), &run, &job);
    assert_eq!(answers(&serve, &other, &id, &run, &job), missing);
    assert!(missing.iter().all(|a| a.as_ref().is_some_and(|(code, _)| *code == ErrorCode::SandboxNotFound)));
    let page = serve.run(serve.engine.sandbox_list(&other, vec![], None, None, None, 10)).unwrap();
    assert!(page.items.is_empty());
    // An admin may do all of it.
    let admin = world.user(Role::Admin);
    let allowed = answers(&serve, &admin, &id, &run, &job);
    assert!(allowed.iter().all(Option::is_none), "{allowed:?}");
    world.assert_clean(&serve, "after an admin");
}

#[test]
fn an_exec_of_another_sandbox_is_as_one_that_is_missing() {
    let world = World::new();
    let serve = world.serve();
    let (one, two) = (serve.sandbox(&world), serve.sandbox(&world));
    let run = serve.exec_start(&world, &one, "sleep 100");
    let ended = serve.exec(&world, &one, "true").unwrap().record.id;
    for other in [&run, &ended, &ExecId::random()] {
        let engine = &serve.engine;
        for answer in [
            failure(serve.run(engine.exec_get(&world.caller, &two, other))),
            failure(serve.run(engine.exec_stdin(&world.caller, &two, other, StdinPiece::default()))),
            failure(serve.run(engine.exec_signal(&world.caller, &two, other, Signal::Kill))),
            failure(serve.run(async { engine.exec_events(&world.caller, &two, other, 0).await.map(|_| ()) })),
        ] {
            assert_eq!(answer.unwrap().0, ErrorCode::ExecNotFound);
        }
    }
}

#[test]
fn another_users_key_is_as_one_that_is_missing() {
    let world = World::new();
    let serve = world.serve();
    let other = world.user(Role::User);
    let new = serve
        .run(serve.engine.api_key_create(
            &world.caller,
            "laptop".to_owned(),
            None,
            atoll_types::Scopes::usual(),
        ))
        .unwrap();
    let theirs = failure(serve.run(serve.engine.api_key_delete(&other, &new.record.id)));
    let missing = failure(serve.run(serve.engine.api_key_delete(&other, &ApiKeyId::random())));
    assert_eq!(theirs, missing);
    assert!(serve.run(serve.engine.api_key_authenticate(&new.key)).unwrap().is_some());
}
