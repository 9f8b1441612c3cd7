//! What a helper says, as ours: bounded and in our words.

use atoll_agent_protocol::v1::{
    self, FileErrorKind as Kind, FileFailure, FileType, file_event::Kind as Happened,
};
use atoll_ports::{FileEntry, FileEvent, FileEventKind, FileMatch, FileProblem, FilesError};
use atoll_types::{FileKind, FileMode, Timestamp, bounds::PATH_BYTES_MAX};
use bytes::Bytes;

use crate::answer::bounded;

/// Longest line that a search tells, in bytes.
const LINE_BYTES_MAX: usize = 256;

pub(super) fn broke(what: &str) -> FilesError {
    FilesError::Protocol(what.to_owned())
}

pub(super) fn failure(failure: &FileFailure) -> FilesError {
    let message = bounded(&failure.message);
    let problem = match failure.kind() {
        Kind::Failed => FileProblem::Failed,
        Kind::NotFound => FileProblem::NotFound,
        Kind::Exists => FileProblem::Exists,
        Kind::IsDirectory => FileProblem::IsDirectory,
        Kind::NotDirectory => FileProblem::NotDirectory,
        Kind::NotRegular => FileProblem::NotRegular,
        Kind::NotEmpty => FileProblem::NotEmpty,
        Kind::Permission => FileProblem::Permission,
        Kind::BadPath => FileProblem::BadPath,
        Kind::NoSpace => FileProblem::NoSpace,
        Kind::ReadOnly => FileProblem::ReadOnly,
        Kind::Busy => FileProblem::Busy,
        Kind::TooLarge => FileProblem::TooLarge,
        Kind::BadArchive => FileProblem::BadArchive,
        Kind::CrossDevice => FileProblem::CrossDevice,
        Kind::Range => return FilesError::Range { size_bytes: failure.message.parse().unwrap_or(0) },
    };
    FilesError::File(problem, message)
}

pub(super) fn entry(entry: Option<v1::FileEntry>) -> Result<FileEntry, FilesError> {
    let entry = entry.ok_or_else(|| broke("a reply tells of no file"))?;
    let kind = match entry.r#type() {
        FileType::Other => FileKind::Other,
        FileType::File => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice => FileKind::CharacterDevice,
        FileType::BlockDevice => FileKind::BlockDevice,
    };
    Ok(FileEntry {
        name: path(&entry.name)?,
        kind,
        size_bytes: entry.size,
        mode: FileMode::from_bits(entry.mode),
        uid: entry.uid,
        gid: entry.gid,
        modified: Timestamp::from_unix_ms(entry.modified_ms),
        target: if kind == FileKind::Symlink { Some(path(&entry.target)?) } else { None },
    })
}

fn path(bytes: &Bytes) -> Result<Vec<u8>, FilesError> {
    if bytes.len() > PATH_BYTES_MAX + 1 || bytes.contains(&0) {
        return Err(broke("a reply has an impossible path"));
    }
    Ok(bytes.to_vec())
}

/// An entry of a listing: its name is one.
pub(super) fn listed(found: v1::FileEntry) -> Result<FileEntry, FilesError> {
    let entry = entry(Some(found))?;
    let name = entry.name.as_slice();
    if name.is_empty() || name.contains(&b'/') || name == b"." || name == b".." {
        return Err(broke("a listing has an impossible name"));
    }
    Ok(entry)
}

pub(super) fn matched(found: v1::FileMatch) -> Result<FileMatch, FilesError> {
    if found.text.len() > LINE_BYTES_MAX {
        return Err(broke("a match is too long"));
    }
    let line = (found.line > 0).then(|| (found.line, found.text.to_vec()));
    Ok(FileMatch { entry: entry(found.entry)?, line })
}

pub(super) fn event(event: &v1::FileEvent) -> Result<FileEvent, FilesError> {
    let kind = match event.kind() {
        Happened::Ready => FileEventKind::Ready,
        Happened::Created => FileEventKind::Created,
        Happened::Modified => FileEventKind::Modified,
        Happened::Deleted => FileEventKind::Deleted,
        Happened::Attributes => FileEventKind::Attributes,
        Happened::MovedFrom => FileEventKind::MovedFrom,
        Happened::MovedTo => FileEventKind::MovedTo,
        Happened::Overflow => FileEventKind::Overflow,
        Happened::Gone => FileEventKind::Gone,
    };
    let cookie = (event.cookie != 0).then_some(event.cookie);
    Ok(FileEvent { kind, path: path(&event.path)?, directory: event.directory, cookie })
}
