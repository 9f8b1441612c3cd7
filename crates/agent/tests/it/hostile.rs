//! Commands that close, flood and kill what they can reach. The agent is PID 1 here, as in a sandbox.

use std::time::Duration;

use atoll_ports::AgentLink;
use atoll_types::Signal;

use crate::cgroup::Cgroup;
use crate::harness::{Agent, Ran, argv, shell, soon, until};

async fn answers(agent: &Agent) {
    let ran = soon(agent.sh("echo alive")).await;
    assert_eq!((ran.out(), ran.code()), ("alive\n", 0));
}

/// Processes of the sandbox as `pid parent state name`, without the one that looks.
async fn processes(agent: &Agent) -> String {
    soon(agent.sh("sleep 0.02; ps -e -o pid=,ppid=,stat=,comm= | grep -vE ' (ps|grep|sh)$'"))
        .await
        .out()
        .to_owned()
}

#[tokio::test]
async fn orphans_are_reaped_and_their_ends_are_nobody_elses() {
    let agent = Agent::as_init();
    let ran = soon(agent.sh("for i in $(seq 50); do (sh -c 'exit 9' &) ; done; sleep 0.2; exit 3")).await;
    assert_eq!(ran.code(), 3);
    until("no zombie is left", async || !processes(&agent).await.contains(" Z")).await;
}

#[tokio::test]
async fn whoever_kills_everything_kills_only_the_workload() {
    let agent = Agent::as_init();
    answers(&agent).await;
    let victim = agent.exec(shell("sleep 60")).await;
    for signal in ["TERM", "HUP", "INT", "CHLD", "USR1", "SEGV", "STOP", "KILL"] {
        let killer = soon(agent.sh(&format!("kill -{signal} 1; kill -{signal} -1; sleep 0.05"))).await;
        assert!(killer.exit.is_some(), "{signal}");
        let cont = soon(agent.sh("kill -CONT -1; :")).await;
        assert!(cont.exit.is_some());
        answers(&agent).await;
    }
    assert_eq!(soon(Ran::of(victim)).await.exit.map(|exit| exit.code > 128), Some(true));
}

#[tokio::test]
async fn a_stopped_spare_still_runs_the_next_command() {
    let agent = Agent::as_init();
    answers(&agent).await;
    until("a spare waits", async || processes(&agent).await.contains("atoll-spare")).await;
    soon(agent.sh("sleep 0.05; pkill -STOP atoll-spare; :")).await;
    answers(&agent).await;
    soon(agent.sh("sleep 0.05; pkill -KILL atoll-spare; sleep 0.05")).await;
    answers(&agent).await;
}

#[tokio::test]
async fn commands_in_a_row_are_in_the_group_from_their_beginning_and_leave_one_spare() {
    let cgroup = Cgroup::with_pids_max(500);
    let agent = Agent::in_cgroup(&cgroup);
    answers(&agent).await;
    // The one that breeds is there by now: without it each command would have its own way into the group.
    until("two wait", async || cgroup.pids() >= 2).await;
    for _ in 0..40 {
        let ran = soon(agent.sh("cat /proc/self/cgroup; ulimit -Hc; ps -o sid=,pgid= -p $$")).await;
        assert!(ran.out().contains(cgroup.name()), "{}", ran.out());
        let ids: Vec<&str> = ran.out().lines().last().unwrap().split_whitespace().collect();
        assert_eq!(ids[0], ids[1], "each leads a session: {}", ran.out());
    }
    until("the row has ended", async || cgroup.pids() == 2).await;
}

#[tokio::test]
async fn a_breeder_that_is_killed_or_stopped_costs_no_command() {
    let cgroup = Cgroup::with_pids_max(501);
    let agent = Agent::in_cgroup(&cgroup);
    answers(&agent).await;
    for signal in ["STOP", "KILL"] {
        until("both wait", async || processes(&agent).await.matches("atoll-spare").count() >= 2).await;
        for _ in 0..8 {
            // Whoever waits, the breeder too, and when the agent may just have asked it. A spare that is dying is seen as dead a
            // moment later.
            soon(agent.sh(&format!("pkill -{signal} atoll-spare; sleep 0.05"))).await;
            answers(&agent).await;
            answers(&agent).await;
        }
    }
    until("they are made anew", async || processes(&agent).await.matches("atoll-spare").count() >= 2).await;
}

#[tokio::test]
async fn children_that_wait_end_with_their_agent() {
    let agent = Agent::plain();
    answers(&agent).await;
    let id = agent.process.id();
    let children = || std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    until("one waits", async || children().split_whitespace().count() >= 1).await;
    let children = children();
    drop(agent);
    for child in children.split_whitespace() {
        let name = format!("/proc/{child}/comm");
        let waits = || std::fs::read_to_string(&name).is_ok_and(|name| name == "atoll-spare\n");
        until("it has ended", async || !waits()).await;
    }
}

