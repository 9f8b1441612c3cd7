//! An agent of one's own, outside a sandbox.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use atoll_agent_client::AgentClient;
use atoll_ports::{AgentError, AgentLink, EventStream, StartExec};
use atoll_types::{ExecEvent, ExecEventKind, ExecExit, ExecId, ExecKind, OutputStream, SandboxId};
use bytes::Bytes;
use futures_util::StreamExt;
use tempfile::TempDir;

use crate::cgroup::Cgroup;

/// Runs as an ordinary process: the agent itself.
const PLAIN: &str = "exec 3<&0 </dev/null >/dev/null 2>&1; exec \"$0\"";
/// Runs as PID 1 of a namespace.
const AS_INIT: &str = "exec 3<&0 </dev/null; exec unshare --pid --fork --mount-proc --kill-child \"$0\"";

/// An agent, killed when dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) client: AgentClient,
    pub(crate) sandbox: SandboxId,
    pub(crate) directory: TempDir,
    pub(crate) process: Child,
}

impl Agent {
    pub(crate) fn plain() -> Self {
        Self::start(PLAIN)
    }

    pub(crate) fn as_init() -> Self {
        Self::start(AS_INIT)
    }

    /// Started by somebody who waits for no children.
    pub(crate) fn with_ends_ignored() -> Self {
        Self::start(&format!("trap '' CHLD; {PLAIN}"))
    }

    /// With capabilities that its children would inherit, and none that they could gain.
    pub(crate) fn with_inheritable_capabilities() -> Self {
        let setpriv = "exec setpriv --inh-caps -all,+kill,+setuid,+setgid setpriv --bounding-set -all \"$0\"";
        Self::start(&PLAIN.replace("exec \"$0\"", setpriv))
    }

    /// As PID 1, with its commands in that cgroup. Dropped before the cgroup: declare it after.
    pub(crate) fn in_cgroup(cgroup: &Cgroup) -> Self {
        Self::start(
            &AS_INIT
                .replace("exec unshare", &format!("exec 4>{}; exec unshare", cgroup.procs()))
                .replace("\"$0\"", "\"$0\" --cgroup-fds 1"),
        )
    }

    fn start(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = SandboxId::random();
        let listener = UnixListener::bind(directory.path().join(format!("{sandbox}.sock"))).unwrap();
        let process = Command::new("/bin/sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_atoll-agent")])
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .spawn()
            .unwrap();
        let client = client(&directory);
        Self { client, sandbox, directory, process }
    }

    /// Another serve.
    pub(crate) fn second_client(&self) -> AgentClient {
        client(&self.directory)
    }

    pub(crate) async fn exec(&self, start: StartExec) -> EventStream {
        self.client.exec(&self.sandbox, start).await.unwrap()
    }

    /// Runs a line of shell to its end, acknowledged.
    pub(crate) async fn sh(&self, line: &str) -> Ran {
        self.run(shell(line)).await
    }

    pub(crate) async fn run(&self, start: StartExec) -> Ran {
        let id = start.exec.clone();
        let ran = Ran::of(self.exec(start).await).await;
        self.client.ack(&self.sandbox, &[(id, ran.last_seq)]).await.unwrap();
        ran
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn client(directory: &TempDir) -> AgentClient {
    AgentClient::new(std::fs::File::open(directory.path()).unwrap().into())
}

/// What a command did.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Option<ExecExit>,
    pub(crate) last_seq: u64,
}

impl Ran {
    /// Reads to the end.
    pub(crate) async fn of(mut events: EventStream) -> Self {
        let mut ran = Self::default();
        while let Some(event) = events.next().await {
            ran.add(event.unwrap());
        }
        ran
    }

    pub(crate) fn add(&mut self, event: ExecEvent) {
        self.last_seq = event.seq;
        match event.kind {
            ExecEventKind::Start => {}
            ExecEventKind::Output(OutputStream::Stdout, data) => self.stdout.extend(data),
            ExecEventKind::Output(OutputStream::Stderr, data) => self.stderr.extend(data),
            ExecEventKind::Exit(exit) => self.exit = Some(exit),
        }
    }

    pub(crate) fn code(&self) -> i32 {
        self.exit.as_ref().unwrap().code
    }

    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn err(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap()
    }
}

/// A command to start.
pub(crate) fn argv(argv: &[&str]) -> StartExec {
    StartExec {
        exec: ExecId::random(),
        kind: ExecKind::Exec,
        argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
        env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
        cwd: None,
        user: "root".parse().unwrap(),
        timeout: None,
        stdin: Bytes::new(),
        stdin_open: false,
        tty: None,
    }
}

/// A line of shell to start.
pub(crate) fn shell(line: &str) -> StartExec {
    argv(&["/bin/sh", "-c", line])
}

/// Reads events until one is an output, and returns its bytes.
pub(crate) async fn next_output(events: &mut EventStream) -> Vec<u8> {
    loop {
        let event = soon(events.next()).await.unwrap().unwrap();
        if let ExecEventKind::Output(_, data) = event.kind {
            return data;
        }
    }
}

/// Guard against what never happens; long, since other tests may keep both cores busy with fork bombs.
const SOON: Duration = Duration::from_secs(60);

/// What must happen soon.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("within a minute")
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// An error, where a stream is no answer.
pub(crate) fn refusal(answer: Result<EventStream, AgentError>) -> AgentError {
    answer.err().expect("refused")
}
