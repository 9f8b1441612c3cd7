//! `atoll serve` as it is started: what only root can do, and then it is the supervisor.

use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping, FdMappingCollision};

use crate::config::{CONTENT_VARIABLE, Config, ConfigFile};
use crate::programs::{self, ProgramError};
use crate::{cgroup_moves, report};

/// The user that serve runs as, where the operator has made it.
const SERVE_USER: &str = "atoll";
/// Its uid and gid where he has not: in Debian's range that is free for local use, beyond what `adduser` gives out.
const SERVE_ID: u32 = 64_321;
/// Uid and gid of the egress program, which is handed what sandboxes send: not serve's, whose files hold secrets.
const EGRESS_ID: u32 = 64_322;
/// Uid and gid of the Docker broker: nobody else's, since it may do what root may, by way of Docker.
const BROKER_ID: u32 = 64_323;
/// First number of a descriptor that the handed ones (3 to 9) cannot overwrite.
const BEYOND_HANDED: i32 = 16;
/// Bytes of the list of users that are looked through.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

/// Why the server cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OuterError {
    #[error(
        "must be started as root, since only root can make sandboxes: sudo atoll serve (it gives its rights up itself)"
    )]
    NotRoot,
    #[error("port {} of {} is taken; stop what listens there, or choose another with --port or PORT", .0.port(), .0.ip())]
    Taken(SocketAddr),
    #[error("cannot listen on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error("cannot open the running program")]
    Own(#[source] io::Error),
    #[error("cannot hand over the descriptors")]
    HandOver(#[from] FdMappingCollision),
    #[error("cannot start the supervisor")]
    Exec(#[source] io::Error),
}

/// Binds the port, finds the programs and becomes the supervisor; comes back only with the reason why not.
pub(crate) fn become_supervisor(config: &Config, file: Option<&ConfigFile>) -> OuterError {
    prepare(config, file).map_or_else(|error| error, |mut supervisor| OuterError::Exec(supervisor.exec()))
}

fn prepare(config: &Config, file: Option<&ConfigFile>) -> Result<Command, OuterError> {
    if !rustix::process::geteuid().is_root() {
        return Err(OuterError::NotRoot);
    }
    let listener = bind(SocketAddr::new(config.host, config.port))?;
    if config.cheap_cgroup_moves {
        make_cgroup_moves_cheap();
    }
    // Beyond the numbers that are handed over: they are filled before the exec, which finds the program by its number.
    let supervisor = programs::find("atoll-supervisor")?;
    let supervisor =
        rustix::io::fcntl_dupfd_cloexec(&supervisor, BEYOND_HANDED).map_err(|e| OuterError::Own(e.into()))?;
    let own = File::open("/proc/self/exe").map_err(OuterError::Own)?;
    let handed = [
        listener.into(),
        own.into(),
        programs::find("atoll-launcher")?,
        programs::find("atoll-agent")?,
        programs::find("atoll-unpack")?,
        programs::find("atoll-egress")?,
        programs::find("atoll-broker")?,
    ];
    let (uid, gid) = serve_ids();
    let mut command = Command::new(path_of(&supervisor));
    command.arg0("atoll-supervisor").arg("--data-dir").arg(&config.data_dir);
    command.args(["--serve-uid", &uid.to_string(), "--serve-gid", &gid.to_string()]);
    command.args(["--egress-id", &EGRESS_ID.to_string()]);
    if let Some(host) = config.docker_host.address() {
        command.args(["--broker-id", &BROKER_ID.to_string(), "--docker-host", &host]);
        command.args(["--docker-subnets", &config.docker_subnets.to_string()]);
        command.args(["--docker-gpus", if config.docker_gpus { "allowed" } else { "off" }]);
    }
    command.args(["--", "atoll"]);
    command.args(std::env::args_os().skip(1));
    command.env_remove(CONTENT_VARIABLE);
    if let Some(file) = file {
        command.env(CONTENT_VARIABLE, &file.text);
    }
    hand_over(&mut command, handed)?;
    // Open until the exec, which closes it: its number is in the path above.
    std::mem::forget(supervisor);
    Ok(command)
}

/// Only a matter of speed: a host that does not allow it, as a container, does without.
fn make_cgroup_moves_cheap() {
    match cgroup_moves::make_cheap() {
        Ok(false) => {}
        Ok(true) => report::line(
            "set favordynmods of cgroup2 on this host, which makes creates faster (cgroupMoves: as-is leaves it alone)",
        ),
        Err(error) => {
            report::line(&format!("could not set favordynmods of cgroup2, so creates are slower: {error}"))
        }
    }
}

/// The supervisor looks for these at 3 to 9.
fn hand_over(command: &mut Command, handed: [OwnedFd; 7]) -> Result<(), OuterError> {
    let mappings = (3..).zip(handed).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(mappings.collect())?;
    Ok(())
}

fn bind(address: SocketAddr) -> Result<TcpListener, OuterError> {
    TcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => OuterError::Taken(address),
        _ => OuterError::Bind { address, source },
    })
}

fn path_of(program: &OwnedFd) -> String {
    use std::os::fd::AsRawFd;

    format!("/proc/self/fd/{}", program.as_raw_fd())
}

/// Uid and gid of the user `atoll`, else the numbers that are always there.
fn serve_ids() -> (u32, u32) {
    let mut users = String::new();
    let read =
        File::open("/etc/passwd").and_then(|file| file.take(PASSWD_BYTES_MAX).read_to_string(&mut users));
    read.ok().and_then(|_| ids_of(SERVE_USER, &users)).unwrap_or((SERVE_ID, SERVE_ID))
}

/// Uid and gid of a user in the list; never root's.
fn ids_of(name: &str, users: &str) -> Option<(u32, u32)> {
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_his = fields.next()? == name;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        is_his.then_some((uid, gid))
    });
    ids.filter(|(uid, gid)| *uid != 0 && *gid != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_user_are_found() {
        let users =
            "root:x:0:0::/root:/bin/sh\natoll:x:997:996::/:/usr/sbin/nologin\nevil:x:0:5::/:\nbroken:x:a\n";
        assert_eq!(ids_of("atoll", users), Some((997, 996)));
        assert_eq!(ids_of("evil", users), None);
        assert_eq!(ids_of("broken", users), None);
        assert_eq!(ids_of("nobody", users), None);
    }

    #[test]
    fn a_taken_port_says_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = bind(taken.local_addr().unwrap()).unwrap_err().to_string();
        assert!(error.contains("is taken") && error.contains("--port"), "{error}");
    }

    #[test]
    fn descriptors_arrive_at_their_numbers_whatever_theirs_were() {
        let files: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"]
            .iter()
            .map(|text| {
                let mut file = tempfile::tempfile().unwrap();
                io::Write::write_all(&mut file, text.as_bytes()).unwrap();
                io::Seek::rewind(&mut file).unwrap();
                OwnedFd::from(file)
            })
            .collect();
        let mut command = Command::new("cat");
        command.args((3..=9).map(|fd| format!("/proc/self/fd/{fd}")));
        hand_over(&mut command, files.try_into().unwrap()).unwrap();
        assert_eq!(command.output().unwrap().stdout, b"abcdefg");
    }
}