#[tokio::test]
async fn limits_cannot_be_set_on_the_agent_from_inside() {
    let agent = Agent::as_init();
    // As in a sandbox: root, without the capabilities to override.
    let drop_caps = "setpriv --bounding-set -all --inh-caps -all prlimit --pid 1 --cpu=1:1";
    let ran = soon(agent.sh(drop_caps)).await;
    assert_ne!(ran.code(), 0, "{} {}", ran.out(), ran.err());
    answers(&agent).await;
}

#[tokio::test]
async fn descriptors_and_memory_of_the_agent_are_closed_to_the_workload() {
    let agent = Agent::as_init();
    let drop_caps = "setpriv --bounding-set -all --inh-caps -all sh -c";
    let look =
        format!("{drop_caps} 'cat /proc/1/fd/3; cat /proc/1/mem; cat /proc/1/environ; cat /proc/1/maps'");
    let ran = soon(agent.sh(&look)).await;
    assert_eq!(ran.out(), "");
    assert_eq!(ran.err().matches("Permission denied").count(), 4, "{}", ran.err());
}

#[tokio::test]
async fn a_fork_bomb_leaves_the_agent_alone() {
    let agent = Agent::as_init();
    let mut bomb = shell("ulimit -u 60; f() { f | f & }; while :; do f 2>/dev/null; done");
    bomb.user = "4242".parse().unwrap();
    bomb.timeout = Some(Duration::from_millis(500));
    let id = bomb.exec.clone();
    let events = agent.exec(bomb).await;
    let drained = async {
        let mut events = events;
        let mut last = 0;
        while let Some(event) = futures_util::StreamExt::next(&mut events).await {
            last = event.unwrap().seq;
            agent.client.ack(&agent.sandbox, &[(id.clone(), last)]).await.unwrap();
        }
        last
    };
    let (last, ()) = tokio::join!(async { soon(drained).await }, answers(&agent));
    assert!(last >= 2);
    answers(&agent).await;
}

#[tokio::test]
async fn a_command_runs_in_the_workloads_cgroup_and_the_agent_does_not() {
    let cgroup = Cgroup::with_pids_max(1000);
    let agent = Agent::in_cgroup(&cgroup);
    let ran = soon(agent.sh("cat /proc/self/cgroup; echo; cat /proc/1/cgroup; ls /proc/$$/fd")).await;
    let (own, rest) = ran.out().split_once("\n\n").unwrap();
    assert!(own.contains(cgroup.name()), "{own}");
    assert!(!rest.contains(cgroup.name()) && rest.ends_with("\n0\n1\n2\n"), "{rest}");
}

#[tokio::test]
async fn a_cgroup_full_of_processes_still_takes_commands() {
    let cgroup = Cgroup::with_pids_max(30);
    let agent = Agent::in_cgroup(&cgroup);
    answers(&agent).await;
    let bomb = shell("for i in $(seq 200); do sleep 60 & done 2>/dev/null; sleep 60");
    drop(agent.exec(bomb).await);
    until("it is full", async || cgroup.pids() >= 28).await;
    // The kernel never refuses a process that comes in; it refuses the forks of those inside.
    for _ in 0..5 {
        let ran = soon(agent.run(argv(&["/bin/echo", "alive"]))).await;
        assert_eq!((ran.out(), ran.code()), ("alive\n", 0));
    }
}

#[tokio::test]
async fn a_flood_of_output_silences_no_other_command() {
    let agent = Agent::plain();
    let mut floods = Vec::new();
    for _ in 0..30 {
        let start = argv(&["yes"]);
        floods.push(start.exec.clone());
        drop(agent.exec(start).await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ran = soon(agent.sh("head -c 50000 /dev/zero; echo heard >&2")).await;
    assert_eq!((ran.stdout.len(), ran.err()), (50_000, "heard\n"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.process.id())).unwrap();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    assert!(peak.is_some_and(|kib: u64| kib < 48 << 10), "{peak:?} KiB");
    for id in floods {
        agent.client.signal(&agent.sandbox, &id, Signal::Kill).await.unwrap();
    }
}

#[tokio::test]
async fn memory_is_given_back_after_a_burst() {
    let agent = Agent::plain();
    let mut acks = Vec::new();
    for _ in 0..20 {
        let start = shell("head -c 900000 /dev/zero");
        acks.push((start.exec.clone(), u64::MAX));
        soon(Ran::of(agent.exec(start).await)).await;
    }
    let anonymous = || {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", agent.process.id())).unwrap();
        let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    assert!(anonymous() > 16 << 10, "{} KiB", anonymous());
    agent.client.ack(&agent.sandbox, &acks).await.unwrap();
    until("the memory is given back", async || anonymous() < 2 << 10).await;
}
