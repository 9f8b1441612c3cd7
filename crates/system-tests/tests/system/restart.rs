//! Upgrades and crashes as one sees them from outside: sandboxes go on.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;
use rustix::process::{Signal, kill_process};

use crate::harness::{Atoll, Role, stdout, until};

/// A part that was killed is back after the first back-off.
const BACK: Duration = Duration::from_secs(20);

/// Counts to 40 in two seconds.
const COUNT: &str = "for i in $(seq 40); do echo $i; sleep 0.05; done; exit 3";

fn counted() -> String {
    (1..=40).map(|i| format!("{i}\n")).collect()
}

async fn whole_output(
    atoll: &Atoll,
    sandbox: &atoll_types::SandboxId,
    exec: &atoll_types::ExecId,
) -> (String, Option<i32>) {
    let mut events = atoll.client.exec_events(sandbox, exec, 0);
    let (mut text, mut next) = (Vec::new(), 1);
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        assert_eq!(event.seq, next, "a gap or a repeat");
        next += 1;
        match event.kind {
            atoll_client::ExecEventKind::Start => {}
            atoll_client::ExecEventKind::Output(_, bytes) => text.extend(bytes),
            atoll_client::ExecEventKind::Exit(code) => return (String::from_utf8(text).unwrap(), code),
        }
    }
    panic!("the stream ended without an exit");
}

#[tokio::test]
async fn a_command_that_runs_during_the_death_of_any_part_loses_nothing() {
    let mut atoll = Atoll::start().await;
    for role in [Role::Serve, Role::Launcher, Role::Supervisor] {
        let id = atoll.create().await.id;
        let exec =
            atoll.client.exec_start(&id, &crate::harness::line(COUNT)).await.unwrap().id.parse().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        atoll.kill_and_return(role, BACK).await;
        assert_eq!(whole_output(&atoll, &id, &exec).await, (counted(), Some(3)), "{role:?}");
        assert_eq!(stdout(&atoll.client.exec_get(&id, &exec).await.unwrap()), counted());
    }
    atoll.finish().await;
}

/// Bytes of a long standard input, whose every part differs from every other.
const INPUT_BYTES: usize = 8 << 20;

#[tokio::test]
async fn standard_input_that_flows_during_the_death_of_serve_arrives_exactly() {
    let mut atoll = Atoll::start().await;
    let id = atoll.create().await.id.to_string();
    let input: Vec<u8> = (0..INPUT_BYTES / 8).flat_map(|word| word.to_le_bytes()).collect();
    // It reads slowly and in odd parts, so that at any time the pipe has taken a part of a piece.
    let slowly = "for i in $(seq 300); do head -c 10007; sleep 0.01; done; cat";
    let mut command = atoll.cli_command("atoll", &["exec", &id, "--", "bash", "-c", slowly]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut pipe, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let sent = input.clone();
    let writer = std::thread::spawn(move || pipe.write_all(&sent));
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        out.read_to_end(&mut all).map(|_| all)
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = atoll.pid(Role::Serve);
        atoll.kill(Role::Serve);
        until("its return", BACK, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
        atoll.ready().await;
    }
    let status = until("the end", Duration::from_secs(60), async || child.try_wait().unwrap()).await;
    writer.join().unwrap().unwrap();
    let output = reader.join().unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert!(output == input, "{} of {} bytes, or others", output.len(), input.len());
    atoll.finish().await;
}

#[tokio::test]
async fn an_orderly_stop_and_start_is_an_upgrade_without_a_cut() {
    let mut atoll = Atoll::start().await;
    let id = atoll.create().await.id;
    let exec = atoll.client.exec_start(&id, &crate::harness::line(COUNT)).await.unwrap().id.parse().unwrap();
    atoll.stop().await;
    // While nothing of Atoll runs, the doctor says so, and does not take the sandbox for a leak.
    let said = atoll.doctor();
    assert_eq!((&said["healthy"], &said["sandboxesAlive"]), (&true.into(), &1.into()), "{said:#}");
    atoll.start_again().await;
    assert_eq!(whole_output(&atoll, &id, &exec).await, (counted(), Some(3)));
    atoll.finish().await;
}

#[tokio::test]
async fn the_death_of_an_agent_is_a_crash_of_its_sandbox_alone() {
    let atoll = Atoll::start().await;
    let (victim, other) = (atoll.create().await, atoll.create().await);
    let running = victim.begin("echo before; sleep 100").await;
    let logged = until("its output", BACK, async || {
        let exec = atoll.client.exec_get(&victim.id, &running).await.unwrap();
        (stdout(&exec) == "before\n").then_some(exec)
    });
    logged.await;
    kill_process(victim.agent(), Signal::KILL).unwrap();
    until("the crash", BACK, async || (victim.get().await.state == "crashed").then_some(())).await;
    let exec = until("the loss", BACK, async || {
        let exec = atoll.client.exec_get(&victim.id, &running).await.unwrap();
        (exec.status == "lost").then_some(exec)
    });
    assert_eq!(stdout(&exec.await), "before\n");
    atoll.assert_healthy();
    assert_eq!(other.ok("echo still here").await, "still here\n");
    // It can be started again.
    atoll.client.sandbox_start(&victim.id).await.unwrap();
    assert_eq!(victim.ok("echo back").await, "back\n");
    victim.delete().await;
    atoll.finish().await;
}

/// The next launcher makes another root when the host's configuration has changed. The sandboxes that run on the old one keep
/// it, and it goes with the last of them.
#[tokio::test]
async fn an_old_root_of_the_host_image_goes_with_its_last_sandbox() {
    let mut atoll = Atoll::start().await;
    let id = atoll.create().await.id;
    let pool = atoll.data().join("native/pool");
    let current = std::fs::read_link(pool.join("host")).unwrap();
    atoll.stop().await;
    // As if there had been two configurations before this one.
    for name in ["host-used", "host-unused"] {
        std::fs::create_dir_all(pool.join(name).join("etc")).unwrap();
    }
    let state = pool.join(format!("sandboxes/{id}/state.json"));
    let text = std::fs::read_to_string(&state).unwrap();
    assert!(text.contains(current.to_str().unwrap()), "{text}");
    std::fs::write(&state, text.replace(current.to_str().unwrap(), "host-used")).unwrap();
    let said = atoll.doctor()["findings"].to_string();
    assert!(said.contains("host-unused") && !said.contains("host-used"), "{said}");
    atoll.start_again().await;
    let gone = async |name: &str| (!pool.join(name).exists()).then_some(());
    until("the root that nobody uses", BACK, async || gone("host-unused").await).await;
    atoll.assert_healthy();
    assert!(pool.join("host-used").exists() && pool.join(&current).exists());
    crate::harness::Inside { atoll: &atoll, id }.delete().await;
    until("the root that was used", BACK, async || gone("host-used").await).await;
    assert!(pool.join(&current).exists());
    atoll.finish().await;
}
