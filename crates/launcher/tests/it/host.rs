//! A launcher with a data folder of its own, as the supervisor would start it, and a client.
#![allow(unsafe_code)]

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use atoll_launcher_protocol::{
    Answer, Call, Failure, FromLauncher, PACKET_BYTES_MAX, Remains, Reply, Request, StartSandbox, receive,
    send,
};
use atoll_types::{Capabilities, ImageSource, InstallationId, Limits, Network, SandboxId};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with, socketpair,
};

/// Group and user of serve in tests.
const SERVE: u32 = 64_321;

/// Whether a file was made after another was changed.
fn is_newer(file: &Path, than: &Path) -> bool {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    changed(file) > changed(than)
}

/// The tests' stand-in for the agent, compiled once into the target folder.
pub fn agent_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/agent.rs.txt");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("test-agent");
        if is_newer(&program, &source) {
            return program;
        }
        // No extension: rustc takes it away for the names of its own files, which then belong to all who compile at once.
        let new = program.with_file_name(format!("test-agent-{}", std::process::id()));
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let status = Command::new(rustc)
            .args([
                "--edition",
                "2024",
                "-O",
                "-C",
                "target-feature=+crt-static",
                "-C",
                "panic=abort",
                "--crate-name",
                "agent",
            ])
            .arg(&source)
            .arg("-o")
            .arg(&new)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        // Tests are processes of their own and may all be here at once: each sees a whole program.
        std::fs::rename(&new, &program).unwrap();
        program
    })
}

/// The unpacker, static as it ships: from the programs that `make build` made, or built here, once.
pub fn unpack_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target = Path::new(env!("CARGO_BIN_EXE_atoll-launcher")).ancestors().nth(2).unwrap();
        let triple = "x86_64-unknown-linux-gnu";
        // Where cargo built it, not `dist`: that is left alone, and old, when a newer source made the same program.
        let built = target.join("dist-build").join(triple).join("small/atoll-unpack");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../unpack/src");
        if std::fs::read_dir(sources).unwrap().all(|source| is_newer(&built, &source.unwrap().path())) {
            return built;
        }
        let target = target.join("static");
        let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
            .args(["build", "--quiet", "--package", "atoll-unpack", "--target", triple])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .status()
            .unwrap();
        assert!(status.success());
        target.join(triple).join("debug/atoll-unpack")
    })
}

pub struct Host {
    pub dir: tempfile::TempDir,
    listener: OwnedFd,
    unpack: PathBuf,
    /// The way to the egress program, which is not there: the launcher's end and its own.
    egress: (OwnedFd, OwnedFd),
    launcher: Option<Child>,
}

impl Host {
    pub fn new() -> Self {
        Self::with_unpack(agent_program())
    }

    /// With the real unpacker, which takes a moment to build the first time.
    pub fn with_unpack(unpack: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("atoll-launcher-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("run")).unwrap();
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(dir.path().join("run/launcher.sock")).unwrap()).unwrap();
        listen(&listener, 16).unwrap();
        let egress =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let mut host = Self { dir, listener, unpack: unpack.to_owned(), egress, launcher: None };
        host.spawn();
        // It answers once it has made its folders.
        drop(host.client());
        host
    }

