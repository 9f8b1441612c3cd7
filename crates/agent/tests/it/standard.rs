//! An agent that is reached over its standard input and output, as in a container of another engine.

use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use atoll_agent_client::{AgentClient, Way};
use atoll_ports::{
    AgentError, AgentLink, AgentShortcut, EventStream, FileAt, FilePart, Files, OpenTerminal, StartExec,
    StdinPiece, TerminalEvent, TerminalLink,
};
use atoll_stdio_link::Link;
use atoll_testkit::contract::{self, content, gathered};
use atoll_types::{ExecId, FilePath, SandboxId, Signal, TerminalSize};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::io::{AsyncWrite, copy_bidirectional};
use tokio::net::UnixListener;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::task::JoinSet;

use crate::harness::{Ran, argv, shell, soon, until};

/// PID 1 of namespaces of its own, where the agent may write into `/etc` and `/home`: they are not the host's.
const AS_CONTAINER: &str = r#"
    room=$1; shift
    exec unshare --mount --pid --fork --mount-proc --kill-child /bin/sh -ec '
        program=$1 room=$2; shift 2
        mount -t tmpfs none "$room"
        mkdir "$room/upper" "$room/work"
        mount -t overlay -o "lowerdir=/etc,upperdir=$room/upper,workdir=$room/work" none /etc
        sed -i -e /^agent:/d -e /:1000:/d /etc/passwd /etc/group
        mount -t tmpfs none /home
        exec "$program" --stdio "$@"' sh "$0" "$room" "$@"
"#;

/// An agent and the other ends of its standard streams.
#[derive(Debug)]
struct Standard {
    client: AgentClient,
    sandbox: SandboxId,
    directory: TempDir,
    process: Child,
    input: OwnedFd,
    output: OwnedFd,
    nonce: AtomicU64,
}

/// Carries connections to the agent until it is dropped.
#[derive(Debug)]
struct Relay {
    link: Link,
    _tasks: JoinSet<()>,
}

impl Standard {
    fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let room = directory.path().join("room");
        std::fs::create_dir(&room).unwrap();
        let mut process = Command::new("/bin/sh")
            .args(["-ec", AS_CONTAINER, env!("CARGO_BIN_EXE_atoll-agent")])
            .arg(&room)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap().into(), process.stdout.take().unwrap().into());
        let client = AgentClient::new(std::fs::File::open(directory.path()).unwrap().into());
        let (sandbox, nonce) = (SandboxId::random(), AtomicU64::new(0x5DEE_CE66_D001_F00D));
        Self { client, sandbox, directory, process, input, output, nonce }
    }

    /// Attaches; the relay writes no more than so many bytes, and then nothing, in the middle of a frame or not.
    async fn attach(&self, bytes: usize) -> (Relay, Arc<AtomicUsize>) {
        let left = Arc::new(AtomicUsize::new(bytes));
        let reader = Receiver::from_owned_fd(self.output.try_clone().unwrap()).unwrap();
        let sender = Sender::from_owned_fd(self.input.try_clone().unwrap()).unwrap();
        let writer = Scissors { sender, left: Arc::clone(&left) };
        let nonce = self.nonce.fetch_add(0x1234_5677_1234_5677, Ordering::Relaxed);
        let (link, driver) = Link::host(reader, writer, nonce);
        let path = self.directory.path().join(format!("{}.sock", self.sandbox));
        drop(std::fs::remove_file(&path));
        let listener = UnixListener::bind(&path).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(driver.await) });
        let opener = link.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                let Ok(mut stream) = opener.open() else { continue };
                connections
                    .spawn(async move { drop(copy_bidirectional(&mut connection, &mut stream).await) });
            }
        });
        let relay = Relay { link, _tasks: tasks };
        if bytes == usize::MAX {
            assert!(soon(relay.link.ready()).await);
        }
        (relay, left)
    }

    async fn run(&self, start: StartExec) -> Ran {
        let id = start.exec.clone();
        let ran = soon(Ran::of(self.client.exec(&self.sandbox, start).await.unwrap())).await;
        self.client.ack(&self.sandbox, &[(id, ran.last_seq)]).await.unwrap();
        ran
    }
}

impl Drop for Standard {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Writes so many bytes, and then never again.
#[derive(Debug)]
struct Scissors {
    sender: Sender,
    left: Arc<AtomicUsize>,
}

impl AsyncWrite for Scissors {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.sender).poll_write(context, &bytes[..bytes.len().min(left)]);
        if let Poll::Ready(Ok(written)) = written {
            self.left.fetch_sub(written, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sender).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sender).poll_shutdown(context)
    }
}

