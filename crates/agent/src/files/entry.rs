//! What is told of a file.

use std::os::fd::AsFd;

use atoll_agent_protocol::v1::{FileEntry, FileType};
use rustix::fs::{AtFlags, FileType as Type, Stat, readlinkat, statat};

/// Bits of a mode that are told: permissions, set-uid, set-gid, sticky.
const MODE_BITS: u32 = 0o7777;

/// What has a name in a directory; a link is told as such, and where it leads.
pub(super) fn at(directory: impl AsFd, name: &[u8], shown: &[u8]) -> rustix::io::Result<FileEntry> {
    let stat = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mut entry = of(&stat, shown);
    if Type::from_raw_mode(stat.st_mode) == Type::Symlink {
        entry.target = readlinkat(&directory, name, Vec::new())?.into_bytes().into();
    }
    Ok(entry)
}

pub(super) fn of(stat: &Stat, shown: &[u8]) -> FileEntry {
    let nanos_ms = i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
    FileEntry {
        name: shown.to_vec().into(),
        r#type: kind(stat).into(),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode & MODE_BITS,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified_ms: stat.st_mtime.saturating_mul(1_000).saturating_add(nanos_ms),
        target: bytes::Bytes::new(),
    }
}

fn kind(stat: &Stat) -> FileType {
    match Type::from_raw_mode(stat.st_mode) {
        Type::RegularFile => FileType::File,
        Type::Directory => FileType::Directory,
        Type::Symlink => FileType::Symlink,
        Type::Fifo => FileType::Fifo,
        Type::Socket => FileType::Socket,
        Type::CharacterDevice => FileType::CharacterDevice,
        Type::BlockDevice => FileType::BlockDevice,
        Type::Unknown => FileType::Other,
    }
}
