//! Docker Engine: a daemon of the test's own, apart from any that runs here.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Disk, Format};

/// A group that nobody has, for Podman's socket.
const PODMAN_GROUP: u32 = 54_322;
const GVISOR: &str = "/usr/bin/runsc";
/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Size of a disk of its own, which holds no more than an image and some files.
const DISK_BYTES: u64 = 4 << 30;

/// Which program speaks Docker's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Docker,
    Podman,
}

/// A daemon, which ends with this.
#[derive(Debug)]
pub(crate) struct Dockerd {
    engine: Engine,
    daemon: Child,
    /// What its containers are on, where that is not the machine's own disk; unmounted before the folder goes.
    disk: Option<Disk>,
    folder: tempfile::TempDir,
    net: Net,
}

/// Whose network a daemon has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Net {
    /// One of its own.
    Own,
    /// That of the thread which starts it.
    Shared,
}

impl Dockerd {
    /// Everything of it is in a folder and a network namespace of its own, and goes with it.
    pub(crate) fn start(live_restore: bool) -> Self {
        Self::start_in(live_restore, Net::Own, None)
    }

    /// The same, with its containers on a disk of their own.
    pub(crate) fn start_on(format: Format) -> Self {
        Self::start_in(false, Net::Own, Some(format))
    }

    /// The same, in the network of this thread, which is to be one of the test's own.
    pub(crate) fn start_here(live_restore: bool) -> Self {
        Self::start_in(live_restore, Net::Shared, None)
    }

    fn start_in(live_restore: bool, net: Net, format: Option<Format>) -> Self {
        let folder = tempfile::Builder::new().prefix("atoll-dockerd-").tempdir_in("/tmp").unwrap();
        // Who has the socket's group gets to it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let settings = json!({
            "live-restore": live_restore,
            // The one platform that gVisor has on every machine; of this release no network works on newer kernels.
            "runtimes": {"runsc": {"path": GVISOR, "runtimeArgs": ["--platform=ptrace", "--network=none"]}},
        });
        std::fs::write(folder.path().join("daemon.json"), settings.to_string()).unwrap();
        let disk = format.map(|format| Disk::new(folder.path(), format, DISK_BYTES));
        let data = data_root(folder.path(), disk.as_ref());
        let daemon = spawn(folder.path(), &data, net);
        let this = Self { engine: Engine::Docker, daemon, disk, folder, net };
        this.await_answer();
        this
    }

    /// Podman's service in its place.
    pub(crate) fn podman() -> Self {
        let folder = tempfile::Builder::new().prefix("atoll-podman-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let daemon = spawn_podman(folder.path());
        let this = Self { engine: Engine::Podman, daemon, disk: None, folder, net: Net::Shared };
        this.await_answer();
        // Podman gives its socket no group; whoever runs it as a service does.
        std::os::unix::fs::chown(this.socket(), None, Some(PODMAN_GROUP)).unwrap();
        std::fs::set_permissions(this.socket(), std::fs::Permissions::from_mode(0o660)).unwrap();
        this
    }

    /// The daemon ends, with its containers unless it lets them live, and begins again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// The daemon ends.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// It begins again.
    pub(crate) fn start_again(&mut self) {
        assert_eq!(self.engine, Engine::Docker);
        self.daemon = spawn(self.folder.path(), &self.data_root(), self.net);
        self.await_answer();
    }

    fn data_root(&self) -> PathBuf {
        data_root(self.folder.path(), self.disk.as_ref())
    }

    fn end(&mut self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.daemon.id()).unwrap()).unwrap();
        let _gone_already = kill_process(pid, signal);
        drop(self.daemon.wait());
    }

    fn await_answer(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.docker(&["version"]).status.success() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < end, "dockerd does not answer (apt-get install docker.io): {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What Atoll is told.
    pub(crate) fn host(&self) -> String {
        self.socket().display().to_string()
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// The `docker` command, of this daemon.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.socket().display()));
        command
    }

    /// What it answers to these words.
    pub(crate) fn docker(&self, words: &[&str]) -> Output {
        self.command().args(words).stdin(Stdio::null()).output().unwrap()
    }

    /// The same, which must succeed; what it wrote.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let done = self.docker(words);
        assert!(done.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Names of all containers, of whoever.
    pub(crate) fn containers(&self) -> Vec<String> {
        let said = self.ok(&["ps", "--all", "--format", "{{.Names}}"]);
        said.lines().map(str::to_owned).collect()
    }

    /// Names of all networks but those that every Docker has.
    pub(crate) fn networks(&self) -> Vec<String> {
        let said = self.ok(&["network", "ls", "--format", "{{.Name}}"]);
        let every = ["bridge", "host", "none"];
        said.lines().filter(|name| !every.contains(name)).map(str::to_owned).collect()
    }

    /// Whether it has gVisor.
    pub(crate) fn has_gvisor() -> bool {
        Path::new(GVISOR).exists()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let left = self.docker(&["ps", "--all", "--quiet"]).stdout;
        for id in String::from_utf8_lossy(&left).lines() {
            drop(self.docker(&["rm", "--force", id]));
        }
        self.end(Signal::TERM);
        // A container of gVisor's that failed to start is removed, but not what was begun of it.
        for pid in processes_of(self.folder.path()) {
            let _gone_already = kill_process(pid, Signal::KILL);
        }
        // One that lets containers live leaves its folder mounted on itself, and Podman a part of it: then they could not be removed.
        for mounted in [self.data_root().join("overlay"), self.data_root()] {
            drop(Command::new("umount").arg(mounted).output());
        }
    }
}

/// Processes whose command names a folder.
fn processes_of(folder: &Path) -> impl Iterator<Item = Pid> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let names_it = move |pid: &i32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy())
    };
    pids.filter(names_it).filter_map(Pid::from_raw)
}

