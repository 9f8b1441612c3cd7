//! `run`: the sandbox goes away whatever happens.

use crate::fake::{Fake, Play, failure, signal, text};

#[test]
fn the_status_is_passed_through_and_the_sandbox_deleted() {
    let fake = Fake::start(&[Play::Stdout(b"hello\n"), Play::Exit(Some(3))]);
    let output = fake.run(&["run", "--image", "debian:12", "--memory", "1g", "--", "x"]);
    assert_eq!((output.status.code(), text(&output.stdout), text(&output.stderr)), (Some(3), "hello\n", ""));
    assert!(fake.asked("POST /sandboxes ")[0].contains(r#""image":"debian:12","memory":1024"#));
    assert_eq!(fake.asked("DELETE").len(), 1);
}

#[test]
fn a_failed_exec_leaves_nothing() {
    let fake = Fake::start_with(&[], |request, _| {
        request.ends_with("/exec").then(|| (502, failure("agent_unreachable", "the agent does not answer")))
    });
    let output = fake.run(&["run", "--", "x"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(
        text(&output.stderr).contains("error: the agent does not answer\ntrace id: trace-1\n"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(fake.asked("DELETE").len(), 1);
}

#[test]
fn a_failed_create_is_told() {
    let fake = Fake::start_with(&[], |request, _| {
        (request == "POST /sandboxes").then(|| (429, failure("quota_exceeded", "20 sandboxes are the most")))
    });
    let output = fake.run(&["run", "--", "x"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(
        text(&output.stderr).contains("hint: delete what you no longer need"),
        "{}",
        text(&output.stderr)
    );
    assert!(fake.asked("DELETE").is_empty());
}

#[test]
fn interrupted_once_or_twice_it_is_deleted() {
    for times in [1, 2] {
        let signalled = "POST /sandboxes/0123456789ab/execs/0123456789abcdefghjk/signal";
        let plays = if times == 1 { vec![Play::Await(signalled), Play::Exit(Some(130))] } else { vec![] };
        let fake = Fake::start(&plays);
        let child = fake.spawn(&["run", "--", "sleep"]);
        fake.wait_for("WS");
        for _ in 0..times {
            signal(&child, "INT");
            fake.wait_for("/signal");
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
        assert_eq!(fake.asked("DELETE").len(), 1, "interrupted {times} times");
    }
}

#[test]
fn deleting_outlasts_a_restart_of_the_server() {
    let fake = Fake::start_with(&[Play::Exit(Some(0))], |request, before| {
        (request.starts_with("DELETE") && before < 2).then(|| (503, failure("unavailable", "starting")))
    });
    let output = fake.run(&["run", "--", "x"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert_eq!(fake.asked("DELETE").len(), 3);
}

#[test]
fn kept_it_says_so() {
    let fake = Fake::start(&[Play::Exit(Some(0))]);
    let output = fake.run(&["run", "--keep", "--", "x"]);
    assert!(text(&output.stderr).contains("atoll rm 0123456789ab"), "{}", text(&output.stderr));
    assert!(fake.asked("DELETE").is_empty());
}
