//! The way to the files of a sandbox. All is done inside, with the rights of one of its users; what is answered is
//! untrusted, and the adapter bounds and checks it.

use std::io;
use std::pin::Pin;

use async_trait::async_trait;
use atoll_types::{FileKind, FileMode, FilePath, GuestUser, SandboxId, Timestamp};
use bytes::Bytes;
use tokio_stream::Stream;

/// Where, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAt {
    /// Whose rights and whose home.
    pub user: GuestUser,
    /// Absolute, or from the user's home.
    pub path: FilePath,
    /// Whether a relative path that is not in the home is meant from the root.
    pub or_root: bool,
}

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// In a listing its name, in a search its path from where that began, else its path. Any bytes.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// In bytes.
    pub size_bytes: u64,
    /// Rights.
    pub mode: FileMode,
    /// Owner, as a number of the sandbox.
    pub uid: u32,
    /// Group, as a number of the sandbox.
    pub gid: u32,
    /// Last change of its content.
    pub modified: Timestamp,
    /// Of a symbolic link: where it leads.
    pub target: Option<Vec<u8>>,
}

/// One page of a directory, in the order of the names' bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilePage {
    /// The entries.
    pub entries: Vec<FileEntry>,
    /// Whether others follow.
    pub more: bool,
}

/// Which part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilePart {
    /// From an offset, so many bytes or to the end.
    From(u64, Option<u64>),
    /// The last so many bytes.
    Last(u64),
}

impl FilePart {
    /// All of it.
    pub const WHOLE: Self = Self::From(0, None);
}

/// Content on its way in. An error is that of its source, and undoes what is being made of it.
pub type ContentIn = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
/// Content on its way out. An error ends it before its time.
pub type ContentOut = Pin<Box<dyn Stream<Item = Result<Bytes, FilesError>> + Send>>;

/// A part of a file.
pub struct FileRead {
    /// The file.
    pub entry: FileEntry,
    /// Where the part begins.
    pub offset: u64,
    /// Its length in bytes; the content has exactly so many, or ends with an error.
    pub length: u64,
    /// The part.
    pub content: ContentOut,
}

impl std::fmt::Debug for FileRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { entry, offset, length, content: _ } = self;
        f.debug_struct("FileRead")
            .field("entry", entry)
            .field("offset", offset)
            .field("length", length)
            .finish_non_exhaustive()
    }
}

/// What is to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChange {
    /// New path.
    pub to: Option<FilePath>,
    /// Whether what has the new path is replaced.
    pub overwrite: bool,
    /// New rights.
    pub mode: Option<FileMode>,
}

/// What came of an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries made.
    pub files: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSearch {
    /// A part of a name or of a line.
    pub text: String,
    /// In names, in any case.
    pub in_names: bool,
    /// In the lines of files.
    pub in_contents: bool,
    /// Most matches.
    pub limit: u32,
}

