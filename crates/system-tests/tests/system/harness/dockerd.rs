//! Docker Engine: a daemon of our own, apart from any that runs here.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon. What it runs is ended by whoever has started it, before it is dropped.
#[derive(Debug)]
pub(crate) struct Dockerd {
    daemon: Child,
    folder: tempfile::TempDir,
}

impl Dockerd {
    /// Everything of it is in a folder and a network namespace of its own, and goes with it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("atoll-docker-").tempdir_in("/tmp").unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--net", "dockerd", "--host"])
            .arg(format!("unix://{}", folder.path().join("sock").display()));
        for (flag, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(flag).arg(folder.path().join(name));
        }
        let daemon = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let this = Self { daemon: daemon.expect("unshare is missing"), folder };
        this.await_answer();
        this
    }

    fn await_answer(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.command().arg("version").output().is_ok_and(|output| output.status.success()) {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < end, "dockerd does not answer (apt-get install docker.io): {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("sock")
    }

    /// `docker`, of this daemon.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.socket().display()));
        command
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.daemon.id()).unwrap()).unwrap();
        let _gone_already = kill_process(pid, Signal::TERM);
        drop(self.daemon.wait());
    }
}
