//! Commands.

use atoll_testkit::Script;
use serde_json::json;

use crate::kit::{Options, Server};

#[tokio::test]
async fn a_command_is_awaited_with_its_output() {
    let server = Server::start().await;
    server.agents.script(|start| {
        (start.argv[0] == "both").then(|| Script::new().stdout("out").stderr(b"\xff\xfe".to_vec()).exit(3))
    });
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let answer = user.post(&format!("/sandboxes/{sandbox}/exec"), json!({"command": ["both"]})).await;
    let shown = answer.data();
    assert_eq!((answer.status, &shown["status"], &shown["exitCode"]), (200, &json!("exited"), &json!(3)));
    assert_eq!((&shown["stdout"], &shown["stderr"]), (&json!("out"), &json!("\u{fffd}\u{fffd}")));
    assert_eq!((&shown["truncated"], &shown["sandboxId"]), (&json!(false), &json!(sandbox)));
    assert!(shown["durationMs"].is_u64() && shown["finishedAt"].is_string());

    let got = user.get(&format!("/sandboxes/{sandbox}/execs/{}", shown["id"].as_str().unwrap())).await;
    assert_eq!(got.data()["stdout"], "out");
    let listed = user.get(&format!("/sandboxes/{sandbox}/execs")).await;
    assert_eq!((&listed.data()[0]["id"], listed.data()[0].get("stdout")), (&shown["id"], None));
}

#[tokio::test]
async fn a_command_gets_what_the_request_says() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let body = json!({
        "command": "cat", "env": {"A": "b"}, "cwd": "/tmp", "user": "root", "timeoutSeconds": 5,
        "stdin": "aGk=", "stdinEncoding": "base64",
    });
    let answer = user.post(&format!("/sandboxes/{sandbox}/exec"), body).await;
    assert_eq!(answer.data()["stdout"], "hi");
    let (_, start) = server.agents.started().pop().unwrap();
    assert_eq!(start.argv, ["/bin/sh", "-c", "cat"]);
    assert_eq!((start.user.as_str(), start.cwd.unwrap().as_str()), ("root", "/tmp"));
    assert!(start.env.contains(&("A".to_owned(), "b".to_owned())));
}

#[tokio::test]
async fn a_command_can_be_left_running_fed_and_signalled() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let begun = user
        .post(
            &format!("/sandboxes/{sandbox}/exec"),
            json!({"command": ["cat"], "async": true, "openStdin": true}),
        )
        .await;
    assert_eq!(
        (begun.status, &begun.data()["status"], begun.data().get("stdout")),
        (202, &json!("running"), None)
    );
    let exec = format!("/sandboxes/{sandbox}/execs/{}", begun.data()["id"].as_str().unwrap());
    assert_eq!(user.post(&format!("{exec}/stdin"), json!({"data": "one "})).await.data()["accepted"], true);
    let gap = user.post(&format!("{exec}/stdin"), json!({"data": "x", "offset": 5})).await;
    assert_eq!(gap.body["error"]["details"], json!({"expectedOffset": 4}));
    gap.is(409, "stdin_offset");
    let wrong = user.post(&format!("{exec}/stdin"), json!({"data": "x", "offset": -1})).await;
    wrong.is(400, "invalid_request");
    // A repeat, of which only the end is new: "one two" in all.
    let last = json!({"data": "bmUgdHdv", "encoding": "base64", "offset": 1, "eof": true});
    user.post(&format!("{exec}/stdin"), last).await.data();
    let mut shown = json!(null);
    for _ in 0..100 {
        shown = user.get(&exec).await.data().clone();
        if shown["status"] != "running" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!((&shown["status"], &shown["stdout"]), (&json!("exited"), &json!("one two")));
    user.post(&format!("{exec}/stdin"), json!({"data": "x"})).await.is(409, "exec_not_running");

    server.agents.script(|_| Some(Script::new().hold().ignore_signals()));
    let stubborn = user.sleeper(&sandbox).await;
    let path = format!("/sandboxes/{sandbox}/execs/{stubborn}/signal");
    user.post(&path, json!({"signal": "sigterm"})).await.data();
    let signals = server.agents.signals(&sandbox.parse().unwrap(), &stubborn.parse().unwrap());
    assert_eq!(signals, [atoll_types::Signal::Term]);
}

