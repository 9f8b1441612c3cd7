//! The data folder: who owns what in it. Everything is opened beneath its descriptor, without following links.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, mkdirat, openat, renameat};
use rustix::io::Errno;

/// The folders that the parts are given.
#[derive(Debug)]
pub(crate) struct Folders {
    /// The data folder.
    pub(crate) root: OwnedFd,
    /// `run/`: sockets and process ids.
    pub(crate) run: OwnedFd,
    /// `serve/`: serve's own.
    pub(crate) serve: OwnedFd,
}

/// A folder that cannot be trusted or used as it is; the operator must look.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{} must belong to root, and belongs to user {uid}: choose another --data-dir, or chown it", path.display())]
    NotRoots { path: PathBuf, uid: u32 },
    #[error("{} can be written by others (mode {mode:o}): chmod go-w it", path.display())]
    WritableByOthers { path: PathBuf, mode: u32 },
    #[error("{name}/ in the data folder belongs to user {uid}, and should to {wanted}: chown -R {wanted} it")]
    Foreign { name: &'static str, uid: u32, wanted: u32 },
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the data folder, made where it is missing, and refuses one that somebody else controls.
pub(crate) fn open_root(path: &Path) -> anyhow::Result<OwnedFd> {
    make_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    let root = openat(CWD, path, DIRECTORY, Mode::empty())
        .with_context(|| format!("cannot open {} as a folder", path.display()))?;
    let stat = fstat(&root)?;
    if stat.st_uid != 0 {
        return Err(Refused::NotRoots { path: path.into(), uid: stat.st_uid }.into());
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o022 != 0 {
        return Err(Refused::WritableByOthers { path: path.into(), mode }.into());
    }
    // Serve must be able to pass through it.
    fchmod(&root, Mode::from_raw_mode(0o755))?;
    Ok(root)
}

fn make_all(path: &Path) -> rustix::io::Result<()> {
    match mkdirat(CWD, path, Mode::from_raw_mode(0o755)) {
        Err(Errno::NOENT) => {
            path.parent().map_or(Err(Errno::NOENT), make_all)?;
            make_all(path)
        }
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Makes what is missing in the data folder, and sets owners and modes.
pub(crate) fn lay_out(root: OwnedFd, serve_uid: u32, serve_gid: u32) -> anyhow::Result<Folders> {
    let serve = own(&root, "serve", serve_uid, serve_gid, 0o700)?;
    let run = own(&root, "run", 0, serve_gid, 0o750)?;
    own(&run, "agents", 0, serve_gid, 0o750)?;
    own(&root, "native", 0, 0, 0o700)?;
    Ok(Folders { root, run, serve })
}

/// The folder in which the Docker broker listens for serve: its own, and what it makes there is of serve's group.
pub(crate) fn broker_agents(run: &OwnedFd, broker: u32, serve_gid: u32) -> anyhow::Result<OwnedFd> {
    own(run, "docker", broker, serve_gid, 0o2750)
}

/// Notes where Docker is, for a doctor that looks into it while nothing of this runs: also when a later start has no Docker.
pub(crate) fn note_docker(root: &OwnedFd, host: &OsStr) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(root, "docker-host.new", flags, Mode::from_raw_mode(0o644))?);
    file.write_all(host.as_bytes())?;
    renameat(root, "docker-host.new", root, "docker-host")?;
    Ok(())
}

fn own(parent: &OwnedFd, name: &'static str, uid: u32, gid: u32, mode: u32) -> anyhow::Result<OwnedFd> {
    // Made closed and root's; opened to its owner below, so that a cut in between leaves nothing open.
    match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make {name}/ in the data folder")),
    }
    let folder = openat(parent, name, DIRECTORY, Mode::empty())
        .with_context(|| format!("cannot open {name}/ in the data folder as a folder"))?;
    let stat = fstat(&folder)?;
    if stat.st_uid != 0 && stat.st_uid != uid {
        return Err(Refused::Foreign { name, uid: stat.st_uid, wanted: uid }.into());
    }
    if (stat.st_uid, stat.st_gid) != (uid, gid) {
        fchown(&folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    if stat.st_mode & 0o7777 != mode {
        fchmod(&folder, Mode::from_raw_mode(mode))?;
    }
    Ok(folder)
}
