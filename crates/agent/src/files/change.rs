//! Moving a file and changing its rights.

use std::fs::File;

use atoll_agent_protocol::v1::{FileChangeCall, FileErrorKind as Kind, FileReply};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RawMode, RenameFlags, Uid, chmodat, fchmod, fchown, fstat,
    openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::entry;
use super::failure::Stop;
use super::place::{self, Place};
use super::temporary::Temporary;
use super::wire::Wire;

pub(super) fn change(wire: &mut Wire, path: Vec<u8>, call: &FileChangeCall) -> Result<(), Stop> {
    let path = if call.to.is_empty() {
        path
    } else {
        place::check(&call.to)?;
        moved(&path, &call.to, call.overwrite)?;
        call.to.to_vec()
    };
    if let Some(mode) = call.mode {
        chmodat(CWD, path.as_slice(), Mode::from_raw_mode(RawMode::from(mode & 0o7777)), AtFlags::empty())?;
    }
    let entry = entry::at(CWD, &path, &path)?;
    wire.reply(&FileReply { entry: Some(entry), ..FileReply::default() })
}

fn moved(from: &[u8], to: &[u8], overwrite: bool) -> Result<(), Stop> {
    let from = place::find(from)?;
    // Before anything is made for what is not there.
    statat(&from.parent, from.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
    let to = place::find_or_make(to)?;
    let (old, new) = (from.name.as_slice(), to.name.as_slice());
    let renamed = if overwrite {
        renameat(&from.parent, old, &to.parent, new)
    } else {
        renameat_with(&from.parent, old, &to.parent, new, RenameFlags::NOREPLACE)
    };
    match renamed {
        Err(Errno::XDEV) => moved_by_copy(&from, &to, overwrite),
        other => Ok(other?),
    }
}

/// To another file system: a regular file as a copy that takes its place whole.
fn moved_by_copy(from: &Place, to: &Place, overwrite: bool) -> Result<(), Stop> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let mut source = match openat(&from.parent, from.name.as_slice(), flags, Mode::empty()) {
        Ok(source) => File::from(source),
        Err(Errno::LOOP | Errno::NXIO) => return Err(Errno::XDEV.into()),
        Err(errno) => return Err(errno.into()),
    };
    let stat = fstat(&source)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::XDEV.into());
    }
    match statat(&to.parent, to.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
        Ok(_) if !overwrite => return Err(Errno::EXIST.into()),
        Ok(there) if FileType::from_raw_mode(there.st_mode) == FileType::Directory => {
            return Err(Stop::new(Kind::IsDirectory, "the new path is a directory"));
        }
        Ok(_) => {}
    }
    let mut temporary = Temporary::new(to)?;
    std::io::copy(&mut source, &mut temporary.file)?;
    // Only root can give a file away; another user's file becomes the mover's own, as with mv.
    let _kept = fchown(&temporary.file, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    fchmod(&temporary.file, Mode::from_raw_mode(RawMode::from(stat.st_mode & 0o7777)))?;
    temporary.publish()?;
    Ok(unlinkat(&from.parent, from.name.as_slice(), AtFlags::empty())?)
}
