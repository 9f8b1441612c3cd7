//! What goes wrong with a file, in the protocol's words.

use std::io;

use atoll_agent_protocol::v1::FileErrorKind as Kind;
use rustix::io::Errno;

/// Told to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
}

/// Why a helper ends before its work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// It cannot be done.
    Failed(Failure),
    /// Nobody is there any more.
    Gone,
}

impl Stop {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self::Failed(Failure { kind, message: message.into() })
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        let (kind, message) = explain(errno);
        Self::new(kind, message)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            None => Self::new(Kind::Failed, error.to_string()),
        }
    }
}

fn explain(errno: Errno) -> (Kind, &'static str) {
    match errno {
        Errno::NOENT => (Kind::NotFound, "there is nothing at this path"),
        Errno::EXIST => (Kind::Exists, "there is something at this path already"),
        Errno::ISDIR => (Kind::IsDirectory, "it is a directory"),
        Errno::NOTDIR => (Kind::NotDirectory, "a part of the path is no directory"),
        Errno::NOTEMPTY => (Kind::NotEmpty, "the directory is not empty"),
        Errno::ACCESS | Errno::PERM => (Kind::Permission, "the user may not do this"),
        Errno::NAMETOOLONG => (Kind::BadPath, "the path or a name in it is too long"),
        Errno::LOOP => (Kind::BadPath, "too many symbolic links are on the way"),
        Errno::INVAL | Errno::ILSEQ => (Kind::BadPath, "the path cannot be used for this"),
        Errno::NOSPC | Errno::DQUOT => (Kind::NoSpace, "the disk of the sandbox is full"),
        Errno::ROFS => (Kind::ReadOnly, "the file system is read-only"),
        Errno::TXTBSY | Errno::BUSY => (Kind::Busy, "it is in use"),
        Errno::FBIG | Errno::OVERFLOW => (Kind::TooLarge, "the file would be too large"),
        Errno::XDEV => (Kind::CrossDevice, "the new path is on another file system: copy it instead"),
        Errno::NXIO | Errno::NODEV | Errno::OPNOTSUPP => (Kind::NotRegular, "it is no regular file"),
        Errno::MFILE | Errno::NFILE => (Kind::Failed, "too many files are open in the sandbox"),
        Errno::NOMEM => (Kind::Failed, "the sandbox has no memory left"),
        Errno::IO => (Kind::Failed, "the disk of the sandbox failed"),
        _ => (Kind::Failed, "it cannot be done"),
    }
}