/// Something that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMatch {
    /// The file.
    pub entry: FileEntry,
    /// Number of the line, from 1, and the line, cut; none where the name matches.
    pub line: Option<(u64, Vec<u8>)>,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileMatches {
    /// The matches.
    pub matches: Vec<FileMatch>,
    /// Whether a bound of number, time or work ended it.
    pub truncated: bool,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEventKind {
    /// The watch stands.
    Ready,
    /// It came into being.
    Created,
    /// Its content changed.
    Modified,
    /// It was removed.
    Deleted,
    /// Its rights, owner or times changed.
    Attributes,
    /// It has this name no more.
    MovedFrom,
    /// It has this name now.
    MovedTo,
    /// Events were lost.
    Overflow,
    /// What is watched is gone; nothing follows.
    Gone,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEvent {
    /// What.
    pub kind: FileEventKind,
    /// Below what is watched; empty: itself.
    pub path: Vec<u8>,
    /// Whether it is a directory.
    pub directory: bool,
    /// The two halves of one move have the same.
    pub cookie: Option<u32>,
}

/// Events as they happen, the first being [`FileEventKind::Ready`]. Dropping it ends the watch.
pub type FileEvents = Pin<Box<dyn Stream<Item = Result<Vec<FileEvent>, FilesError>> + Send>>;

/// Why a file cannot be used so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileProblem {
    /// There is nothing.
    NotFound,
    /// There is something already.
    Exists,
    /// It is a directory.
    IsDirectory,
    /// It, or something on the way, is none.
    NotDirectory,
    /// It is a pipe, a socket, a device.
    NotRegular,
    /// The directory has something in it.
    NotEmpty,
    /// The user may not.
    Permission,
    /// The path cannot be.
    BadPath,
    /// The sandbox's disk is full.
    NoSpace,
    /// The file system is read-only.
    ReadOnly,
    /// It is in use.
    Busy,
    /// It would be too large.
    TooLarge,
    /// The archive is hostile or broken.
    BadArchive,
    /// A move to another file system.
    CrossDevice,
    /// Something else failed inside.
    Failed,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// The file cannot be used so; the message is the sandbox's, bounded.
    #[error("{1}")]
    File(FileProblem, String),
    /// The part asked for is beyond the file.
    #[error("the file has {size_bytes} bytes")]
    Range {
        /// Its size.
        size_bytes: u64,
    },
    /// There is no such user.
    #[error("{0}")]
    NoUser(String),
    /// So many operations are under way already.
    #[error("too many file operations are under way in this sandbox")]
    TooMany,
    /// The source of the content failed.
    #[error("the content ended before it was whole: {0}")]
    Content(String),
    /// What did the work was ended, inside.
    #[error("the operation was cut off inside the sandbox: it was killed, or the sandbox has no memory left")]
    Interrupted,
    /// Nothing came for too long.
    #[error("the sandbox did not answer in time")]
    TimedOut,
    /// The agent cannot be reached, or the connection broke.
    #[error("the agent does not answer: {0}")]
    Unreachable(String),
    /// The agent is older than this.
    #[error("the agent of this sandbox has no files: restart the sandbox")]
    Unsupported,
    /// It broke the protocol; nothing of it can be believed.
    #[error("the agent broke the protocol: {0}")]
    Protocol(String),
}

/// The files of the sandboxes.
#[async_trait]
pub trait Files: std::fmt::Debug + Send + Sync {
    /// What is at a path; a link is told as such.
    async fn stat(&self, sandbox: &SandboxId, at: &FileAt) -> Result<FileEntry, FilesError>;
    /// At most `limit` entries of a directory whose names come after `after`.
    async fn list(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        after: &[u8],
        limit: u32,
    ) -> Result<FilePage, FilesError>;
    /// A part of a regular file.
    async fn read(&self, sandbox: &SandboxId, at: &FileAt, part: FilePart) -> Result<FileRead, FilesError>;
    /// Makes a file with this content, or replaces one, in one step: it is there whole or not at all.
    async fn write(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        mode: Option<FileMode>,
        content: ContentIn,
    ) -> Result<FileEntry, FilesError>;
    /// Removes a file or an empty directory, or one with all that is in it.
    async fn remove(&self, sandbox: &SandboxId, at: &FileAt, recursive: bool) -> Result<(), FilesError>;
    /// Moves a file, then changes its rights.
    async fn change(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        change: &FileChange,
    ) -> Result<FileEntry, FilesError>;
    /// A tar of what is in a directory, or of one file.
    async fn pack(&self, sandbox: &SandboxId, at: &FileAt) -> Result<ContentOut, FilesError>;
    /// Unpacks a tar into a directory, which is made. What came before an error stays.
    async fn unpack(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        archive: ContentIn,
    ) -> Result<Unpacked, FilesError>;
    /// Looks for a text below a directory.
    async fn search(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        search: &FileSearch,
    ) -> Result<FileMatches, FilesError>;
    /// Tells what happens to a file or in a directory.
    async fn watch(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        recursive: bool,
    ) -> Result<FileEvents, FilesError>;
}
