//! Looking: one file, or the entries of a directory.

use std::collections::BinaryHeap;

use atoll_agent_protocol::frames::FILE_ENTRIES_MAX;
use atoll_agent_protocol::v1::{FileEntry, FileListCall, FileReply};
use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use super::entry;
use super::failure::Stop;
use super::wire::Wire;

/// Entries of one reply: with the longest names, and links with long targets, it stays far below a frame.
const REPLY_BYTES: usize = 16 << 10;

/// What is at a path.
pub(super) fn stat(wire: &mut Wire, path: &[u8]) -> Result<(), Stop> {
    let entry = entry::at(CWD, path, path)?;
    wire.reply(&FileReply { entry: Some(entry), ..FileReply::default() })
}

/// One page of a directory. Only so many names are held as are told, however many there are.
pub(super) fn list(wire: &mut Wire, path: &[u8], call: &FileListCall) -> Result<(), Stop> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let directory = openat(CWD, path, flags, Mode::empty())?;
    let limit = usize::try_from(call.limit.clamp(1, FILE_ENTRIES_MAX)).unwrap_or(1);
    let mut first: BinaryHeap<Vec<u8>> = BinaryHeap::with_capacity(limit + 2);
    let mut more = false;
    for found in Dir::read_from(&directory)? {
        let found = found?;
        let name = found.file_name().to_bytes();
        if name == b"." || name == b".." || name <= call.after.as_ref() {
            continue;
        }
        if first.len() > limit && first.peek().is_some_and(|last| name > last.as_slice()) {
            continue;
        }
        first.push(name.to_vec());
        if first.len() > limit {
            first.pop();
            more = true;
        }
    }
    let mut reply = FileReply { more, ..FileReply::default() };
    let mut bytes = 0;
    for name in first.into_sorted_vec() {
        let entry: FileEntry = match entry::at(&directory, &name, &name) {
            // Gone in the meantime.
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        bytes += entry.name.len() + entry.target.len() + ENTRY_BYTES;
        reply.entries.push(entry);
        if bytes >= REPLY_BYTES {
            wire.reply(&reply)?;
            reply.entries.clear();
            bytes = 0;
        }
    }
    wire.reply(&reply)
}

/// What an entry costs in a reply beside its name and target, in bytes.
const ENTRY_BYTES: usize = 64;
