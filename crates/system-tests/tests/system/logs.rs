//! The log of a main process, followed.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use atoll_api_types::{CommandBody, CreateSandbox};
use rustix::process::{Signal, kill_process};

use crate::harness::{Atoll, Role, until};

const SOON: Duration = Duration::from_secs(20);

/// Counts to 60 in three seconds.
const COUNT: &str = "for i in $(seq 60); do echo $i; sleep 0.05; done; printf end";

#[tokio::test]
async fn a_log_is_followed_through_a_pause_and_the_death_of_serve() {
    let mut atoll = Atoll::start().await;
    let command = CommandBody::Argv(["bash", "-c", COUNT].map(str::to_owned).into());
    let id =
        atoll.create_with(&CreateSandbox { command: Some(command), ..CreateSandbox::default() }).await.id;
    let mut follow = atoll.cli_command("atoll", &["logs", "--follow", id.as_str()]);
    let mut child = follow.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = String::new();
        out.read_to_string(&mut all).map(|_| all)
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    atoll.client.sandbox_pause(&id).await.unwrap();
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", SOON, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    atoll.ready().await;
    assert!(child.try_wait().unwrap().is_none(), "it did not wait for the server");
    atoll.client.sandbox_resume(&id).await.unwrap();
    let status = until("the end", SOON, async || child.try_wait().unwrap()).await;
    assert!(status.success(), "{status}");
    let all: String = (1..=60).map(|i| format!("{i}\n")).collect();
    assert_eq!(reader.join().unwrap().unwrap(), format!("{all}end\n"));
    let tail = atoll.cli(&["logs", "--follow", "--tail", "2", id.as_str()]);
    assert_eq!(String::from_utf8_lossy(&tail.stdout), "60\nend\n");
    atoll.finish().await;
}

#[tokio::test]
async fn whoever_follows_may_go_at_any_time() {
    let atoll = Atoll::start().await;
    let command =
        CommandBody::Argv(["bash", "-c", "yes | head -c 20m; sleep 1000"].map(str::to_owned).into());
    let id =
        atoll.create_with(&CreateSandbox { command: Some(command), ..CreateSandbox::default() }).await.id;
    let mut follow = atoll.cli_command("atoll", &["logs", "--follow", id.as_str()]);
    let mut child = follow.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 4096];
    child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    assert_eq!(&some[..4], b"y\ny\n");
    kill_process(rustix::process::Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let shown = atoll.client.sandbox_logs(&id, &atoll_client::LogFilter { tail: Some(10_000), since: None });
    assert!(shown.await.unwrap().lines.len() <= 10_000);
    atoll.finish().await;
}
