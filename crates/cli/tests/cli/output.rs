//! Data, errors and exit statuses.

use std::process::Stdio;

use crate::fake::{Fake, SANDBOX, command, failure, text};

#[test]
fn a_list_is_for_people_or_for_programs() {
    let fake = Fake::start(&[]);
    let output = fake.run(&["ls"]);
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(
        lines[0].starts_with("ID ")
            && lines[1].starts_with("0123456789ab  first  running  host   0.5  512 MiB"),
        "{lines:?}"
    );
    let output = fake.run(&["ls", "--output", "json"]);
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((data[0]["id"].as_str(), data.as_array().unwrap().len()), (Some(SANDBOX), 3));
    assert_eq!(text(&fake.run(&["ls", "-q"]).stdout).lines().count(), 3);
}

#[test]
fn top_shows_what_is_up_and_leaves_out_what_is_not() {
    // The twins went down between the list and the look.
    let gone = |request: &str, _: usize| {
        let twin = request.starts_with("GET /sandboxes/") && !request.contains(SANDBOX);
        twin.then(|| (409, failure("sandbox_not_running", "the sandbox is stopped")))
    };
    let fake = Fake::start_with(&[], gone);
    let lines: Vec<String> = text(&fake.run(&["top"]).stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let words: Vec<&str> = lines[1].split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    let shown = ["running", "2.5%", "50 MiB / 256 MiB", "19.5%", "3/64", "1 KiB / 512 B", "4 KiB / 2 KiB"];
    assert_eq!(words, [&[SANDBOX, "first"][..], &shown].concat());
    let output = fake.run(&["top", "first", "--output", "json"]);
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&data[0]["name"], &data[0]["metrics"]["pids"]["limit"]), (&"first".into(), &64.into()));
    let broken = Fake::start_with(&[], |request, _| {
        request.contains("/metrics").then(|| (502, failure("runtime_failed", "the runtime says no")))
    });
    let output = broken.run(&["top", "--once"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the runtime says no"));
}

#[test]
fn without_a_server_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let run =
        |args: &[&str]| command(home.path(), args).env("ATOLL_URL", "http://127.0.0.1:9").output().unwrap();
    let output = run(&["ls"]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(said.starts_with("error: cannot connect to http://127.0.0.1:9: "), "{said}");
    assert!(said.contains("\nhint: start a server with `make run` or `sudo atoll serve`"), "{said}");
    assert_eq!(run(&["exec", SANDBOX, "x"]).status.code(), Some(125));
    let error: serde_json::Value = serde_json::from_slice(&run(&["--output", "json", "ls"]).stderr).unwrap();
    assert_eq!(error["error"]["code"], "unreachable");
}

#[test]
fn without_a_token_it_says_what_to_do() {
    let fake = Fake::start_with(&[], |_, _| Some((401, failure("unauthorized", "send a token"))));
    let output = fake.run(&["get", SANDBOX]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).starts_with("error: send a token\nhint: log in with `atoll login`"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_wrong_command_line_is_another_status() {
    let home = tempfile::tempdir().unwrap();
    for args in
        [&["frobnicate"][..], &["exec"], &["ls", "--label", "x"], &["rm"], &["rm", "--all", SANDBOX], &[]]
    {
        let output = command(home.path(), args).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["exec", "--help"]] {
        let output = command(home.path(), args).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let fake = Fake::start(&[]);
    let mut child = fake.command(&["ls"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(141), ""));
}

#[test]
fn many_are_deleted_and_the_one_that_fails_is_named() {
    let fake = Fake::start(&[]);
    let output = fake.run(&["rm", SANDBOX, "a23456789abc"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), "0123456789ab\n"));
    assert!(text(&output.stderr).contains("error: a23456789abc: "), "{}", text(&output.stderr));
}

#[test]
fn all_with_a_label_are_deleted() {
    let fake = Fake::start_with(&[], |request, _| {
        let deleted = r#"{"success":true,"data":{"id":"x","deleted":true}}"#;
        request.starts_with("DELETE").then(|| (200, deleted.to_owned()))
    });
    assert_eq!(fake.run(&["rm", "--label", "a=b"]).status.code(), Some(0));
    assert_eq!((fake.asked("GET /sandboxes?label=a%3Db").len(), fake.asked("DELETE").len()), (1, 3));
}

#[test]
fn all_with_a_label_are_stopped_by_one_request() {
    let fake = Fake::start_with(&[], |request, _| {
        let stopped = r#"{"success":true,"data":{"ids":["0123456789ab"],
            "failed":[{"id":"a23456789abc","code":"agent_unreachable","message":"it does not answer"}]}}"#;
        request.starts_with("POST").then(|| (200, stopped.to_owned()))
    });
    let output = fake.run(&["stop", "--label", "a=b"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), "0123456789ab\n"));
    let told = text(&output.stderr);
    assert!(told.contains("error: a23456789abc: it does not answer"), "{told}");
    assert_eq!(fake.asked("POST /sandboxes/stop?label=a%3Db").len(), 1);
    assert_eq!(fake.run(&["stop"]).status.code(), Some(2), "nothing was named");
    assert_eq!(fake.run(&["stop", "--label", "a=b", SANDBOX]).status.code(), Some(2));
}
