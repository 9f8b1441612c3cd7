//! Names of files, and how a segment comes into being.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use atoll_types::{ExecId, SandboxId};

/// Says what kind of file this is, and which form of it.
const MAGIC: &[u8; 8] = b"ATLXLOG1";
/// Bytes of a segment's header: magic 8, number 8, last event before it 8, checksum 4, zero 4; little-endian.
pub(crate) const HEADER_BYTES: u64 = 32;

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Its number: 0 is the first of a log, each next one is one more. When the oldest that is held is not 0, something
    /// was dropped.
    pub(crate) index: u64,
    /// Number of the last event before it.
    pub(crate) last_seq: u64,
}

impl SegmentHeader {
    fn encode(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.index.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.last_seq.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..24]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header of a file; none when it has none, as after a loss of power.
    pub(crate) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; 32];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let number = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
        let header = Self { index: number(8), last_seq: number(16) };
        Ok((header.encode() == bytes).then_some(header))
    }
}

/// How many segments of a log are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The one that grows and the one before.
    Two,
    /// And the one before that: less is dropped at once.
    Three,
}

/// The files of one exec.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Folder of the sandbox.
    dir: PathBuf,
    /// The segment that grows.
    pub(crate) current: PathBuf,
    /// The one before it.
    pub(crate) older: PathBuf,
    /// The one before that, where three are kept.
    pub(crate) oldest: PathBuf,
    /// One that is being made, and has no meaning yet.
    fresh: PathBuf,
}

/// Opens a file that may be missing.
pub(crate) fn open_if_there(path: &Path, options: &OpenOptions) -> io::Result<Option<File>> {
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Removes a file that may be missing; answers with the bytes that it had.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<u64> {
    let len = std::fs::metadata(path).map(|m| m.len()).unwrap_or(0);
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        result => result.map(|()| len),
    }
}

impl Layout {
    /// Ids are checked types without `/` or `.`, so the paths stay within `root`.
    pub(crate) fn new(root: &Path, sandbox: &SandboxId, exec: &ExecId) -> Self {
        let dir = root.join(sandbox.as_str());
        let file = |suffix: &str| dir.join(format!("{exec}.{suffix}"));
        Self { current: file("log"), older: file("old"), oldest: file("older"), fresh: file("new"), dir }
    }

    /// The segments that were before the one that grows, oldest first. A rotation that a crash cut off leaves out the middle one,
    /// and no number.
    pub(crate) fn before(&self) -> [&Path; 2] {
        [&self.oldest, &self.older]
    }

    /// Removes the segments before the one that grows; answers with the bytes that they had.
    pub(crate) fn remove_before(&self) -> io::Result<u64> {
        self.before().into_iter().try_fold(0, |bytes, path| Ok(bytes + remove_if_there(path)?))
    }

    /// The exec that a file of a sandbox's folder belongs to.
    pub(crate) fn exec_of(path: &Path) -> Option<ExecId> {
        path.file_stem()?.to_str()?.parse().ok()
    }

    /// The folder that the files are in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes an empty segment that has no meaning until it is published.
    pub(crate) fn prepare(&self, header: SegmentHeader) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        remove_if_there(&self.fresh)?;
        let mut file = match options.open(&self.fresh) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
                options.open(&self.fresh)?
            }
            result => result?,
        };
        file.write_all(&header.encode())?;
        Ok(file)
    }

    /// Makes the prepared segment the current one; so it appears with its header or not at all.
    pub(crate) fn publish(&self) -> io::Result<()> {
        std::fs::rename(&self.fresh, &self.current)
    }

    /// Makes the current segment the older one and the prepared one the current, and drops the oldest of as many as are
    /// kept; answers with the bytes that were dropped. At every moment what is there has no gap.
    pub(crate) fn rotate(&self, kept: Kept) -> io::Result<u64> {
        let dropped = match kept {
            Kept::Two => &self.older,
            Kept::Three => &self.oldest,
        };
        let mut bytes = std::fs::metadata(dropped).map(|m| m.len()).unwrap_or(0);
        if kept == Kept::Three {
            match std::fs::rename(&self.older, &self.oldest) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => bytes = 0,
                result => result?,
            }
        }
        std::fs::rename(&self.current, &self.older)?;
        self.publish()?;
        Ok(bytes)
    }

    /// Removes everything; answers with the bytes that it had.
    pub(crate) fn remove(&self) -> io::Result<u64> {
        remove_if_there(&self.fresh)?;
        Ok(self.remove_before()? + remove_if_there(&self.current)?)
    }
}