    pub fn spawn(&mut self) {
        let agent = std::fs::File::open(agent_program()).unwrap();
        let unpack = std::fs::File::open(&self.unpack).unwrap();
        let fds =
            [self.listener.as_raw_fd(), agent.as_raw_fd(), unpack.as_raw_fd(), self.egress.0.as_raw_fd()];
        let mut command = Command::new(env!("CARGO_BIN_EXE_atoll-launcher"));
        command.arg("--data-dir").arg(self.dir.path());
        command.args(["--serve-gid", &SERVE.to_string(), "--serve-uid", &SERVE.to_string()]);
        // SAFETY: only async-signal-safe calls.
        unsafe {
            command.pre_exec(move || {
                let high = fds.map(|fd| libc::fcntl(fd, libc::F_DUPFD, 100));
                for (place, fd) in (3..).zip(high) {
                    libc::dup2(fd, place);
                    libc::close(fd);
                }
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        self.launcher = Some(command.spawn().unwrap());
    }

    /// Processes that are the launcher of this data folder, or copies of it.
    pub fn launcher_processes(&self) -> usize {
        let dir = self.dir.path().to_str().unwrap();
        let processes = names(Path::new("/proc")).into_iter().filter(|name| name.parse::<u32>().is_ok());
        let lines = processes.filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok());
        lines.filter(|line| line.contains("atoll-launcher\0") && line.contains(dir)).count()
    }

    pub fn kill_launcher(&mut self) {
        let mut launcher = self.launcher.take().unwrap();
        launcher.kill().unwrap();
        launcher.wait().unwrap();
    }

    pub fn client(&self) -> Client {
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        connect(&socket, &SocketAddrUnix::new(self.dir.path().join("run/launcher.sock")).unwrap()).unwrap();
        let mut client = Client { socket, next: 0, events: Vec::new(), descriptors: Vec::new() };
        client.call(Call::Hello { version: 1 }).unwrap();
        client
    }

    /// Runs a command in a sandbox through the stand-in agent; its output and exit code.
    pub fn exec(&self, sandbox: &SandboxId, uid: u32, argv: &[&str]) -> (String, i32) {
        let mut stream = self.connect(sandbox);
        let _dead = stream.write_all(format!("{uid}\0{}", argv.join("\0")).as_bytes());
        let _dead = stream.shutdown(std::net::Shutdown::Write);
        let mut text = String::new();
        let _dead = stream.read_to_string(&mut text);
        let Some((output, code)) = text.trim_end().rsplit_once("\nexit ") else { return (text, -9) };
        (output.to_owned(), code.parse().unwrap())
    }

    /// The same of a shell script.
    pub fn shell(&self, sandbox: &SandboxId, uid: u32, script: &str) -> (String, i32) {
        self.exec(sandbox, uid, &["/bin/sh", "-c", script])
    }

    /// Begins a command and does not wait for it.
    pub fn spawn_exec(&self, sandbox: &SandboxId, uid: u32, script: &str) -> UnixStream {
        let mut stream = self.connect(sandbox);
        stream.write_all(format!("{uid}\0/bin/sh\0-c\0{script}").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream
    }

    /// The first process of a sandbox.
    pub fn first_process(&self, sandbox: &SandboxId) -> rustix::process::Pid {
        let path = self.dir.path().join(format!("native/pool/sandboxes/{sandbox}/state.json"));
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let pid = i32::try_from(state["process"]["pid"].as_i64().unwrap()).unwrap();
        rustix::process::Pid::from_raw(pid).unwrap()
    }

    pub fn connect(&self, sandbox: &SandboxId) -> UnixStream {
        UnixStream::connect(self.dir.path().join(format!("run/agents/{sandbox}.sock"))).unwrap()
    }

    pub fn cgroup(&self, controller: &str, sandbox: &SandboxId) -> PathBuf {
        PathBuf::from(format!("/sys/fs/cgroup/{controller}/atoll-{}/sandbox-{sandbox}", self.installation()))
    }

    /// Whose launcher this is.
    pub(crate) fn installation(&self) -> InstallationId {
        let text = std::fs::read_to_string(self.dir.path().join("installation")).unwrap();
        text.trim().parse().unwrap()
    }

    /// Everything of this installation that the host shows: mounts, groups, sockets, files.
    pub fn traces(&self) -> Vec<String> {
        let mut traces = Vec::new();
        let dir = self.dir.path().to_str().unwrap().to_owned();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        traces.extend(mounts.lines().filter(|line| line.contains(&dir)).map(|line| format!("mount {line}")));
        let installation = self.installation();
        for controller in ["memory", "cpu", "pids", "freezer", "cpuacct"] {
            let base = format!("/sys/fs/cgroup/{controller}/atoll-{installation}");
            traces.extend(
                folders(Path::new(&base)).into_iter().map(|name| format!("group {controller} {name}")),
            );
        }
        for folder in ["run/agents", "native/pool/sandboxes", "native/pool/trash"] {
            traces.extend(
                names(&self.dir.path().join(folder)).into_iter().map(|name| format!("file {folder}/{name}")),
            );
        }
        traces
    }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn folders(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| folder.join(name).is_dir()).collect()
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.launcher.is_none() {
            self.spawn();
        }
        let mut client = self.client();
        for remains in client.audit().0 {
            let _best_effort = client.call(Call::Remove { sandbox: remains.sandbox });
        }
        eventually(|| client.audit().1 == 0);
        self.kill_launcher();
        let _not_mounted =
            rustix::mount::unmount(self.dir.path().join("native/pool"), rustix::mount::UnmountFlags::DETACH);
        let installation = std::fs::read_to_string(self.dir.path().join("installation")).unwrap_or_default();
        for controller in ["memory", "cpu", "pids", "freezer", "cpuacct"] {
            let _best_effort =
                std::fs::remove_dir(format!("/sys/fs/cgroup/{controller}/atoll-{}", installation.trim()));
        }
    }
}

pub struct Client {
    socket: OwnedFd,
    next: u64,
    pub events: Vec<FromLauncher>,
    /// Descriptors that came beside messages.
    pub descriptors: Vec<OwnedFd>,
}

impl Client {
    pub fn call(&mut self, call: Call) -> Result<Answer, Failure> {
        self.call_with(call, &[])
    }

    pub fn call_with(&mut self, call: Call, descriptors: &[BorrowedFd<'_>]) -> Result<Answer, Failure> {
        let id = self.send(call, descriptors);
        loop {
            let reply = self.reply();
            if reply.id == id {
                return reply.result;
            }
        }
    }

    pub fn send(&mut self, call: Call, descriptors: &[BorrowedFd<'_>]) -> u64 {
        self.next += 1;
        send(&self.socket, &Request { id: self.next, call }, descriptors).unwrap();
        self.next
    }

    /// The next answer; events on the way are kept.
    pub fn reply(&mut self) -> Reply {
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        loop {
            let packet = receive::<FromLauncher>(&self.socket, &mut buffer).unwrap();
            self.descriptors.extend(packet.descriptors);
            match packet.message {
                FromLauncher::Reply(reply) => return reply,
                event @ FromLauncher::Exited { .. } => self.events.push(event),
            }
        }
    }

    pub fn start(&mut self, request: StartSandbox) -> Result<bool, Failure> {
        match self.call(Call::Start(Box::new(request)))? {
            Answer::Started { dirty } => Ok(dirty),
            other => panic!("{other:?}"),
        }
    }

    pub fn stop(&mut self, sandbox: &SandboxId) {
        self.call(Call::Stop { sandbox: sandbox.clone() }).unwrap();
    }

    /// Removes a sandbox; how long that took.
    pub fn remove(&mut self, sandbox: &SandboxId) -> Duration {
        let begun = Instant::now();
        self.call(Call::Remove { sandbox: sandbox.clone() }).unwrap();
        begun.elapsed()
    }

    pub fn audit(&mut self) -> (Vec<Remains>, u32) {
        match self.call(Call::Audit { after: None }).unwrap() {
            Answer::Audit { remains, trash, .. } => (remains, trash),
            other => panic!("{other:?}"),
        }
    }

    pub fn running(&mut self) -> Vec<SandboxId> {
        match self.call(Call::List { after: None }).unwrap() {
            Answer::Sandboxes { sandboxes, .. } => {
                sandboxes.into_iter().filter(|found| found.running).map(|found| found.sandbox).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn paused(&mut self) -> Vec<SandboxId> {
        let paused: Vec<SandboxId> = match self.call(Call::List { after: None }).unwrap() {
            Answer::Sandboxes { sandboxes, .. } => {
                sandboxes.into_iter().filter(|found| found.paused).map(|found| found.sandbox).collect()
            }
            other => panic!("{other:?}"),
        };
        let (remains, _) = self.audit();
        let audited: Vec<SandboxId> =
            remains.into_iter().filter(|one| one.paused).map(|one| one.sandbox).collect();
        assert_eq!(paused, audited);
        paused
    }

    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A sandbox of the host image in a slot.
pub fn host_sandbox(uid_slot: u32) -> StartSandbox {
    StartSandbox {
        sandbox: SandboxId::random(),
        uid_slot,
        image: ImageSource::Host,
        limits: Limits::default(),
        network: Network::None,
        capabilities: Capabilities::Standard,
        read_only_root: false,
    }
}

/// Waits until something holds; it must within ten seconds.
pub fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never held");
        std::thread::sleep(Duration::from_millis(10));
    }
}
