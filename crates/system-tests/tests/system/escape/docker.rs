//! The same attempts in Docker's default container, by a daemon of our own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Verdicts;
use super::counts::{self, Holder};
use super::program::{Neighbour, Program, name, run, verdicts};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
const IMAGE: &str = "escape";
/// A user that nobody is on the host: what he holds is missed by nobody but his neighbour in the other container.
const USER: &str = "54321:54321";

/// A daemon, a container that tries, and its neighbour.
#[derive(Debug)]
pub(super) struct Docker<'a> {
    daemon: Child,
    folder: tempfile::TempDir,
    program: &'a Program,
}

impl<'a> Docker<'a> {
    /// Everything of it is in a folder and a network namespace of its own, and goes with it.
    pub(super) fn start(program: &'a Program) -> Self {
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
        let daemon = daemon.expect("unshare is missing");
        let this = Self { daemon, folder, program };
        this.await_answer();
        run(this.docker().arg("import").arg(program.image()).arg(IMAGE));
        this
    }

    fn await_answer(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.docker().arg("version").output().is_ok_and(|output| output.status.success()) {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < end, "dockerd does not answer (apt-get install docker.io): {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.folder.path().join("sock").display()));
        command
    }

    /// Everything, as root and as a user.
    pub(super) fn all(&self, host: &Neighbour) -> BTreeMap<&'static str, Verdicts> {
        let next = name("next");
        run(self.docker().args(["run", "--detach", "--name", "box", IMAGE, "/escape", "sleep"]));
        let shared = ["run", "--detach", "--name", "next", "--env", "ESCAPE_SHARED=/escape", IMAGE];
        run(self.docker().args(shared).args(["/escape", "neighbour", &next]));
        run(self.docker().args(["exec", "next", "/escape", "await", &next]));
        let addresses = run(self.docker().args(["exec", "next", "/escape", "addresses", &next, &host.name]));
        let addresses: Vec<String> = addresses.split_whitespace().map(str::to_owned).collect();
        let socket = self.folder.path().join("sock");
        let facts = host.facts(&next, &addresses, &[&socket], "/escape");
        let mut root = self.tried("0:0", &facts);
        root.extend(self.shared());
        BTreeMap::from([("root", root), ("agent", self.tried("1000:1000", &facts))])
    }

    fn tried(&self, user: &str, facts: &[(String, String)]) -> Verdicts {
        let facts = facts.iter().flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]);
        verdicts(&run(self
            .docker()
            .args(["exec", "--user", user])
            .args(facts)
            .args(["box", "/escape", "all"])))
    }

    fn shared(&self) -> Verdicts {
        let mut found = Verdicts::new();
        for (kind, _) in counts::KINDS {
            let mut hold = self.docker();
            hold.args(["exec", "--interactive", "--user", USER, "box", "/escape", "hold", kind]);
            let holder = Holder::start(hold);
            let said = run(self.docker().args(["exec", "--user", USER, "next", "/escape", "take", kind]));
            found.extend([counts::verdict(kind, &said)]);
            drop(holder);
        }
        run(self.docker().args(["exec", "box", "/escape", "plant", "/planted"]));
        let upper = run(self.docker().args(["inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", "box"]));
        found.extend([counts::planted(self.program, &PathBuf::from(upper.trim()).join("planted"))]);
        found
    }
}

impl Drop for Docker<'_> {
    fn drop(&mut self) {
        drop(self.docker().args(["rm", "--force", "box", "next"]).output());
        let pid = Pid::from_raw(i32::try_from(self.daemon.id()).unwrap()).unwrap();
        let _gone_already = kill_process(pid, Signal::TERM);
        drop(self.daemon.wait());
    }
}
