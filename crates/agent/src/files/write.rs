//! Writing a file: all of it, or nothing.

use std::io::Write;
use std::os::fd::IntoRawFd;

use atoll_agent_protocol::hand_over::Use;
use atoll_agent_protocol::v1::{FileErrorKind as Kind, FileReply, FileWriteCall};
use rustix::fs::{
    Access, AtFlags, FileType, Gid, Mode, OFlags, RawMode, Stat, Uid, accessat, fchmod, fchown, fstat,
    openat, statat,
};
use rustix::io::Errno;

use super::entry;
use super::failure::Stop;
use super::hand_over;
use super::place::{self, Place};
use super::temporary::Temporary;
use super::wire::Wire;

/// Rights of a file that was not there.
const MODE_DEFAULT: u32 = 0o644;

pub(super) fn write(wire: &mut Wire, path: &[u8], call: FileWriteCall) -> Result<(), Stop> {
    let place = place::find_to_write(path)?;
    let before = replaceable(&place)?;
    let mut temporary = Temporary::new(&place)?;
    if call.hand_over && hand_over::is_possible(wire, &temporary.file, Use::Writing)? {
        hand_over::hand_over(wire, &temporary.file, FileReply::default())?;
    } else if call.hand_over && wire.channel.is_some() {
        wire.reply(&FileReply::default())?;
    }
    while wire.next_data()? {
        temporary.file.write_all(&wire.frame)?;
    }
    let mode =
        call.mode.unwrap_or_else(|| before.as_ref().map_or(MODE_DEFAULT, |stat| stat.st_mode & 0o7777));
    if let Some(before) = &before {
        keep_owner(&temporary, before)?;
    }
    fchmod(&temporary.file, Mode::from_raw_mode(RawMode::from(mode)))?;
    let entry = entry::of(&fstat(&temporary.file)?, path);
    leave_open(&place);
    temporary.publish()?;
    wire.reply(&FileReply { entry: Some(entry), ..FileReply::default() })
}

/// What is there already, if it may be replaced: a regular file that this user may write to. The directory's rights alone
/// would let a file be replaced that could not be written.
fn replaceable(place: &Place) -> Result<Option<Stat>, Stop> {
    let stat = match statat(&place.parent, place.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR.into()),
        _ => return Err(Stop::new(Kind::NotRegular, "it is no regular file")),
    }
    accessat(&place.parent, place.name.as_slice(), Access::WRITE_OK, AtFlags::EACCESS)?;
    Ok(Some(stat))
}

/// Holds what is replaced until this process ends, so that whoever waits for the answer need not wait until the kernel has
/// given back a large file.
fn leave_open(place: &Place) {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if let Ok(replaced) = openat(&place.parent, place.name.as_slice(), flags, Mode::empty()) {
        let _left_open = replaced.into_raw_fd();
    }
}

fn keep_owner(temporary: &Temporary<'_>, before: &Stat) -> Result<(), Stop> {
    let now = fstat(&temporary.file)?;
    if (now.st_uid, now.st_gid) == (before.st_uid, before.st_gid) {
        return Ok(());
    }
    let owner = (Some(Uid::from_raw(before.st_uid)), Some(Gid::from_raw(before.st_gid)));
    fchown(&temporary.file, owner.0, owner.1).map_err(|_| {
        Stop::new(
            Kind::Permission,
            "the file belongs to another user, which would change: write it as that user or as root",
        )
    })
}
