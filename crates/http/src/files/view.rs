//! Files as the API shows them.

use atoll_api_types::{File, FileEvent, FileMatch};
use atoll_ports::{FileEntry, FileEvent as Happened, FileEventKind, FileMatch as Found};
use atoll_types::FileKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes as text, and in base 64 where the text is not all of them.
fn shown(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(STANDARD.encode(bytes))),
    }
}

/// A file with its own path.
pub(super) fn file(entry: FileEntry) -> File {
    let (path, path_base64) = shown(&entry.name);
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    File {
        name: if name.is_empty() { path.clone() } else { name.to_owned() },
        path,
        path_base64,
        kind: kind(entry.kind).to_owned(),
        size: entry.size_bytes,
        mode: entry.mode.to_string(),
        uid: entry.uid,
        gid: entry.gid,
        modified_at: entry.modified.to_rfc3339(),
        target: entry.target.map(|target| shown(&target).0),
    }
}

/// An entry of a directory. The home is where relative paths begin.
pub(super) fn file_in(directory: &[u8], mut entry: FileEntry) -> File {
    if directory != b"." {
        let slash: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
        entry.name = [directory, slash, &entry.name].concat();
    }
    file(entry)
}

pub(super) fn found(found: Found) -> FileMatch {
    let (line, text) = found.line.unzip();
    FileMatch { file: file(found.entry), line, text: text.map(|text| shown(&text).0) }
}

pub(super) fn event(event: &Happened) -> FileEvent {
    let (path, path_base64) = shown(&event.path);
    let kind = happened(event.kind).to_owned();
    FileEvent { kind, path, path_base64, directory: event.directory, cookie: event.cookie }
}

const fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
        FileKind::CharacterDevice => "character_device",
        FileKind::BlockDevice => "block_device",
        FileKind::Other => "other",
    }
}

const fn happened(kind: FileEventKind) -> &'static str {
    match kind {
        FileEventKind::Ready => "ready",
        FileEventKind::Created => "created",
        FileEventKind::Modified => "modified",
        FileEventKind::Deleted => "deleted",
        FileEventKind::Attributes => "attributes",
        FileEventKind::MovedFrom => "moved_from",
        FileEventKind::MovedTo => "moved_to",
        FileEventKind::Overflow => "overflow",
        FileEventKind::Gone => "gone",
    }
}
