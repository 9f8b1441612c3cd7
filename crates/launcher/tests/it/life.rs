//! Starts and ends, from every state, and the death of the launcher.

use std::time::{Duration, Instant};

use atoll_launcher_protocol::{Call, FromLauncher};
use atoll_types::SandboxId;

use crate::host::{Client, Host, eventually, host_sandbox};

/// The bound on every removal.
const SECOND: Duration = Duration::from_secs(1);

fn groups(host: &Host, id: &SandboxId) -> bool {
    ["memory", "cpu", "pids", "freezer", "cpuacct"]
        .iter()
        .any(|controller| host.cgroup(controller, id).exists())
}

#[test]
fn a_stop_keeps_files_and_a_removal_keeps_nothing() {
    let host = Host::new();
    let mut client = host.client();
    let before = host.traces();
    let request = host_sandbox(0);
    client.start(request.clone()).unwrap();
    let id = &request.sandbox;
    assert_eq!(host.shell(id, 1000, "echo kept > /home/agent/file").1, 0);
    client.stop(id);
    assert!(!groups(&host, id) && client.running().is_empty());
    // Closed properly, so not dirty; under another range, so ids are not in the files.
    let moved = atoll_launcher_protocol::StartSandbox { uid_slot: 9, ..request.clone() };
    assert!(!client.start(moved).unwrap());
    assert_eq!(host.shell(id, 1000, "cat /home/agent/file; stat -c %U /home/agent/file").0, "kept\nagent\n");
    client.remove(id);
    eventually(|| host.traces() == before);
    // Again, and of what never was: done already.
    client.remove(id);
    client.stop(&SandboxId::random());
    assert_eq!(client.audit().0, []);
}

#[test]
fn every_call_may_be_repeated() {
    let host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    let starts: Vec<u64> = (0..3).map(|_| client.send(Call::Start(Box::new(request.clone())), &[])).collect();
    for _ in &starts {
        client.reply().result.unwrap();
    }
    assert_eq!(client.running(), std::slice::from_ref(&request.sandbox));
    let stop = || Call::Stop { sandbox: request.sandbox.clone() };
    // A start that comes while it is being stopped happens after that.
    client.send(stop(), &[]);
    client.send(stop(), &[]);
    client.send(Call::Start(Box::new(request.clone())), &[]);
    for _ in 0..3 {
        client.reply().result.unwrap();
    }
    assert_eq!(client.running(), std::slice::from_ref(&request.sandbox));
    // A removal wins over a start under way.
    let other = host_sandbox(1);
    let start = client.send(Call::Start(Box::new(other.clone())), &[]);
    let remove = client.send(Call::Remove { sandbox: other.sandbox }, &[]);
    for _ in 0..2 {
        let reply = client.reply();
        assert!(reply.id != remove || reply.result.is_ok());
        assert!(reply.id != start || reply.result.is_err());
    }
    assert_eq!(client.running(), [request.sandbox]);
}

fn removed_in_time(host: &Host, client: &mut Client, id: &SandboxId) {
    let took = client.remove(id);
    assert!(took < SECOND, "{took:?}");
    assert!(!groups(host, id));
}

#[test]
fn a_frozen_guest_is_removed() {
    let host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    client.start(request.clone()).unwrap();
    let _held = host.spawn_exec(&request.sandbox, 1000, "while :; do :; done");
    let freezer = host.cgroup("freezer", &request.sandbox);
    eventually(|| !std::fs::read_to_string(freezer.join("cgroup.procs")).unwrap().is_empty());
    std::fs::write(freezer.join("freezer.state"), "FROZEN").unwrap();
    eventually(|| std::fs::read_to_string(freezer.join("freezer.state")).unwrap().trim() == "FROZEN");
    removed_in_time(&host, &mut client, &request.sandbox);
}

#[test]
fn a_fork_bomb_is_removed() {
    let host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    client.start(request.clone()).unwrap();
    let _held = host.spawn_exec(&request.sandbox, 1000, "f() { f | f & }; f; while :; do f; done");
    let pids = host.cgroup("pids", &request.sandbox).join("pids.current");
    eventually(|| std::fs::read_to_string(&pids).unwrap().trim().parse::<u32>().unwrap() > 100);
    removed_in_time(&host, &mut client, &request.sandbox);
}

#[test]
fn a_guest_out_of_memory_and_disk_is_removed() {
    let host = Host::new();
    let mut client = host.client();
    let mut request = host_sandbox(0);
    request.limits.memory_bytes = 32 << 20;
    request.limits.disk_bytes = 32 << 20;
    client.start(request.clone()).unwrap();
    let script = "python3 -c 'x=[bytearray(1<<20) for _ in range(1000)]' & while :; do cat /dev/urandom > /home/agent/f; done";
    let _held = host.spawn_exec(&request.sandbox, 1000, script);
    std::thread::sleep(Duration::from_millis(500));
    removed_in_time(&host, &mut client, &request.sandbox);
}

