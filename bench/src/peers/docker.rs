//! Docker Engine: a daemon of our own, apart from any that runs here.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::{Program, REST, repeat, run, until_end, until_first_byte};

/// How long the daemon may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Name of the image.
pub(crate) const IMAGE: &str = "atoll-bench";
/// gVisor's program.
const RUNSC: &str = "/usr/bin/runsc";
/// The one platform that gVisor has on every machine; of Debian's release no network works on newer kernels.
const SETTINGS: &str = r#"{"runtimes": {"runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--platform=ptrace", "--network=none"]}}}"#;

/// On each container that the benchmark makes itself; the daemon's others are Atoll's.
const LABEL: &str = "atoll-bench";

/// What a container is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// What `docker run` does unasked: a bridge.
    Default,
    /// Loopback only, as Atoll's `none`.
    None,
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Docker {
    daemon: Child,
    socket: PathBuf,
    root: PathBuf,
}

impl Docker {
    /// Its socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The tar that the image was made of.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it has gVisor.
    pub(crate) fn has_gvisor(&self) -> bool {
        Path::new(RUNSC).exists()
    }

    /// Starts it with everything below `scratch`, and imports the root as an image.
    pub(crate) fn start(scratch: &Path, rootfs: &Path) -> anyhow::Result<Self> {
        let folder = scratch.join("docker");
        std::fs::create_dir_all(&folder)?;
        // Who has the socket's group gets to it.
        for folder in [scratch, &folder] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711))?;
        }
        let settings = folder.join("daemon.json");
        std::fs::write(&settings, SETTINGS)?;
        let socket = folder.join("docker.sock");
        let log = std::fs::File::create(folder.join("log"))?;
        // Its bridge and its rules live in a network namespace of its own, and vanish with it.
        let daemon = Command::new("unshare")
            .args(["--net", "dockerd"])
            .arg("--host")
            .arg(format!("unix://{}", socket.display()))
            .arg("--data-root")
            .arg(folder.join("data"))
            .arg("--exec-root")
            .arg(folder.join("exec"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .arg("--config-file")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting dockerd")?;
        let mut docker = Self { daemon, socket, root: folder.join("root.tar") };
        docker.await_answer(&folder)?;
        run(Command::new("tar").arg("-C").arg(rootfs).arg("-cf").arg(&docker.root).arg("."))?;
        run(docker.command().arg("import").arg(&docker.root).arg(IMAGE))?;
        Ok(docker)
    }

    fn await_answer(&mut self, folder: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while run(self.command().arg("version")).is_err() {
            if self.daemon.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("dockerd does not answer: {}", std::fs::read_to_string(folder.join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.socket.display()));
        command
    }

    fn run_command(&self, network: Network, program: Program) -> Command {
        let mut command = self.command();
        command.args(["run", "--label", LABEL, "--memory=512m", "--pids-limit=512", "--cpus=1"]);
        if network == Network::None {
            command.arg("--network=none");
        }
        command.arg(IMAGE).args(program.argv(&["/bin/echo", "ready"]));
        command
    }

    /// `docker run` to the first byte. What it leaves is removed afterwards, and not timed.
    pub(crate) fn create(
        &self,
        network: Network,
        program: Program,
        count: usize,
    ) -> anyhow::Result<Vec<Duration>> {
        let times = repeat(count, |_| until_first_byte(&mut self.run_command(network, program)))?;
        self.remove_ours()?;
        Ok(times)
    }

    /// `docker exec` of `true`, to its end, in a container of the daemon's usual runtime or another one.
    pub(crate) fn exec(
        &self,
        runtime: Option<&str>,
        program: Program,
        count: usize,
    ) -> anyhow::Result<Vec<Duration>> {
        let runtime = runtime.map(|name| format!("--runtime={name}"));
        let mut command = self.command();
        command.args(["run", "--detach", "--label", LABEL, "--network=none"]).args(runtime);
        let id = run(command.args([IMAGE, "/bin/sleep", "1000000"]))?;
        let argv = program.argv(&["/bin/true"]);
        let times = repeat(count, |_| until_end(self.command().args(["exec", &id]).args(&argv)))?;
        self.remove_ours()?;
        Ok(times)
    }

    /// A container that does nothing; its id.
    pub(crate) fn start_container(&self) -> anyhow::Result<String> {
        let mut command = self.command();
        command.args(["run", "--detach", "--label", LABEL, "--network=none"]);
        run(command.args([IMAGE, "/bin/sleep", "1000000"]))
    }

    /// Many at once, each with its first byte: the time until all have spoken.
    pub(crate) fn create_at_once(&self, count: usize) -> anyhow::Result<Duration> {
        let started = Instant::now();
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..count)
                .map(|_| {
                    scope.spawn(|| until_first_byte(&mut self.run_command(Network::Default, Program::Musl)))
                })
                .collect();
            all.into_iter().try_for_each(|one| match one.join() {
                Ok(result) => result.map(drop),
                Err(_) => bail!("a thread of the benchmark ended"),
            })
        })?;
        let elapsed = started.elapsed();
        self.remove_ours()?;
        Ok(elapsed)
    }

    /// Removes what the benchmark made itself, and leaves the kernel the time to take it apart.
    fn remove_ours(&self) -> anyhow::Result<()> {
        self.remove(&["--filter", &format!("label={LABEL}")])?;
        std::thread::sleep(REST);
        Ok(())
    }

    fn remove(&self, which: &[&str]) -> anyhow::Result<()> {
        let ids = run(self.command().args(["ps", "--all", "--quiet"]).args(which))?;
        for batch in ids.lines().collect::<Vec<_>>().chunks(100) {
            run(self.command().args(["rm", "--force"]).args(batch))?;
        }
        Ok(())
    }

    /// Ends the daemon and whatever it still runs.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.remove(&[])?;
        crate::process::terminate(&mut self.daemon, PATIENCE)
    }
}
