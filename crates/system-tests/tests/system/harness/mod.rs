//! One installation of the real programs, in a folder of its own.
//!
//! The programs are looked for in `ATOLL_BIN_DIR`, else in the target folder that this test was built into; the small
//! ones as `atoll` itself finds them. `make build` makes all of them.

mod disk;
mod docker;
mod image;
mod inside;
mod internet;
mod place;
mod registry;

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use atoll_api_types::{CommandBody, CreateSandbox, Credentials, Encoding, Exec, ExecBody};
use atoll_client::{Client, SandboxFilter};
use atoll_doctor::{Doctor, Records};
use atoll_types::SandboxId;
use rustix::process::{Pid, Signal, kill_process};

pub(crate) use disk::{Disk, Format};
pub(crate) use docker::{Dockerd, busybox};
pub(crate) use image::{Image, architecture};
pub(crate) use inside::Inside;
pub(crate) use internet::{HOST, Internet, WEB};
use place::Place;
pub(crate) use registry::{ME, Registry};

/// A first start makes the storage and looks through the host.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// An orderly stop: serve has ten seconds, the launcher five.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// How long a host without power is off: its new boot begins at a whole second of the old one.
const OFF_TIME: Duration = Duration::from_secs(1);

const EMAIL: &str = "admin@example.com";
const PASSWORD: &str = "correct horse battery";

/// Programs that can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Supervisor,
    Serve,
    Launcher,
    Egress,
    Broker,
}

/// One installation that runs.
#[derive(Debug)]
pub(crate) struct Atoll {
    place: Place,
    port: u16,
    supervisor: Child,
    /// Holds the id of a boot that its programs see instead of the host's.
    boot_id: Option<PathBuf>,
    token: String,
    pub(crate) client: Client,
}

