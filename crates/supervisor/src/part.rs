//! The parts: what each is given, and where it is in its life.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::time::{Duration, Instant};

use atoll_types::InstallationId;
use rustix::process::{Pid, Signal, kill_process};

use crate::args::Args;
use crate::back_off::BackOff;
use crate::child::{self, Program};
use crate::folder::Folders;
use crate::inherited::Inherited;
use crate::report;
use crate::sockets;

/// Where the launcher finds helpers such as mkfs.btrfs; root's own PATH is not trusted for that.
const LAUNCHER_PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// Time for serve to answer what it was asked and to close its store.
const SERVE_GRACE: Duration = Duration::from_secs(10);
/// Time for the launcher to end a request; one is milliseconds, an import longer, and that is repeated.
const LAUNCHER_GRACE: Duration = Duration::from_secs(5);
/// Time for the egress program and the broker, who keep nothing.
const NOTHING_KEPT_GRACE: Duration = Duration::from_secs(2);

/// Where a part is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Running {
        pid: Pid,
        since: Instant,
    },
    /// To be started then.
    Waiting {
        until: Instant,
    },
    /// Not to be started any more.
    Stopped,
}

/// A program that is kept alive.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    /// How often it was started.
    pub(crate) starts: u64,
    program: Program,
    back_off: BackOff,
}

impl Part {
    fn new(name: &'static str, program: Program) -> Self {
        Self { name, state: State::Stopped, starts: 0, program, back_off: BackOff::new() }
    }

    /// Starts it now; a failure counts as a death.
    pub(crate) fn start(&mut self) {
        self.starts += 1;
        match child::start(&self.program) {
            Ok(pid) => {
                report::line(&format!("{} started (pid {pid})", self.name));
                self.state = State::Running { pid, since: Instant::now() };
            }
            Err(error) => {
                report::line(&format!("cannot start {}: {error}", self.name));
                self.wait(Duration::ZERO);
            }
        }
    }

    /// After it ended: answers how long until it is started again.
    pub(crate) fn wait(&mut self, lived: Duration) -> Duration {
        let wait = self.back_off.after(lived);
        self.state = State::Waiting { until: Instant::now() + wait };
        wait
    }

    /// Its process, while it has one. Until it is reaped here, nobody else can have the number.
    pub(crate) fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } => Some(pid),
            State::Waiting { .. } | State::Stopped => None,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid()
            && let Err(error) = kill_process(pid, signal)
        {
            report::line(&format!("cannot signal {}: {error}", self.name));
        }
    }
}

/// All parts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) launcher: Part,
    pub(crate) serve: Part,
    pub(crate) egress: Part,
    /// Where Docker is.
    pub(crate) broker: Option<Part>,
}

/// What the Docker broker is given, beside the agent's program.
#[derive(Debug)]
pub(crate) struct BrokerSockets {
    /// Where serve asks.
    pub(crate) calls: OwnedFd,
    /// The folder in which it listens for serve.
    pub(crate) agents: OwnedFd,
}

impl Parts {
    pub(crate) fn new(
        args: &Args,
        inherited: &Inherited,
        folders: &Folders,
        launcher_socket: &OwnedFd,
        broker: Option<BrokerSockets>,
        installation: &InstallationId,
    ) -> io::Result<Self> {
        let dup = |fd: &OwnedFd| fd.as_fd().try_clone_to_owned();
        // Kept here, so that neither end is closed when who has the other dies.
        let (launcher_end, egress_end) = sockets::pair()?;
        let (uid, gid) = (args.serve_uid.to_string(), args.serve_gid.to_string());
        let launcher_argv: [&OsStr; 7] = [
            "atoll-launcher".as_ref(),
            "--data-dir".as_ref(),
            args.data_dir.as_os_str(),
            "--serve-uid".as_ref(),
            uid.as_ref(),
            "--serve-gid".as_ref(),
            gid.as_ref(),
        ];
        let launcher = Program {
            file: dup(&inherited.launcher)?,
            argv: words(launcher_argv.map(OsString::from))?,
            envp: words([LAUNCHER_PATH.into()])?,
            descriptors: vec![
                dup(launcher_socket)?,
                dup(&inherited.agent)?,
                dup(&inherited.unpack)?,
                launcher_end,
            ],
            user: None,
            group_of: None,
            umask: 0o022,
        };
        let serve = Program {
            file: dup(&inherited.serve)?,
            argv: words(args.serve.iter().cloned())?,
            envp: words(serve_environment(std::env::vars_os(), installation))?,
            descriptors: vec![dup(&inherited.listener)?, dup(&folders.run)?, dup(&folders.serve)?],
            user: Some((args.serve_uid, args.serve_gid)),
            group_of: None,
            umask: 0o077,
        };
        let egress = Program {
            file: dup(&inherited.egress)?,
            argv: words(["atoll-egress".into()])?,
            envp: Vec::new(),
            descriptors: vec![egress_end],
            user: Some((args.egress_id, args.egress_id)),
            group_of: None,
            umask: 0o077,
        };
        let broker = match (&args.broker, broker) {
            (Some(args), Some(sockets)) => Some(broker_program(args, inherited, sockets, installation)?),
            _ => None,
        };
        Ok(Self {
            launcher: Part::new("launcher", launcher),
            serve: Part::new("serve", serve),
            egress: Part::new("egress", egress),
            broker: broker.map(|broker| Part::new("broker", broker)),
        })
    }

    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut Part> {
        // The launcher first: serve asks it something at once.
        [&mut self.launcher, &mut self.serve, &mut self.egress].into_iter().chain(&mut self.broker)
    }

