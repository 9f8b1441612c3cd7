//! The command line, and what the supervisor leaves open.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use atoll_types::InstallationId;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::subnets::Subnets;

/// Numbers of the descriptors that the supervisor leaves open: the socket for serve, the folder of agents' sockets, the agent's program.
const LISTENER: i32 = 3;
const AGENTS: i32 = 4;
const AGENT: i32 = 5;

/// What the supervisor says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// Stands in every name.
    pub(crate) installation: InstallationId,
    /// Where Docker is.
    pub(crate) host: Host,
    /// What networks of sandboxes are cut from.
    pub(crate) subnets: Subnets,
    /// Whether sandboxes may have GPUs.
    pub(crate) allows_gpus: bool,
}

/// Where Docker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A socket of this machine.
    Socket(PathBuf),
    /// `ADDRESS:PORT`, without TLS.
    Tcp(String),
}

/// What the supervisor leaves open.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) listener: OwnedFd,
    pub(crate) agents: OwnedFd,
    pub(crate) agent: File,
}

/// Reads the command line, without the program's name: `--installation ID --docker-subnets NETWORK,SIZE --docker-host unix:///PATH`, or
/// `tcp://ADDRESS:PORT`; perhaps `--docker-gpus off` or `allowed`.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, &'static str> {
    let (mut installation, mut host, mut subnets) = (None, None, None);
    let mut allows_gpus = false;
    while let Some(option) = words.next() {
        let value = words.next().ok_or("an option without its value")?;
        match option.as_str() {
            "--installation" => installation = value.parse().ok(),
            "--docker-host" => host = host_of(&value),
            "--docker-subnets" => subnets = value.parse().ok(),
            "--docker-gpus" => allows_gpus = is_allowed(&value)?,
            _ => return Err("unknown option"),
        }
    }
    Ok(Args {
        installation: installation.ok_or("--installation must be an installation's id")?,
        host: host.ok_or("--docker-host must be unix:///PATH or tcp://ADDRESS:PORT")?,
        subnets: subnets.ok_or("--docker-subnets must be like 10.212.0.0/14,28")?,
        allows_gpus,
    })
}

fn is_allowed(word: &str) -> Result<bool, &'static str> {
    match word {
        "off" => Ok(false),
        "allowed" => Ok(true),
        _ => Err("--docker-gpus must be off or allowed"),
    }
}

fn host_of(text: &str) -> Option<Host> {
    if let Some(path) = text.strip_prefix("unix://") {
        return path.starts_with('/').then(|| Host::Socket(path.into()));
    }
    text.strip_prefix("tcp://").filter(|rest| !rest.is_empty()).map(|rest| Host::Tcp(rest.to_owned()))
}

/// Takes copies, asked of the kernel as if of another process: a number alone says nothing about who owns it here.
pub(crate) fn inherit() -> io::Result<Inherited> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let take = |number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty());
    Ok(Inherited { listener: take(LISTENER)?, agents: take(AGENTS)?, agent: take(AGENT)?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Args, &'static str> {
        parse(text.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_socket_or_an_address() {
        let subnets = "--docker-subnets 10.212.0.0/14,28";
        let args =
            parsed(&format!("--installation abcdefgh --docker-host unix:///run/docker.sock {subnets}"))
                .unwrap();
        assert_eq!(args.installation.as_str(), "abcdefgh");
        assert_eq!(args.host, Host::Socket("/run/docker.sock".into()));
        let args =
            parsed(&format!("--docker-host tcp://10.0.0.1:2375 {subnets} --installation abcdefgh")).unwrap();
        assert_eq!((args.host, args.allows_gpus), (Host::Tcp("10.0.0.1:2375".to_owned()), false));
        let with_gpus = |word: &str| {
            parsed(&format!("--docker-host unix:///x {subnets} --installation abcdefgh --docker-gpus {word}"))
        };
        assert!(with_gpus("allowed").unwrap().allows_gpus && !with_gpus("off").unwrap().allows_gpus);
        assert!(with_gpus("all").is_err());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "--installation abcdefgh",
            "--installation ABC --docker-host unix:///x",
            "--installation abcdefgh --docker-host /x",
            "--installation abcdefgh --docker-host unix://x",
            "--installation abcdefgh --docker-host tcp://",
            "--installation abcdefgh --docker-host unix:///x --privileged",
            "--installation abcdefgh --docker-host unix:///x --docker-subnets 10.0.0.0/8",
            "--installation abcdefgh --docker-host unix:///x --privileged yes",
        ] {
            assert!(parsed(text).is_err(), "{text}");
            assert!(parsed(&format!("--docker-subnets 10.212.0.0/14,28 {text}")).is_err(), "{text}");
        }
    }
}
