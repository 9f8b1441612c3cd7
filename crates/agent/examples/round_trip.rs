//! How long an exec of `true` takes through the client and a real agent, beside a plain fork and exec.
//!
//! `cargo run -p atoll-agent --example round_trip -- path/to/atoll-agent [rounds] [pause in ms] [cgroup.procs …]`, or with
//! `--stdio rounds command …` for the program, with an agent that a command has at its standard input and output, such as
//! `docker run -i IMAGE /agent --stdio`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for people")]

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use atoll_agent_client::AgentClient;
use atoll_ports::{AgentLink, StartExec};
use atoll_stdio_link::Link;
use atoll_types::{ExecId, ExecKind, SandboxId};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::copy_bidirectional;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::task::JoinSet;

/// How many events are acknowledged at once.
const ACK_EVERY: u64 = 8;

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |permille: usize| times[(times.len() - 1) * permille / 1000].as_micros();
    println!("{what:32} p50 {:>6} µs   p90 {:>6} µs   p99 {:>6} µs", at(500), at(900), at(990));
}

/// Runs a program, acknowledges what it does, and tells how long it took until its exit was here.
async fn exec(client: &AgentClient, sandbox: &SandboxId, argv: &[&str]) -> Duration {
    let began = Instant::now();
    let start = StartExec {
        exec: ExecId::random(),
        kind: ExecKind::Exec,
        argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
        env: Vec::new(),
        cwd: None,
        user: "root".parse().unwrap(),
        timeout: None,
        stdin: Bytes::new(),
        stdin_open: false,
        tty: None,
    };
    let id = start.exec.clone();
    let mut events = client.exec(sandbox, start).await.unwrap();
    let mut last = 0;
    while let Some(event) = events.next().await {
        last = event.unwrap().seq;
        if last % ACK_EVERY == 0 {
            client.ack(sandbox, &[(id.clone(), last)]).await.unwrap();
        }
    }
    let took = began.elapsed();
    client.ack(sandbox, &[(id, last)]).await.unwrap();
    took
}

fn memory_of(pid: &str, what: &str) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let fields = rollup.lines().filter(|line| line.starts_with(what));
    fields.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

fn print_memory(agent: u32, when: &str) {
    let children =
        std::fs::read_to_string(format!("/proc/{agent}/task/{agent}/children")).unwrap_or_default();
    for pid in std::iter::once(agent.to_string()).chain(children.split_whitespace().map(str::to_owned)) {
        println!(
            "{when:18} pid {pid:>7}: PSS {} KiB, private dirty {} KiB",
            memory_of(&pid, "Pss:"),
            memory_of(&pid, "Private_Dirty:")
        );
    }
}

/// Connections to the socket are streams of a link to a command's standard input and output.
fn relay(listener: UnixListener, command: &[String]) -> (Child, JoinSet<()>) {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let reader = Receiver::from_owned_fd(child.stdout.take().unwrap().into()).unwrap();
    let writer = Sender::from_owned_fd(child.stdin.take().unwrap().into()).unwrap();
    // Nobody else says anything to an agent of one's own.
    let (link, driver) = Link::host(reader, writer, u64::from(std::process::id()) << 32 | 0x5EED);
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::UnixListener::from_std(listener).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { println!("the link ended: {}", driver.await) });
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut stream = link.open().unwrap();
            connections.spawn(async move { drop(copy_bidirectional(&mut connection, &mut stream).await) });
        }
    });
    (child, tasks)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let program = args.next().unwrap();
    let rounds: usize = args.next().map_or(1000, |n| n.parse().unwrap());
    let directory = std::env::temp_dir().join(format!("atoll-round-trip-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let sandbox = SandboxId::random();
    let listener = UnixListener::bind(directory.join(format!("{sandbox}.sock"))).unwrap();
    let mut pause = Duration::ZERO;
    let (mut agent, _relay) = if program == "--stdio" {
        relay(listener, &args.collect::<Vec<_>>())
    } else {
        pause = Duration::from_millis(args.next().map_or(0, |n| n.parse().unwrap()));
        let cgroups: Vec<String> = args.collect();
        let opens: String = (4..).zip(&cgroups).map(|(fd, path)| format!(" {fd}>{path}")).collect();
        let script = format!("exec 3<&0 </dev/null{opens}; exec \"$0\" --cgroup-fds {}", cgroups.len());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script, &program]).stdin(Stdio::from(OwnedFd::from(listener)));
        (command.spawn().unwrap(), JoinSet::new())
    };
    let client = AgentClient::new(std::fs::File::open(&directory).unwrap().into());
    let began = Instant::now();
    exec(&client, &sandbox, &["/bin/true"]).await;
    println!("{:32} {:>10} µs", "first, from the agent's start", began.elapsed().as_micros());
    let (mut local, mut remote, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        tokio::time::sleep(pause).await;
        let began = Instant::now();
        Command::new("/bin/true").status().unwrap();
        local.push(began.elapsed());
        tokio::time::sleep(pause).await;
        remote.push(exec(&client, &sandbox, &["/bin/true"]).await);
        let began = Instant::now();
        client.list(&sandbox).await.unwrap();
        lists.push(began.elapsed());
    }
    let took = exec(&client, &sandbox, &["/usr/bin/head", "-c", "200000000", "/dev/zero"]).await;
    println!("{:32} {:>10.0} MB/s", "output", 200.0 / took.as_secs_f64());
    print("a call without a command", lists);
    print("local spawn", local);
    print("exec through the agent", remote);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    print_memory(agent.id(), "connected");
    client.forget(&sandbox);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    print_memory(agent.id(), "disconnected");
    agent.kill().unwrap();
    agent.wait().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
}