    /// In the order in which they end, each with its time for it.
    pub(crate) fn by_end(&self) -> impl Iterator<Item = (&Part, Duration)> {
        let all = [(&self.serve, SERVE_GRACE), (&self.launcher, LAUNCHER_GRACE)];
        let broker = self.broker.iter().map(|broker| (broker, NOTHING_KEPT_GRACE));
        all.into_iter().chain(broker).chain([(&self.egress, NOTHING_KEPT_GRACE)])
    }
}

fn broker_program(
    args: &crate::args::Broker,
    inherited: &Inherited,
    sockets: BrokerSockets,
    installation: &InstallationId,
) -> io::Result<Program> {
    let argv: [&OsStr; 9] = [
        "atoll-broker".as_ref(),
        "--installation".as_ref(),
        installation.as_str().as_ref(),
        "--docker-host".as_ref(),
        &args.host,
        "--docker-subnets".as_ref(),
        &args.subnets,
        "--docker-gpus".as_ref(),
        &args.gpus,
    ];
    Ok(Program {
        file: inherited.broker.try_clone()?,
        argv: words(argv.map(OsString::from))?,
        envp: Vec::new(),
        descriptors: vec![sockets.calls, sockets.agents, inherited.agent.try_clone()?],
        user: Some((args.id, args.id)),
        group_of: args.socket(),
        // Its sockets are for serve's group.
        umask: 0o117,
    })
}

/// The environment as it was given, with what serve learns from here.
fn serve_environment(
    given: impl Iterator<Item = (OsString, OsString)>,
    installation: &InstallationId,
) -> Vec<OsString> {
    let ours: [(&str, &str); 5] = [
        ("ATOLL_ROLE", "serve"),
        ("ATOLL_LISTEN_FD", "3"),
        ("ATOLL_RUN_FD", "4"),
        ("ATOLL_DATA_FD", "5"),
        ("ATOLL_INSTALLATION", installation.as_str()),
    ];
    let given = given.filter(|(name, _)| !ours.iter().any(|(our, _)| name == our));
    given
        .chain(ours.map(|(name, value)| (name.into(), value.into())))
        .map(|(name, value)| assign(&name, &value))
        .collect()
}

fn assign(name: &OsStr, value: &OsStr) -> OsString {
    OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat())
}

fn words(words: impl IntoIterator<Item = OsString>) -> io::Result<Vec<CString>> {
    words.into_iter().map(|word| CString::new(word.into_vec()).map_err(io::Error::other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_says_about_our_own_variables_does_not_count() {
        let given = [("ATOLL_ROLE", "root"), ("HOST", "0.0.0.0")].map(|(n, v)| (n.into(), v.into()));
        let installation = InstallationId::random();
        let environment = serve_environment(given.into_iter(), &installation);
        assert!(
            environment.contains(&"HOST=0.0.0.0".into()) && environment.contains(&"ATOLL_ROLE=serve".into())
        );
        assert!(environment.contains(&format!("ATOLL_INSTALLATION={installation}").into()));
        assert!(!environment.contains(&"ATOLL_ROLE=root".into()));
    }
}