#[tokio::test]
async fn the_setting_turns_waiting_round() {
    let server = Server::with(Options { async_exec: true, ..Options::default() }).await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let path = format!("/sandboxes/{sandbox}/exec");
    assert_eq!(user.post(&path, json!({"command": "true"})).await.status, 202);
    assert_eq!(user.post(&path, json!({"command": "true", "async": false})).await.status, 200);
}

#[tokio::test]
async fn a_stopped_sandbox_runs_nothing() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    user.act(&format!("/sandboxes/{sandbox}/stop")).await.data();
    user.post(&format!("/sandboxes/{sandbox}/exec"), json!({"command": "true"}))
        .await
        .is(409, "sandbox_not_running");
}

#[tokio::test]
async fn a_command_goes_on_when_its_client_has_gone() {
    let server = Server::start().await;
    server.agents.script(|start| (start.argv[0] == "work").then(|| Script::new().hold().stdout("done")));
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let path = format!("/sandboxes/{sandbox}/exec");
    let request = user.post(&path, json!({"command": ["work"]}));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), request).await.is_err());
    let listed = user.get(&format!("/sandboxes/{sandbox}/execs")).await;
    let exec = listed.data()[0]["id"].as_str().unwrap().to_owned();
    server.agents.release(&sandbox.parse().unwrap(), &exec.parse().unwrap());
    let mut shown = json!(null);
    for _ in 0..100 {
        shown = user.get(&format!("/sandboxes/{sandbox}/execs/{exec}")).await.data().clone();
        if shown["status"] != "running" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!((&shown["status"], &shown["stdout"]), (&json!("exited"), &json!("done")));
}

#[tokio::test]
async fn a_command_may_run_in_a_terminal_whose_size_changes() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let run = format!("/sandboxes/{sandbox}/exec");
    let body = json!({"command": ["cat"], "async": true, "openStdin": true, "tty": true, "cols": 120});
    let begun = user.post(&run, body).await;
    let exec = format!("/sandboxes/{sandbox}/execs/{}", begun.data()["id"].as_str().unwrap());
    let (_, start) = server.agents.started().pop().unwrap();
    assert_eq!(start.tty, Some(atoll_types::TerminalSize::new(120, 24).unwrap()));
    assert!(start.env.contains(&("TERM".to_owned(), "xterm-256color".to_owned())));
    let resized = user.post(&format!("{exec}/resize"), json!({"cols": 80, "rows": 1_000})).await;
    assert_eq!((resized.status, &resized.data()["accepted"]), (200, &json!(true)));
    for size in [json!({"cols": 0, "rows": 1}), json!({"cols": 1, "rows": 1_001})] {
        user.post(&format!("{exec}/resize"), size).await.is(400, "invalid_request");
    }
    user.post(&format!("{exec}/resize"), json!({"cols": 80})).await.is(400, "invalid_request");
    let end = json!({"eof": true});
    assert_eq!(user.post(&format!("{exec}/stdin"), end).await.status, 200);

    // Without one there is no size.
    let begun = user.post(&run, json!({"command": ["cat"], "async": true, "openStdin": true})).await;
    let exec = format!("/sandboxes/{sandbox}/execs/{}", begun.data()["id"].as_str().unwrap());
    let resized = user.post(&format!("{exec}/resize"), json!({"cols": 80, "rows": 24})).await;
    resized.is(409, "exec_has_no_tty");
    for body in [json!({"command": "x", "cols": 80}), json!({"command": "x", "tty": true, "rows": 0})] {
        user.post(&run, body).await.is(400, "invalid_request");
    }
    let other = server.user("b").await;
    other.post(&format!("{exec}/resize"), json!({"cols": 80, "rows": 24})).await.is(404, "sandbox_not_found");
}
