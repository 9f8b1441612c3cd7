//! The folders of one installation, held open: nothing is looked up by an absolute path after the start.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use atoll_types::InstallationId;
use rustix::fs::{Gid, Mode, OFlags, Uid, chownat, fchmod, mkdirat, openat};
use rustix::io::Errno;

use crate::args::Arguments;
use crate::report::{At, Step, StepError};

/// Name of the folder in which there is never anything.
pub(crate) const EMPTY: &str = "empty";

/// Longest file that says the installation's id, in bytes.
const INSTALLATION_BYTES_MAX: u64 = 64;

/// The folders of the installation.
#[derive(Debug)]
pub(crate) struct House {
    /// Whose it is.
    pub(crate) installation: InstallationId,
    /// `DIR/native`: only root sees it.
    pub(crate) native: OwnedFd,
    /// `DIR/run/agents`: the agents' sockets.
    pub(crate) agents: OwnedFd,
    /// `DIR/native/mnt`: where the stage is mounted while it is made. In it `empty`, in which there is never anything.
    pub(crate) mounts: OwnedFd,
    /// The group that may reach the agents' sockets.
    pub(crate) serve_gid: u32,
}

impl House {
    /// Opens the data folder and makes what is missing in it.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, StepError> {
        let data = rustix::fs::open(&arguments.data_dir, DIRECTORY, Mode::empty()).at(Step::OpenDataDir)?;
        let installation = installation(&data)?;
        let native = make_dir(&data, "native", 0o700)?;
        let run = make_dir(&data, "run", 0o750)?;
        let agents = make_dir(&run, "agents", 0o750)?;
        for (parent, name) in [(data.as_fd(), "run"), (run.as_fd(), "agents")] {
            let group = Some(Gid::from_raw(arguments.serve_gid));
            chownat(parent, name, Some(Uid::ROOT), group, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                .at(Step::MakeFolder)?;
        }
        let mounts = make_dir(&native, "mnt", 0o700)?;
        make_dir(&mounts, EMPTY, 0o700)?;
        Ok(Self { installation, native, agents, mounts, serve_gid: arguments.serve_gid })
    }

    /// Name of the installation's own cgroups.
    pub(crate) fn cgroup_name(&self) -> String {
        format!("atoll-{}", self.installation)
    }
}

/// Flags for opening a folder whose name is not to be followed anywhere.
pub(crate) const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a folder, and makes it with exactly that mode where it is missing.
pub(crate) fn make_dir(parent: impl AsFd, name: &str, mode: u32) -> Result<OwnedFd, StepError> {
    let made = match mkdirat(&parent, name, Mode::from_raw_mode(mode)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(StepError { step: Step::MakeFolder, errno }),
    };
    let dir = openat(&parent, name, DIRECTORY, Mode::empty()).at(Step::MakeFolder)?;
    if made {
        fchmod(&dir, Mode::from_raw_mode(mode)).at(Step::MakeFolder)?;
    }
    Ok(dir)
}

/// Reads the id that the first start wrote; makes one where there is none.
fn installation(data: &OwnedFd) -> Result<InstallationId, StepError> {
    let read = |errno| StepError { step: Step::ReadInstallation, errno };
    match openat(data, "installation", OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => {
            let mut text = String::new();
            std::fs::File::from(file)
                .take(INSTALLATION_BYTES_MAX)
                .read_to_string(&mut text)
                .at(Step::ReadInstallation)?;
            text.trim().parse().map_err(|_| read(Errno::INVAL))
        }
        Err(Errno::NOENT) => {
            let id = InstallationId::random();
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file =
                openat(data, "installation", flags, Mode::from_raw_mode(0o644)).at(Step::ReadInstallation)?;
            rustix::io::write(&file, id.as_str().as_bytes()).at(Step::ReadInstallation)?;
            rustix::fs::fsync(&file).at(Step::ReadInstallation)?;
            Ok(id)
        }
        Err(errno) => Err(read(errno)),
    }
}