/// Looks again and again until there is something to see.
pub(crate) async fn until<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {patience:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn parse_id(id: &str) -> SandboxId {
    id.parse().unwrap_or_else(|error| panic!("{id:?}: {error}"))
}

fn program() -> PathBuf {
    let folder = std::env::var_os("ATOLL_BIN_DIR").map_or_else(
        // target/debug/deps/system-…
        || std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf(),
        PathBuf::from,
    );
    let program = folder.join("atoll");
    assert!(program.exists(), "{} is missing: run `make build`, or set ATOLL_BIN_DIR", program.display());
    program
}

impl Atoll {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with more flags of `atoll serve`.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_at(flags, None).await
    }

    /// Starts on a disk of its own.
    pub(crate) async fn start_on(format: Format, bytes: u64) -> Self {
        Self::start_at(&[], Some((format, bytes))).await
    }

    /// Starts on a disk of its own, with more flags of `atoll serve`.
    pub(crate) async fn start_on_with(flags: &[&str], format: Format, bytes: u64) -> Self {
        Self::start_at(flags, Some((format, bytes))).await
    }

    async fn start_at(flags: &[&str], disk: Option<(Format, u64)>) -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root: make test-system");
        let place = Place::new(flags, disk);
        // Free at this moment, and the kernel gives it to nobody else who asks for any.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let supervisor = spawn(&place, port, None);
        let client = Client::new(&format!("http://127.0.0.1:{port}"), None).unwrap();
        let mut this = Self { place, port, supervisor, boot_id: None, token: String::new(), client };
        this.ready().await;
        this.log_in().await;
        this
    }

    /// Starts again after the supervisor has ended, in whatever way. Its parts may still be dying and holding the port.
    pub(crate) async fn start_again(&mut self) {
        self.supervisor.wait().unwrap();
        let end = Instant::now() + START_PATIENCE;
        self.supervisor = spawn(&self.place, self.port, self.boot_id.as_deref());
        while self.get("/health/ready").await != Some(200) {
            assert!(Instant::now() < end, "it does not start again");
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.supervisor.try_wait().unwrap().is_some() {
                self.supervisor = spawn(&self.place, self.port, self.boot_id.as_deref());
            }
        }
    }

    /// The host loses its power, and boots again. Needs a disk of its own, and names everything that had a process.
    pub(crate) async fn lose_power_and_start_again(&mut self, sandboxes: &[SandboxId]) {
        let inside = |id: &SandboxId| Inside { atoll: self, id: id.clone() };
        let agents: Vec<Pid> = sandboxes.iter().map(|id| inside(id).agent()).collect();
        let groups: Vec<PathBuf> = sandboxes.iter().flat_map(|id| inside(id).groups()).collect();
        self.disk().cut_power();
        for role in [Role::Supervisor, Role::Launcher, Role::Serve] {
            self.kill(role);
        }
        for agent in agents {
            kill_process(agent, Signal::KILL).unwrap();
        }
        for group in groups {
            until("the groups", STOP_PATIENCE, async || {
                let gone = std::fs::remove_dir(&group);
                gone.map_or_else(|e| (e.kind() == std::io::ErrorKind::NotFound).then_some(()), Some)
            })
            .await;
        }
        self.supervisor.wait().unwrap();
        self.place.mount_again().await;
        let boot_id = self.place.path().join("boot_id");
        std::fs::write(&boot_id, "11111111-2222-4333-8444-555555555555\n").unwrap();
        self.boot_id = Some(boot_id);
        tokio::time::sleep(OFF_TIME).await;
        self.start_again().await;
    }

    /// Waits until it answers and has found its sandboxes again.
    pub(crate) async fn ready(&mut self) {
        let end = Instant::now() + START_PATIENCE;
        loop {
            if let Some(status) = self.supervisor.try_wait().unwrap() {
                panic!("atoll serve ended at once: {status}");
            }
            if self.get("/health/ready").await == Some(200) {
                return;
            }
            assert!(Instant::now() < end, "atoll serve is not ready after {START_PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Status of a plain request; none when nobody answers.
    async fn get(&self, path: &str) -> Option<u16> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let ask = async {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?;
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = tokio::time::timeout(Duration::from_secs(5), ask).await.ok()?.ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    async fn log_in(&mut self) {
        let credentials = Credentials { email: EMAIL.to_owned(), password: PASSWORD.to_owned() };
        self.token = self.client.log_in(&credentials).await.unwrap().token;
        self.client = Client::new(self.client.base_url(), Some(&self.token)).unwrap();
    }

    /// The disk that it was started on.
    pub(crate) fn disk(&self) -> &Disk {
        self.place.disk.as_ref().unwrap()
    }

    /// What its programs have logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.place.log()).unwrap()).into_owned()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.place.data
    }

    /// What it was logged in with.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The `atoll` command, logged in.
    pub(crate) fn cli(&self, words: &[&str]) -> Output {
        self.cli_as("atoll", words)
    }

    /// The `atoll` command under another name.
    pub(crate) fn cli_as(&self, name: &str, words: &[&str]) -> Output {
        self.cli_command(name, words).stdin(Stdio::null()).output().unwrap()
    }

    /// The same, to be started.
    pub(crate) fn cli_command(&self, name: &str, words: &[&str]) -> Command {
        use std::os::unix::process::CommandExt as _;

        let mut command = Command::new(program());
        command.arg0(name).args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .env("HOME", self.place.path())
            .env("ATOLL_URL", self.client.base_url())
            .env("ATOLL_TOKEN", &self.token);
        command
    }

    /// Process id of a part that lives.
    pub(crate) fn pid(&self, role: Role) -> Option<Pid> {
        let name = match role {
            Role::Supervisor => return Pid::from_raw(i32::try_from(self.supervisor.id()).unwrap()),
            Role::Serve => "serve",
            Role::Launcher => "launcher",
            Role::Egress => "egress",
            Role::Broker => "broker",
        };
        let text = std::fs::read_to_string(self.data().join(format!("run/{name}.pid"))).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// `kill -9`. A part that is just being started again may be nobody: then nobody dies.
    pub(crate) fn kill(&self, role: Role) {
        if let Some(pid) = self.pid(role) {
            let _dead_already = kill_process(pid, Signal::KILL);
        }
    }

    /// Kills a part, and waits for the next one; all of it is started again by nobody else.
    pub(crate) async fn kill_and_return(&mut self, role: Role, limit: Duration) {
        let before = self.pid(role);
        self.kill(role);
        if role == Role::Supervisor {
            self.start_again().await;
        } else {
            until("its return", limit, async || self.pid(role).filter(|pid| Some(*pid) != before)).await;
        }
    }

    /// Asks for an orderly stop and waits for it.
    pub(crate) async fn stop(&mut self) {
        kill_process(self.pid(Role::Supervisor).unwrap(), Signal::TERM).unwrap();
        let status = until("the stop", STOP_PATIENCE, async || self.supervisor.try_wait().unwrap()).await;
        assert!(status.success(), "{status}");
    }

    /// Makes a sandbox of the default kind.
    pub(crate) async fn create(&self) -> Inside<'_> {
        self.create_with(&CreateSandbox::default()).await
    }

    pub(crate) async fn create_with(&self, new: &CreateSandbox) -> Inside<'_> {
        let made = self.client.sandbox_create(new).await.unwrap();
        Inside { atoll: self, id: parse_id(&made[0].id) }
    }

    /// How it says that it is.
    pub(crate) fn health(&self) -> serde_json::Value {
        let address = format!("{}/health", self.client.base_url());
        let shown = Command::new("curl").args(["--silent", &address]).output().unwrap().stdout;
        serde_json::from_slice(&shown).unwrap()
    }

    /// What `atoll doctor` says, as a program reads it.
    pub(crate) fn doctor(&self) -> serde_json::Value {
        let output = self.cli(&["doctor", "--data-dir", self.data().to_str().unwrap(), "--output", "json"]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("doctor said {}", String::from_utf8_lossy(&output.stderr)))
    }

    pub(crate) fn assert_healthy(&self) {
        let said = self.doctor();
        assert_eq!(said["healthy"], true, "{said:#}");
    }

    pub(crate) async fn delete_all(&self) {
        self.delete_all_but(None).await;
    }

    /// Deletes all sandboxes but one that the test goes on with.
    pub(crate) async fn delete_all_but(&self, kept: Option<&SandboxId>) {
        for sandbox in self.client.sandbox_list_all(&SandboxFilter::default()).await.unwrap() {
            let id = parse_id(&sandbox.id);
            if Some(&id) != kept {
                self.client.sandbox_delete(&id).await.unwrap();
            }
        }
    }

    /// Ends the test: everything is deleted, and nothing may be left of it.
    pub(crate) async fn finish(mut self) {
        self.delete_all().await;
        self.assert_healthy();
        self.stop().await;
        let doctor = Doctor::open(self.data()).unwrap();
        let look = || doctor.examine(|| Ok::<_, std::convert::Infallible>(Records::default())).unwrap();
        let mut report = look();
        assert!(report.is_healthy(), "something is left: {report:#?}");
        // Whoever makes mount namespaces on this host at this moment has a copy of the storage's mount until it has turned its root.
        let end = Instant::now() + STOP_PATIENCE;
        while !report.findings.is_empty() {
            assert!(Instant::now() < end, "something cannot be removed: {report:#?}");
            for finding in &report.findings {
                doctor.fix(finding).unwrap();
            }
            report = look();
        }
        // It holds the data folder open.
        drop(doctor);
        self.place.is_clean();
    }
}

impl Drop for Atoll {
    fn drop(&mut self) {
        // After `finish` it has ended; after a panic it is ended here, and `place` removes what is left.
        drop(self.supervisor.kill());
        drop(self.supervisor.wait());
    }
}

fn spawn(place: &Place, port: u16, boot_id: Option<&Path>) -> Child {
    let log = File::options().create(true).append(true).open(place.log()).unwrap();
    let mut command = match boot_id {
        None => Command::new(program()),
        Some(file) => with_boot_id(file),
    };
    command
        .args(["serve", "--data-dir", place.data.to_str().unwrap()])
        .args(["--port", &port.to_string()])
        .args(place.flags.iter().filter(|flag| variable(flag).is_none()))
        .env_clear()
        .envs(place.flags.iter().filter_map(|flag| variable(flag)))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        // Room for what tests make; those of quotas say otherwise.
        .envs(
            ["ATOLL_CPU_PER_USER", "ATOLL_EXECS_PER_HOUR_PER_USER", "ATOLL_EXECS_PER_HOUR_PER_SANDBOX"]
                .map(|n| (n, "100000")),
        )
        .envs(["ATOLL_STORAGE_PER_USER", "ATOLL_MEMORY_PER_USER"].map(|n| (n, "1000GiB")))
        .env("ATOLL_ADMIN_EMAIL", EMAIL)
        .env("ATOLL_ADMIN_PASSWORD", PASSWORD)
        // Tests ask faster than people; those of the limits give flags, which count.
        .env("ATOLL_RATE_LIMIT_ANONYMOUS", "off")
        .env("ATOLL_RATE_LIMIT_AUTH", "off")
        .env("ATOLL_RATE_LIMIT_USER", "off")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A flag that is none, but a variable of the server's environment.
fn variable(flag: &str) -> Option<(&str, &str)> {
    flag.split_once('=').filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// The program in namespaces of its own, where the kernel says another id of this boot, and that it began just now.
fn with_boot_id(file: &Path) -> Command {
    let script = "mount --make-private /proc && mount --bind $0 /proc/sys/kernel/random/boot_id && exec $@";
    let mut command = Command::new("unshare");
    let up = std::fs::read_to_string("/proc/uptime").unwrap();
    command.args(["--time", "--boottime", &format!("-{}", up.split('.').next().unwrap())]);
    command.args(["--mount", "--propagation", "unchanged", "sh", "-c", script]).arg(file).arg(program());
    command
}

/// A line for the shell.
pub(crate) fn line(text: &str) -> ExecBody {
    ExecBody {
        command: CommandBody::Line(text.to_owned()),
        run_async: None,
        env: std::collections::BTreeMap::new(),
        cwd: None,
        user: None,
        timeout_seconds: None,
        stdin: None,
        stdin_encoding: Encoding::Utf8,
        open_stdin: false,
        tty: false,
        cols: None,
        rows: None,
    }
}

/// What an exec wrote to standard output.
pub(crate) fn stdout(exec: &Exec) -> &str {
    exec.stdout.as_deref().unwrap_or_default()
}