fn at(path: &std::path::Path) -> FileAt {
    use std::os::unix::ffi::OsStrExt;
    let path = FilePath::new(path.as_os_str().as_bytes().to_vec()).unwrap();
    FileAt { user: "root".parse().unwrap(), path, or_root: false }
}

#[tokio::test]
async fn commands_terminals_and_files_work_as_over_a_socket() {
    all_works_with(&[]).await;
}

#[tokio::test]
async fn all_works_where_a_thread_makes_the_children() {
    all_works_with(&["--no-siblings"]).await;
}

async fn all_works_with(options: &[&str]) {
    let agent = Standard::start(options);
    let _relay = agent.attach(usize::MAX).await;
    let mut start = shell("id -un; id -u; echo $HOME; cat; echo oops >&2; exit 3");
    start.user = "agent".parse().unwrap();
    start.stdin = Bytes::from_static(b"typed\n");
    let ran = agent.run(start).await;
    assert_eq!((ran.out(), ran.err(), ran.code()), ("agent\n1000\n/home/agent\ntyped\n", "oops\n", 3));

    let open = OpenTerminal {
        name: "one".parse().unwrap(),
        argv: ["/bin/sh", "-c", "read -r line; echo \"got $line\"; exit 5"].map(str::to_owned).to_vec(),
        env: Vec::new(),
        cwd: None,
        user: "agent".parse().unwrap(),
        size: TerminalSize::default(),
        linger: None,
    };
    let (key, _) = soon(TerminalLink::open(&agent.client, &agent.sandbox, open)).await.unwrap();
    let (_, mut shown) =
        soon(TerminalLink::attach(&agent.client, &agent.sandbox, &key, Some(0))).await.unwrap();
    soon(agent.client.input(&agent.sandbox, &key, Bytes::from_static(b"me\n"))).await.unwrap();
    let (mut text, mut code) = (Vec::new(), None);
    while code.is_none() {
        match soon(shown.next()).await.unwrap().unwrap() {
            TerminalEvent::Output { data, .. } => text.extend(data),
            TerminalEvent::Resized(_) => {}
            TerminalEvent::Exit(exit) => code = Some(exit),
        }
    }
    assert!(String::from_utf8_lossy(&text).contains("got me") && code == Some(5), "{text:?} {code:?}");

    let folder = tempfile::tempdir().unwrap();
    soon(contract::files(&agent.client, &agent.sandbox, "root", folder.path().join("top").to_str().unwrap()))
        .await;
}

/// Connects to a name, and to nothing else.
#[derive(Debug)]
struct ByName(String);

#[async_trait::async_trait]
impl AgentShortcut for ByName {
    async fn connect(&self, _: &SandboxId) -> Option<OwnedFd> {
        let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(&self.0).unwrap()).ok()?;
        stream.set_nonblocking(true).unwrap();
        Some(stream.into())
    }
}

