//! OpenSSH: a server of our own on the loopback, with a key of its own.

use std::fs::Permissions;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::run;

/// How long the server may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where Debian puts it: it wants to be called by its whole path.
const PROGRAM: &str = "/usr/sbin/sshd";

/// A running server.
pub(crate) struct Ssh {
    server: Child,
    folder: PathBuf,
    port: u16,
}

/// Whether it is installed.
pub(crate) fn is_there() -> bool {
    Path::new(PROGRAM).exists() && super::is_there("ssh")
}

impl Ssh {
    /// Starts it on a free port, with everything below `scratch`.
    pub(crate) fn start(scratch: &Path) -> anyhow::Result<Self> {
        let folder = scratch.join("ssh");
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        // Where it goes to without rights; its service would make it.
        std::fs::create_dir_all("/run/sshd")?;
        for key in ["host", "user"] {
            let file = folder.join(key);
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file))?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let at = folder.display();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {at}/host\nAuthorizedKeysFile {at}/user.pub\n\
             PidFile none\nStrictModes no\nPermitRootLogin prohibit-password\nPrintMotd no\n"
        );
        std::fs::write(folder.join("config"), config)?;
        let log = std::fs::File::create(folder.join("log"))?;
        let mut server = Command::new(PROGRAM)
            .args(["-D", "-e", "-f"])
            .arg(folder.join("config"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting sshd")?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if server.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("sshd does not answer: {}", std::fs::read_to_string(folder.join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { server, folder, port })
    }

    /// A log-in that shows a shell at the terminal it has.
    pub(crate) fn shell(&self) -> Command {
        let mut command = Command::new("ssh");
        command
            .args([
                "-tt",
                "-F",
                "none",
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args(["-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-p", &self.port.to_string(), "-i"])
            .arg(self.folder.join("user"))
            .args(["root@127.0.0.1", "sh"]);
        command
    }

    /// Ends it.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        crate::process::terminate(&mut self.server, PATIENCE)
    }
}