#[test]
fn the_death_of_an_agent_is_told_and_leaves_only_files() {
    let host = Host::new();
    let (mut client, mut other) = (host.client(), host.client());
    let request = host_sandbox(0);
    client.start(request.clone()).unwrap();
    let id = &request.sandbox;
    let _held = host.spawn_exec(id, 1000, "sleep 1000");
    host.exec(id, 0, &["@die"]);
    for client in [&mut client, &mut other] {
        eventually(|| {
            client.running();
            client
                .events
                .iter()
                .any(|event| matches!(event, FromLauncher::Exited { sandbox } if sandbox == id))
        });
    }
    eventually(|| !groups(&host, id) && !host.dir.path().join(format!("run/agents/{id}.sock")).exists());
    let (remains, _) = client.audit();
    assert!(remains.len() == 1 && remains[0].files && !remains[0].process && remains[0].cgroups == 0);
    assert!(!client.start(request.clone()).unwrap());
    client.remove(id);
}

#[test]
fn sandboxes_outlive_the_launcher_and_are_taken_over() {
    let mut host = Host::new();
    let requests: Vec<_> = (0..3).map(host_sandbox).collect();
    let mut client = host.client();
    for request in &requests {
        client.start(request.clone()).unwrap();
    }
    let (lives, dies, hangs) = (&requests[0].sandbox, &requests[1].sandbox, &requests[2].sandbox);
    host.kill_launcher();
    assert_eq!(host.shell(lives, 0, "echo on").0, "on\n");
    // One agent dies while nobody looks.
    host.exec(dies, 0, &["@die"]);
    host.spawn();
    let mut client = host.client();
    let mut expected = vec![lives.clone(), hangs.clone()];
    expected.sort();
    // The one that was dying when the launcher looked is gone a moment later.
    eventually(|| {
        let mut running = client.running();
        running.sort();
        running == expected
    });
    eventually(|| !groups(&host, dies));
    // A start of one that runs is answered; the death of an adopted one is told.
    assert!(!client.start(requests[0].clone()).unwrap());
    host.exec(hangs, 0, &["@die"]);
    eventually(|| {
        client.running();
        client
            .events
            .iter()
            .any(|event| matches!(event, FromLauncher::Exited { sandbox } if sandbox == hangs))
    });
    removed_in_time(&host, &mut client, lives);
    for id in [dies, hangs] {
        removed_in_time(&host, &mut client, id);
    }
}

#[test]
fn kills_of_the_launcher_at_any_moment_leave_nothing_unknown() {
    let mut host = Host::new();
    let before = host.traces();
    let rounds: u64 = std::env::var("ATOLL_FAULT_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    for round in 0..rounds {
        let mut client = host.client();
        let requests: Vec<_> = (0..4).map(host_sandbox).collect();
        for request in &requests {
            client.send(Call::Start(Box::new(request.clone())), &[]);
        }
        // From before the first clone to after the last start.
        std::thread::sleep(Duration::from_micros(round * 613 % 14_000));
        host.kill_launcher();
        host.spawn();
        let mut client = host.client();
        for request in &requests {
            client.remove(&request.sandbox);
        }
        assert_eq!(client.audit().0, [], "round {round}");
        let begun = Instant::now();
        eventually(|| host.traces() == before);
        assert!(begun.elapsed() < SECOND * 5);
    }
    // No helper of a dead launcher lives on.
    eventually(|| host.launcher_processes() == 1);
}

#[test]
fn two_installations_live_side_by_side() {
    let (one, two) = (Host::new(), Host::new());
    let (mut first, mut second) = (one.client(), two.client());
    let mut request = host_sandbox(0);
    first.start(request.clone()).unwrap();
    // The same id in another data folder is another sandbox.
    request.uid_slot = 1;
    second.start(request.clone()).unwrap();
    assert_eq!(one.shell(&request.sandbox, 0, "echo one > /root/x; cat /root/x").0, "one\n");
    assert_ne!(two.shell(&request.sandbox, 0, "cat /root/x").1, 0);
    second.remove(&request.sandbox);
    assert_eq!(one.shell(&request.sandbox, 0, "cat /root/x").0, "one\n");
    first.remove(&request.sandbox);
}

#[test]
fn a_stranger_and_nonsense_are_turned_away() {
    let host = Host::new();
    let client = host.client();
    rustix::net::send(client.socket(), b"{\"id\":", rustix::net::SendFlags::empty()).unwrap();
    let mut byte = [0];
    assert_eq!(rustix::net::recv(client.socket(), &mut byte, rustix::net::RecvFlags::empty()).unwrap().1, 0);
    // An unknown call has an answer, and the connection goes on.
    let mut client = host.client();
    rustix::net::send(client.socket(), b"{\"id\":77,\"call\":{\"fly\":{}}}", rustix::net::SendFlags::empty())
        .unwrap();
    let reply = client.reply();
    assert_eq!((reply.id, reply.result.is_err()), (77, true));
    assert!(client.call(Call::Storage).is_ok());
}