#[tokio::test]
async fn from_outside_it_is_reached_by_its_name_too_and_from_inside_by_nobody() {
    let sandbox = SandboxId::random();
    let name = format!("atoll-test-{sandbox}");
    let agent = Standard::start(&["--listen", &name]);
    // Nobody is attached; that there is a socket says only that the sandbox is here.
    std::fs::write(agent.directory.path().join(format!("{sandbox}.sock")), "").unwrap();
    let directory = std::fs::File::open(agent.directory.path()).unwrap().into();
    let client = AgentClient::by(vec![Way::with_shortcut(directory, Arc::new(ByName(name.clone())))]);
    let run = async |line: &str| {
        Ok::<_, AgentError>(soon(Ran::of(client.exec(&sandbox, shell(line)).await?)).await)
    };
    until("the agent listens", async || run("true").await.is_ok()).await;
    assert_eq!(run("echo past the streams").await.unwrap().out(), "past the streams\n");

    // The first bytes of HTTP/2, to which an agent answers with its settings.
    let ask = format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0{name}')\n\
         try:\n s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + b'\\0\\0\\0\\4' + b'\\0' * 5)\n \
         print(len(s.recv(9)))\nexcept OSError: print(0)\n"
    );
    let outside = Command::new("python3").args(["-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&outside.stdout), "9\n", "{outside:?}");
    let within = format!("cat > /tmp/ask.$$ <<'END'\n{ask}END\n");
    for python in ["python3", "unshare --pid --fork python3"] {
        let ran = run(&format!("{within}{python} /tmp/ask.$$; rm /tmp/ask.$$")).await.unwrap();
        assert_eq!((ran.out(), ran.err()), ("0\n", ""), "{python}");
    }
    assert_eq!(run("echo still there").await.unwrap().out(), "still there\n");
}

#[tokio::test]
async fn a_large_file_goes_as_bytes_where_no_descriptor_can_be_handed_over() {
    let agent = Standard::start(&[]);
    let _relay = agent.attach(usize::MAX).await;
    let folder = tempfile::tempdir().unwrap();
    let file = at(&folder.path().join("large"));
    let sent: Vec<u8> =
        (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
    soon(agent.client.write(&agent.sandbox, &file, None, content(&[&sent]))).await.unwrap();
    assert!(std::fs::read(folder.path().join("large")).unwrap() == sent);
    let read = soon(agent.client.read(&agent.sandbox, &file, FilePart::WHOLE)).await.unwrap();
    assert!(gathered(read.content).await == sent);
}

/// What a command writes, gathered over any number of attaches.
async fn gather(
    agent: &Standard,
    id: &ExecId,
    mut events: EventStream,
    ran: &mut Ran,
) -> Result<(), AgentError> {
    loop {
        while let Some(event) = soon(events.next()).await {
            ran.add(event?);
        }
        if ran.exit.is_some() {
            return Ok(());
        }
        events = AgentLink::attach(&agent.client, &agent.sandbox, id, ran.last_seq).await?;
    }
}

#[tokio::test]
async fn a_command_goes_on_without_a_host_and_its_output_has_no_gap() {
    let agent = Standard::start(&[]);
    let start = shell("for i in $(seq 30000); do echo line $i; [ $((i % 100)) -gt 0 ] || sleep 0.002; done");
    let id = start.exec.clone();
    let (relay, _) = agent.attach(usize::MAX).await;
    let mut ran = Ran::default();
    let mut events = agent.client.exec(&agent.sandbox, start).await.unwrap();
    // In the middle of its output, the relay goes, again and again.
    let mut relay = Some(relay);
    let mut cuts = 0;
    while ran.exit.is_none() {
        let enough = ran.stdout.len() + 20_000;
        let broke = loop {
            match soon(events.next()).await {
                Some(Ok(event)) => ran.add(event),
                Some(Err(_)) | None => break true,
            }
            if ran.exit.is_some() || ran.stdout.len() > enough {
                break false;
            }
        };
        if ran.exit.is_none() {
            cuts += usize::from(!broke);
            drop(relay.take());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            relay = Some(agent.attach(usize::MAX).await.0);
            events = loop {
                // What was seen makes room in the agent.
                drop(soon(agent.client.ack(&agent.sandbox, &[(id.clone(), ran.last_seq)])).await);
                // The client may not know yet that its connection is gone.
                match soon(AgentLink::attach(&agent.client, &agent.sandbox, &id, ran.last_seq)).await {
                    Ok(events) => break events,
                    Err(AgentError::Unreachable(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            };
        }
    }
    assert!(cuts > 3, "{cuts}");
    let expected: String = (1..=30_000).map(|i| format!("line {i}\n")).collect();
    assert!(ran.out() == expected, "{} bytes of {}", ran.stdout.len(), expected.len());
}

#[tokio::test]
async fn input_that_is_cut_in_the_middle_of_a_frame_arrives_once() {
    let agent = Standard::start(&[]);
    let mut start = shell("exec sha256sum");
    start.stdin_open = true;
    let id = start.exec.clone();
    let sent: Vec<u8> =
        (0..700_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
    let piece = || StdinPiece { offset: Some(0), data: Bytes::copy_from_slice(&sent), eof: true };
    let (relay, mut left) = agent.attach(usize::MAX).await;
    let events = agent.client.exec(&agent.sandbox, start).await.unwrap();
    drop(events);
    let mut relay = Some(relay);
    left.store(100_001, Ordering::Relaxed);
    for bytes in [120_003, 250_000, 333_333] {
        let cut = soon(async {
            tokio::select! {
                done = agent.client.stdin(&agent.sandbox, &id, piece()) => panic!("{done:?} in spite of the cut"),
                () = until("the relay is cut", async || left.load(Ordering::Relaxed) == 0) => {}
            }
        });
        cut.await;
        drop(relay.take());
        let (again, again_left) = agent.attach(usize::MAX).await;
        again_left.store(bytes, Ordering::Relaxed);
        (relay, left) = (Some(again), again_left);
    }
    drop(relay);
    let _relay = agent.attach(usize::MAX).await;
    until("all input is taken", async || {
        soon(agent.client.stdin(&agent.sandbox, &id, piece())).await.is_ok()
    })
    .await;
    let mut ran = Ran::default();
    let events = AgentLink::attach(&agent.client, &agent.sandbox, &id, 0).await.unwrap();
    gather(&agent, &id, events, &mut ran).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("-"), &sent).unwrap();
    let sum = Command::new("sha256sum").arg("./-").current_dir(&folder).output().unwrap();
    assert_eq!(ran.out().split(' ').next(), String::from_utf8(sum.stdout).unwrap().split(' ').next());
}

#[tokio::test]
async fn nothing_inside_has_the_standard_streams_of_the_agent() {
    for options in [&[] as &[&str], &["--no-siblings"]] {
        streams_stay_the_agents_with(options).await;
    }
}

async fn streams_stay_the_agents_with(options: &[&str]) {
    let agent = Standard::start(options);
    let _relay = agent.attach(usize::MAX).await;
    let inode = |fd: &OwnedFd| std::fs::File::from(fd.try_clone().unwrap()).metadata().unwrap().ino();
    let ran = agent.run(shell("ls -l /proc/self/fd")).await;
    for stream in [&agent.input, &agent.output] {
        let name = format!("pipe:[{}]", inode(stream));
        assert!(ran.out().contains("pipe:[") && !ran.out().contains(&name), "{}", ran.out());
    }
    // What the agent has in their place leads nowhere.
    let pid = ran_pid(&agent).await;
    for fd in 0..=3 {
        let target = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
        assert_eq!(target.to_str(), Some("/dev/null"), "descriptor {fd}");
    }
}

/// The agent's number as the host counts.
async fn ran_pid(agent: &Standard) -> u32 {
    let children = |pid: u32| {
        let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        listed.split_whitespace().map(|pid| pid.parse().unwrap()).next()
    };
    children(agent.process.id()).unwrap()
}

#[tokio::test]
async fn without_capabilities_not_even_root_has_any_and_the_agent_goes_on() {
    for options in [&["--no-capabilities"] as &[&str], &["--no-siblings", "--no-capabilities"]] {
        nobody_has_capabilities_with(options).await;
    }
}

#[tokio::test]
async fn children_of_a_thread_are_each_their_own_and_may_be_stopped_and_killed() {
    let agent = Standard::start(&["--no-siblings"]);
    let _relay = agent.attach(usize::MAX).await;
    let run = async |n: usize| {
        let mut start =
            shell(&format!("cd /usr; printf '%s ' {n} $$ $PPID; no-such-{n}; ls /proc/self/fd; exit {n}"));
        start.user = format!("{}:77", 3_000 + n).parse().unwrap();
        let ran = agent.run(start).await;
        assert!(ran.err().contains(&format!("no-such-{n}:")), "{n}: {}", ran.err());
        assert_eq!(ran.code(), i32::try_from(n).unwrap());
        // The streams, and the folder that `ls` looks at.
        assert_eq!(ran.out().split_whitespace().skip(3).collect::<Vec<_>>(), ["0", "1", "2", "3"], "{n}");
        let ids: Vec<usize> = ran.out().split_whitespace().take(3).map(|id| id.parse().unwrap()).collect();
        assert_eq!((ids[0], ids[2]), (n, 1), "a child of the agent's");
        ids[1]
    };
    let mut pids = join_all((0..40).map(run)).await;
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 40);
    // One that is killed and has not ended yet would be given the next command.
    let until_gone = "for pid in $pids; do while [ -e /proc/$pid ]; do sleep 0.01; done; done";
    for (signal, then) in [("STOP", ":"), ("KILL", until_gone)] {
        for _ in 0..8 {
            // The one that waits, and with it the thread. It is made beside a command only after a while.
            let line = format!(
                "until pids=$(pgrep atoll-spare); do sleep 0.01; done; kill -{signal} $pids && {then}"
            );
            assert_eq!(agent.run(shell(&line)).await.code(), 0, "{signal}");
            assert_eq!(agent.run(shell("echo alive")).await.out(), "alive\n", "{signal}");
        }
    }
    let large = "x".repeat(100_000);
    let ran = agent.run(argv(&["/bin/sh", "-c", "printf %s \"$1\" | wc -c", "sh", &large])).await;
    assert_eq!(ran.out().trim(), "100000");
    assert_eq!(agent.run(argv(&["no-such-program"])).await.code(), 127);
}

async fn nobody_has_capabilities_with(options: &[&str]) {
    let agent = Standard::start(options);
    let _relay = agent.attach(usize::MAX).await;
    let ran = agent.run(shell("grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status")).await;
    let none = "0000000000000000";
    let expected =
        format!("CapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\n");
    assert_eq!(ran.out(), expected);
    let mut start = shell("id -un");
    start.user = "agent".parse().unwrap();
    assert_eq!(agent.run(start).await.out(), "agent\n");
    // Somebody else's process can still be ended.
    let mut start = shell("sleep 60");
    start.user = "agent".parse().unwrap();
    let id = start.exec.clone();
    let events = agent.client.exec(&agent.sandbox, start).await.unwrap();
    agent.client.signal(&agent.sandbox, &id, Signal::Kill).await.unwrap();
    assert_eq!(soon(Ran::of(events)).await.code(), 128 + 9);
}