fn data_root(folder: &Path, disk: Option<&Disk>) -> PathBuf {
    disk.map_or(folder, |disk| &disk.point).join("data")
}

fn spawn(folder: &Path, data: &Path, net: Net) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new("unshare");
    command.args((net == Net::Own).then_some("--net"));
    // Unsharing nothing, it only executes.
    command.args(["--", "dockerd", "--host"]).arg(format!("unix://{}", folder.join("sock").display()));
    let places = [("--exec-root", "exec"), ("--pidfile", "pid"), ("--config-file", "daemon.json")];
    for (flag, name) in places {
        command.arg(flag).arg(folder.join(name));
    }
    command.arg("--data-root").arg(data);
    let spawned = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
    spawned.expect("unshare is missing")
}

fn spawn_podman(folder: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new("podman");
    for (flag, name) in [("--root", "data"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
        command.arg(flag).arg(folder.join(name));
    }
    // Of its two runtimes this one knows version 1 of control groups.
    command.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
    command
        .args(["system", "service", "--time", "0"])
        .arg(format!("unix://{}", folder.join("sock").display()));
    let spawned = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
    spawned.expect("apt-get install podman")
}

/// A root file system with BusyBox and nothing else, as a tar; written to `to`.
pub(crate) fn busybox(to: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for below in ["bin", "etc", "root", "tmp", "proc", "sys", "dev"] {
        std::fs::create_dir(at(below)).unwrap();
    }
    let program = "/bin/busybox";
    std::fs::copy(program, at("bin/busybox")).expect("apt-get install busybox-static");
    let said = Command::new(program).arg("--list").output().unwrap().stdout;
    for name in String::from_utf8(said).unwrap().lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("busybox", at("bin").join(name)).unwrap();
    }
    std::fs::write(at("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    std::fs::write(at("etc/group"), "root:x:0:\n").unwrap();
    let mut tar = Command::new("tar");
    let made = tar.arg("-C").arg(folder.path()).args(["--owner=0", "--group=0", "-cf"]).arg(to).arg(".");
    assert!(made.status().unwrap().success());
}
