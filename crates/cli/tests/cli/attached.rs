//! `exec`: as if the command ran here.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fake::{CUT, EXEC, Fake, Play, SANDBOX, failure, signal, text};

#[test]
fn output_is_exact_on_both_streams_and_the_status_is_passed_through() {
    let fake = Fake::start(&[
        Play::Stdout(b"a\0\xff"),
        Play::Stderr(b"b\n"),
        Play::Stdout(b"c"),
        Play::Exit(Some(7)),
    ]);
    let output = fake.run(&["exec", SANDBOX, "--", "x", "-y"]);
    assert_eq!(
        (output.status.code(), output.stdout.as_slice(), text(&output.stderr)),
        (Some(7), b"a\0\xffc".as_slice(), "b\n")
    );
    let asked = fake.asked("/exec ");
    assert!(asked[0].contains(r#""command":["x","-y"],"async":true"#), "{asked:?}");
    assert!(asked[0].contains(r#""openStdin":false"#), "nothing comes from /dev/null: {asked:?}");
}

#[test]
fn a_broken_stream_goes_on_where_it_was() {
    let plays =
        [Play::Stdout(b"a"), Play::Drop, Play::Drop, Play::Stdout(b"b"), Play::Drop, Play::Exit(Some(0))];
    let fake = Fake::start(&plays);
    let output = fake.run(&["exec", SANDBOX, "x"]);
    assert_eq!((output.status.code(), text(&output.stdout), text(&output.stderr)), (Some(0), "ab", ""));
    let after: Vec<_> = fake
        .asked("WS")
        .iter()
        .map(|line| line.split("after_seq=").nth(1).unwrap()[..1].to_owned())
        .collect();
    assert_eq!(after, ["0", "2", "2", "3"]);
}

#[test]
fn standard_input_arrives_whole_and_in_order() {
    let fake = Fake::start(&[Play::Await(stdin_path()), Play::Await("EOF"), Play::Exit(Some(0))]);
    let input: Vec<u8> = (0..1_000_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let mut child = fake.spawn(&["exec", SANDBOX, "cat"]);
    let mut pipe = child.stdin.take().unwrap();
    let sent = input.clone();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut pipe, &sent).unwrap());
    writer.join().unwrap();
    let mut received = Vec::new();
    loop {
        std::thread::sleep(Duration::from_millis(20));
        let lines = fake.asked("/stdin");
        if lines.iter().any(|line| line.contains(r#""eof":true"#)) {
            for line in lines {
                let data = line.split(r#""data":""#).nth(1).unwrap().split('"').next().unwrap();
                received.extend(STANDARD.decode(data).unwrap());
            }
            break;
        }
    }
    assert!(received == input, "{} of {} bytes", received.len(), input.len());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn input_is_sent_again_when_the_server_went_away() {
    let fake = Fake::start_with(&[Play::Await("EOF")], |request, before| {
        match (request.ends_with("/stdin"), before) {
            (true, 0) => Some((503, failure("unavailable", "it stops"))),
            (true, 1) => Some((502, failure("agent_unreachable", "not yet"))),
            // The connection ends before the answer is whole.
            (true, 2) => Some((CUT, String::new())),
            _ => None,
        }
    });
    let mut child = fake.spawn(&["exec", SANDBOX, "cat"]);
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"hello").unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !fake.asked("/stdin").iter().any(|line| line.contains(r#""eof":true"#)) {
        assert!(std::time::Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it gave up");
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = fake.asked("/stdin");
    let of =
        |offset: &str| asked.iter().filter(|line| line.contains(&format!(r#""offset":{offset},"#))).count();
    assert_eq!((asked.len(), of("0"), of("5")), (5, 4, 1), "{asked:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn stdin_path() -> &'static str {
    "POST /sandboxes/0123456789ab/execs/0123456789abcdefghjk/stdin"
}

#[test]
fn a_command_that_does_not_read_does_not_hold_us() {
    let fake = Fake::start_with(&[Play::Await(stdin_path()), Play::Exit(Some(0))], |request, _| {
        request.ends_with("/stdin").then(|| (409, failure("exec_not_running", "it ended")))
    });
    // The other end of the pipe stays open: nobody ends our standard input.
    let mut child = fake.spawn(&["exec", SANDBOX, "true"]);
    let mut pipe = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut pipe, b"x").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(pipe);
}

#[test]
fn signals_go_to_the_command() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129), ("QUIT", 131)] {
        let fake = Fake::start(&[
            Play::Await("POST /sandboxes/0123456789ab/execs/0123456789abcdefghjk/signal"),
            Play::Exit(Some(code)),
        ]);
        let child = fake.spawn(&["exec", "--no-stdin", SANDBOX, "sleep"]);
        fake.wait_for("WS");
        signal(&child, name);
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(code));
        assert!(fake.asked("/signal")[0].contains(&format!(r#"{{"signal":"{name}"}}"#)));
    }
}

#[test]
fn a_second_interrupt_gives_up() {
    let fake = Fake::start(&[]);
    let child = fake.spawn(&["exec", SANDBOX, "sleep"]);
    fake.wait_for("WS");
    signal(&child, "INT");
    fake.wait_for("/signal");
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stderr).contains(EXEC), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let fake = Fake::start(&[
        Play::Stdout(b"one\n"),
        Play::Await("WS"),
        Play::Stdout(b"two\n"),
        Play::Stdout(b"three\n"),
    ]);
    let mut child = fake
        .command(&["exec", SANDBOX, "yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(141), ""));
    assert!(fake.asked("/signal")[0].contains("HUP"));
}

#[test]
fn what_the_status_does_not_tell_is_told() {
    let fake = Fake::start(&[Play::Exit(Some(127))]);
    let output = fake.run(&["exec", SANDBOX, "echo a"]);
    assert_eq!(output.status.code(), Some(127));
    let said = text(&output.stderr);
    assert!(said.contains("the record says why") && said.contains("sh -c"), "{said}");
}

#[test]
fn a_lost_command_is_a_failure_of_ours() {
    let fake = Fake::start(&[Play::Stdout(b"so far"), Play::Exit(None)]);
    let output = fake.run(&["exec", SANDBOX, "x"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(125), "so far"));
    assert!(text(&output.stderr).contains("error: the record says why"), "{}", text(&output.stderr));
}

#[test]
fn as_json_the_record_is_the_output() {
    let fake = Fake::start(&[Play::Stdout(b"not this"), Play::Exit(Some(3))]);
    let output = fake.run(&["exec", "--output", "json", SANDBOX, "x"]);
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &record["exitCode"], &record["stdout"]),
        (Some(3), &3.into(), &"out".into())
    );
}

#[test]
fn detached_it_prints_the_id() {
    let fake = Fake::start(&[]);
    let output = fake.run(&["exec", "-d", SANDBOX, "x"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), format!("{EXEC}\n").as_str()));
    assert!(fake.asked("WS").is_empty());
}

#[test]
fn the_options_reach_the_server() {
    let fake = Fake::start(&[Play::Exit(Some(0))]);
    let args = [
        "exec",
        "-e",
        "A=b",
        "-e",
        "HOME",
        "-w",
        "/tmp",
        "-u",
        "root",
        "--timeout",
        "2m",
        SANDBOX,
        "--",
        "x",
    ];
    assert_eq!(fake.run(&args).status.code(), Some(0));
    let asked = &fake.asked("/exec ")[0];
    let home = fake.home().display();
    let expected =
        format!(r#""env":{{"A":"b","HOME":"{home}"}},"cwd":"/tmp","user":"root","timeoutSeconds":120"#);
    assert!(asked.contains(&expected), "{asked}");
}

#[test]
fn a_sandbox_may_be_named() {
    let fake = Fake::start(&[Play::Exit(Some(0))]);
    assert_eq!(fake.run(&["exec", "first", "x"]).status.code(), Some(0));
    for (name, said) in [("twin", "2 sandboxes have the name"), ("nobody", "there is no sandbox \"nobody\"")]
    {
        let output = fake.run(&["exec", name, "x"]);
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}

#[test]
fn the_commands_of_sbx() {
    let fake = Fake::start(&[Play::Stdout(b"Linux\n"), Play::Exit(Some(0))]);
    let sbx = |args: &[&str]| fake.command(args).arg0("/usr/local/bin/sbx").output().unwrap();
    assert_eq!(text(&sbx(&["create"]).stdout), format!("{SANDBOX}\n"));
    let output = sbx(&["exec", "-id", SANDBOX, "--", "bash", "-lc", "uname -a"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "Linux\n"));
    assert!(fake.asked("/exec ")[0].contains(r#"["bash","-lc","uname -a"]"#));
    assert_eq!(sbx(&["delete", "-id", SANDBOX]).status.code(), Some(0));
    assert_eq!(fake.asked("DELETE").len(), 1);
}
