//! Pause and resume on the kernel's own freezer.

use std::path::Path;
use std::time::{Duration, Instant};

use atoll_launcher_protocol::{Answer, Call, FailureKind, FromLauncher};
use atoll_types::SandboxId;

use crate::host::{Host, eventually, host_sandbox};

/// The bound on every removal.
const SECOND: Duration = Duration::from_secs(1);

/// A loop that uses the CPU, and never sleeps.
const BUSY: &str = "while :; do :; done";

fn pause(id: &SandboxId) -> Call {
    Call::Pause { sandbox: id.clone() }
}

fn resume(id: &SandboxId) -> Call {
    Call::Resume { sandbox: id.clone() }
}

/// Ticks that all processes of a group have run for.
fn ticks(group: &Path) -> u64 {
    let pids = std::fs::read_to_string(group.join("cgroup.procs")).unwrap();
    let stat = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let used = |stat: String| {
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let mut fields = rest.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().unwrap());
        fields.next().unwrap() + fields.next().unwrap()
    };
    pids.lines().map(|pid| used(stat(pid))).sum()
}

fn runs(group: &Path) -> bool {
    let before = ticks(group);
    std::thread::sleep(Duration::from_millis(200));
    ticks(group) > before
}

#[test]
fn nothing_runs_while_paused_and_all_of_it_goes_on() {
    let mut host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    let id = &request.sandbox;
    client.start(request.clone()).unwrap();
    let _held = host.spawn_exec(id, 1000, BUSY);
    let group = host.cgroup("freezer", id);
    eventually(|| runs(&group));
    assert_eq!(client.paused(), []);
    for _ in 0..2 {
        assert!(matches!(client.call(pause(id)), Ok(Answer::Done)));
        assert!(!runs(&group));
        assert_eq!((client.paused(), client.running()), (vec![id.clone()], vec![id.clone()]));
    }
    // The kernel holds it: the next launcher sees it so.
    host.kill_launcher();
    host.spawn();
    let mut client = host.client();
    assert_eq!(client.paused(), std::slice::from_ref(id));
    assert!(!runs(&group));
    for _ in 0..2 {
        assert!(matches!(client.call(resume(id)), Ok(Answer::Done)));
        assert!(runs(&group));
        assert_eq!(client.paused(), []);
    }
    client.remove(id);
}

#[test]
fn a_paused_sandbox_stops_and_is_removed_in_time() {
    let host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    let id = &request.sandbox;
    for remove in [false, true] {
        client.start(request.clone()).unwrap();
        let _held = host.spawn_exec(id, 1000, BUSY);
        eventually(|| runs(&host.cgroup("freezer", id)));
        client.call(pause(id)).unwrap();
        let begun = Instant::now();
        if remove {
            client.remove(id);
        } else {
            client.stop(id);
        }
        assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
        assert_eq!((client.running(), client.paused()), (vec![], vec![]));
    }
    // A start is a fresh one: nothing of the pause is left.
    let again = host_sandbox(0);
    client.start(again.clone()).unwrap();
    assert_eq!(client.paused(), []);
    client.remove(&again.sandbox);
}

#[test]
fn only_what_runs_is_paused() {
    let host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    let id = &request.sandbox;
    for call in [pause(id), resume(id)] {
        assert_eq!(client.call(call).unwrap_err().kind, FailureKind::Conflict);
    }
    client.start(request.clone()).unwrap();
    client.stop(id);
    assert_eq!(client.call(pause(id)).unwrap_err().kind, FailureKind::Conflict);
    client.remove(id);
}

#[test]
fn an_agent_that_dies_while_paused_is_told_at_the_resume_at_the_latest() {
    let host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    let id = &request.sandbox;
    client.start(request.clone()).unwrap();
    let _held = host.spawn_exec(id, 1000, BUSY);
    eventually(|| runs(&host.cgroup("freezer", id)));
    client.call(pause(id)).unwrap();
    let agent = host.first_process(id);
    rustix::process::kill_process(agent, rustix::process::Signal::KILL).unwrap();
    // Under version 1 the kernel does not let it go before those that it takes along, and they are frozen.
    let _gone_already = client.call(resume(id));
    eventually(|| client.running().is_empty() && !host.cgroup("freezer", id).exists());
    assert!(matches!(&client.events[..], [FromLauncher::Exited { sandbox }] if sandbox == id));
    client.remove(id);
}

#[test]
fn an_agent_that_dies_while_paused_is_seen_to_be_dead() {
    let mut host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    let id = &request.sandbox;
    client.start(request.clone()).unwrap();
    let _held = host.spawn_exec(id, 1000, BUSY);
    eventually(|| runs(&host.cgroup("freezer", id)));
    client.call(pause(id)).unwrap();
    rustix::process::kill_process(host.first_process(id), rustix::process::Signal::KILL).unwrap();
    eventually(|| client.running().is_empty());
    assert_eq!(client.paused(), []);
    // The next launcher sees it so, and what is left ends in time.
    host.kill_launcher();
    host.spawn();
    let mut client = host.client();
    assert_eq!((client.running(), client.paused()), (vec![], vec![]));
    let begun = Instant::now();
    client.stop(id);
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    client.start(request.clone()).unwrap();
    assert_eq!(client.running(), std::slice::from_ref(id));
    client.remove(id);
}
