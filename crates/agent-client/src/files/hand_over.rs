//! The descriptor of a file, from its helper to here; see [`atoll_agent_protocol::hand_over`].
//!
//! What comes is looked at before it is used: a regular file of a file system where nothing waits for a process, open for
//! what is done with it. It is read and written at positions, in threads that may wait, and never mapped: whoever makes
//! the file shorter meanwhile makes a read short, no more. It is closed with the call: a sandbox that is deleted ends that,
//! and its storage goes.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use atoll_agent_protocol::hand_over::{Use, hello, may_be_handed_over, receive};
use atoll_ports::{FileProblem, FilesError};
use atoll_types::SandboxId;
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::time::timeout;

use super::check::broke;
use super::session::{START_LIMIT, Session, unreachable};
use crate::pool::Pool;

/// Contents of this size and more go by a descriptor, in bytes: it costs about what half of this does through the agent.
pub(super) const FROM_BYTES: u64 = 1 << 20;
/// What is read or written at once, in bytes: large enough that the hops between threads are nothing beside it.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// Takes the descriptor that the helper of a session has announced.
pub(super) async fn take(
    pool: &Pool,
    sandbox: &SandboxId,
    session: &mut Session,
    for_what: Use,
) -> Result<File, FilesError> {
    let key = session.key;
    let descriptor = async {
        let mut connection = pool.connect(sandbox).await.map_err(unreachable)?;
        connection.write_all(&hello(key)).await.map_err(lost)?;
        connection.async_io(Interest::READABLE, || Ok(receive(&connection)?)).await.map_err(lost)
    };
    // Both only wait: nothing is lost with a connection that nobody needs any more.
    let descriptor = tokio::select! {
        biased;
        part = session.parts.next() => return Err(super::session::early(part)),
        taken = timeout(START_LIMIT, descriptor) => taken.map_err(|_| FilesError::TimedOut)??,
    };
    check(&descriptor, for_what)?;
    Ok(File::from(descriptor))
}

fn lost(error: io::Error) -> FilesError {
    FilesError::Unreachable(format!("the descriptor of the file did not come: {error}"))
}

/// Believes nothing of what came.
fn check(descriptor: &OwnedFd, for_what: Use) -> Result<(), FilesError> {
    let strange = |_| broke("what it hands over tells nothing of itself");
    let flags = fcntl_getfl(descriptor).map_err(strange)?;
    let access = flags & OFlags::RWMODE;
    let wanted = if for_what == Use::Reading { OFlags::RDONLY } else { OFlags::WRONLY };
    let other_ways = OFlags::PATH | OFlags::APPEND | OFlags::DIRECT;
    if (access != wanted && access != OFlags::RDWR) || flags.intersects(other_ways) {
        return Err(broke("what it hands over is open for something else"));
    }
    if !may_be_handed_over(descriptor, for_what).map_err(strange)? {
        return Err(broke("what it hands over is no file of the sandbox's disk"));
    }
    Ok(())
}

/// What went wrong with the file, as its helper would tell it.
pub(super) fn failed(error: &io::Error) -> FilesError {
    let (problem, text) = match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => (FileProblem::NoSpace, "the disk of the sandbox is full"),
        Some(Errno::FBIG) => (FileProblem::TooLarge, "the file would be too large"),
        _ => (FileProblem::Failed, "the disk of the sandbox failed"),
    };
    FilesError::File(problem, text.to_owned())
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, Mode, openat};

    use super::*;

    fn opened(path: &str, flags: OFlags) -> OwnedFd {
        openat(CWD, path, flags, Mode::empty()).unwrap()
    }

    #[test]
    fn only_what_is_open_for_its_use_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let path = path.to_str().unwrap();
        for (flags, reads, writes) in [
            (OFlags::RDONLY, true, false),
            (OFlags::WRONLY, false, true),
            (OFlags::RDWR, true, true),
            (OFlags::PATH, false, false),
            (OFlags::WRONLY | OFlags::APPEND, false, false),
        ] {
            let taken = |for_what| check(&opened(path, flags), for_what).is_ok();
            assert_eq!((taken(Use::Reading), taken(Use::Writing)), (reads, writes), "{flags:?}");
        }
        for strange in ["/proc/self/status", "/dev/zero", "/"] {
            assert!(check(&opened(strange, OFlags::RDONLY), Use::Reading).is_err(), "{strange}");
        }
    }

    #[test]
    fn a_full_disk_is_told_as_one() {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            assert!(matches!(failed(&errno.into()), FilesError::File(FileProblem::NoSpace, _)));
        }
    }
}
