//! Files that every sandbox has: names of hosts, and the user `agent`.
//!
//! The root belongs to the sandbox, or came from an image: every link in it is hostile. All paths are resolved by the
//! kernel inside the root, without the links of `/proc`; what is read is a regular file and bounded; what is written is a
//! new file that takes the old one's name. This runs with the rights of the sandbox's own root and no more.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use atoll_types::Network;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, fchmod, fchown, fstat, mkdirat, openat2,
    renameat, unlinkat,
};
use rustix::io::{Errno, Result};

use crate::net::DNS;
use crate::report::{At, Step, StepError};

/// Largest file that is read, in bytes: far beyond any real list of users.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// User and group of commands, and their home.
const AGENT: &str = "agent";
const AGENT_ID: u32 = 1_000;

/// Inside the root, whatever the links on the way say, and never in what is mounted in it.
const INSIDE: ResolveFlags =
    ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_XDEV);

/// Writes what is missing or different.
pub(crate) fn write(root: &OwnedFd, host_name: &str, network: Network) -> std::result::Result<(), StepError> {
    let etc = folder(root, "etc", 0o755).at(Step::GuestFiles)?;
    let hosts =
        format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{host_name}\n");
    ensure(&etc, "hosts", &hosts).at(Step::GuestFiles)?;
    ensure(&etc, "hostname", &format!("{host_name}\n")).at(Step::GuestFiles)?;
    ensure(&etc, "resolv.conf", &resolvers(network)).at(Step::GuestFiles)?;

    let shell = if open(root, "bin/bash", OFlags::PATH).is_ok() { "/bin/bash" } else { "/bin/sh" };
    let user = format!("{AGENT}:x:{AGENT_ID}:{AGENT_ID}:Atoll:/home/{AGENT}:{shell}\n");
    ensure_line(&etc, "passwd", "root:x:0:0:root:/root:/bin/sh\n", &user).at(Step::GuestUser)?;
    ensure_line(&etc, "group", "root:x:0:\n", &format!("{AGENT}:x:{AGENT_ID}:\n")).at(Step::GuestUser)?;
    ensure_home(root).at(Step::GuestUser)?;

    let tmp = folder(root, "tmp", 0o1777).at(Step::GuestFiles)?;
    if fstat(&tmp).at(Step::GuestFiles)?.st_mode & 0o7777 != 0o1777 {
        fchmod(&tmp, Mode::from_raw_mode(0o1777)).at(Step::GuestFiles)?;
    }
    Ok(())
}

/// Whom to ask for names.
fn resolvers(network: Network) -> String {
    match network {
        Network::None => "# This sandbox has no network.\n".to_owned(),
        Network::All => format!("nameserver {DNS}\n"),
    }
}

fn open(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd> {
    openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), INSIDE)
}

/// Opens a folder, made where it is missing.
fn folder(parent: &OwnedFd, name: &str, mode: u32) -> Result<OwnedFd> {
    match open(parent, name, OFlags::DIRECTORY) {
        Err(Errno::NOENT) => {
            mkdirat(parent, name, Mode::from_raw_mode(mode))?;
            let made = open(parent, name, OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
            fchmod(&made, Mode::from_raw_mode(mode))?;
            Ok(made)
        }
        other => other,
    }
}

/// Reads a regular file; `None` where there is none. Links out of the folder are not followed: the folder is the root
/// of this look-up.
fn read(folder: &OwnedFd, name: &str) -> Result<Option<(String, u32)>> {
    // Not blocking: the name may be a pipe that nobody writes to.
    let file = match open(folder, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = File::from(file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Errno::FBIG);
    }
    Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), stat.st_mode & 0o777)))
}

/// Puts a new file in the place of whatever has the name.
fn replace(folder: &OwnedFd, name: &str, content: &str, mode: u32) -> Result<()> {
    let new = format!("{name}.atoll");
    match unlinkat(folder, &*new, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat2(folder, &*new, flags, Mode::from_raw_mode(mode), INSIDE)?;
    fchmod(&file, Mode::from_raw_mode(mode))?;
    File::from(file)
        .write_all(content.as_bytes())
        .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    renameat(folder, &*new, folder, name)
}

/// Makes a file have this content.
fn ensure(folder: &OwnedFd, name: &str, content: &str) -> Result<()> {
    match read(folder, name) {
        Ok(Some((held, _))) if held == content => Ok(()),
        _ => replace(folder, name, content, 0o644),
    }
}

/// Makes a file of `name:…` lines have one with the name of `line`.
fn ensure_line(folder: &OwnedFd, name: &str, default: &str, line: &str) -> Result<()> {
    let (mut held, mode) = read(folder, name)?.unwrap_or_else(|| (default.to_owned(), 0o644));
    if held.lines().any(|held| held.split(':').next() == Some(AGENT)) {
        return Ok(());
    }
    if !held.is_empty() && !held.ends_with('\n') {
        held.push('\n');
    }
    held.push_str(line);
    replace(folder, name, &held, mode)
}

fn ensure_home(root: &OwnedFd) -> Result<()> {
    let homes = folder(root, "home", 0o755)?;
    match open(&homes, AGENT, OFlags::DIRECTORY) {
        Err(Errno::NOENT) => {
            let home = folder(&homes, AGENT, 0o755)?;
            fchown(&home, Some(Uid::from_raw(AGENT_ID)), Some(Gid::from_raw(AGENT_ID)))
        }
        // A link or file of the sandbox's own making is its own business.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;

    use super::*;

    fn root(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn a_bare_root_gets_everything() {
        let dir = tempfile::tempdir().unwrap();
        write(&root(dir.path()), "sandbox-x", Network::None).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("etc/passwd").contains("agent:x:1000:1000:"));
        assert!(read("etc/group").contains("agent:x:1000:"));
        assert_eq!(read("etc/hostname"), "sandbox-x\n");
        assert_eq!(std::fs::metadata(dir.path().join("home/agent")).unwrap().uid(), 1_000);
    }

    #[test]
    fn an_agent_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "agent:x:77:77::/:/bin/sh").unwrap();
        write(&root(dir.path()), "sandbox-x", Network::None).unwrap();
        assert_eq!(
            std::fs::read_to_string(dir.path().join("etc/passwd")).unwrap(),
            "agent:x:77:77::/:/bin/sh"
        );
    }

    #[test]
    fn links_never_lead_out_of_the_root() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        for name in ["passwd", "group", "hosts", "hostname", "resolv.conf"] {
            std::fs::write(outside.path().join(name), "untouched").unwrap();
        }
        // The folder itself is a link to the outside: inside the root that path does not exist.
        symlink(outside.path(), dir.path().join("etc")).unwrap();
        assert!(write(&root(dir.path()), "sandbox-x", Network::None).is_err());

        // The files are links to the outside: they are replaced, not followed.
        std::fs::remove_file(dir.path().join("etc")).unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        for name in ["passwd", "group", "hosts", "hostname", "resolv.conf"] {
            symlink(outside.path().join(name), dir.path().join("etc").join(name)).unwrap();
        }
        write(&root(dir.path()), "sandbox-x", Network::None).unwrap();
        for name in ["passwd", "group", "hosts", "hostname", "resolv.conf"] {
            assert_eq!(std::fs::read_to_string(outside.path().join(name)).unwrap(), "untouched");
        }
        assert!(std::fs::read_to_string(dir.path().join("etc/passwd")).unwrap().contains("agent:"));
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let pipe = dir.path().join("etc/passwd");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        write(&root(dir.path()), "sandbox-x", Network::None).unwrap();
        assert!(std::fs::read_to_string(&pipe).unwrap().contains("agent:"));
    }
}
