//! Reading a regular file, or a part of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use atoll_agent_protocol::frames::{FRAME_BYTES_MAX, FrameKind};
use atoll_agent_protocol::hand_over::Use;
use atoll_agent_protocol::v1::{FileErrorKind as Kind, FileReadCall, FileReply};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};

use super::entry;
use super::failure::Stop;
use super::hand_over;
use super::wire::Wire;

/// Most bytes of a file that tells no size, as those of `/proc`: its size is told before its content, so it is read first.
const SIZELESS_BYTES_MAX: u64 = 4 << 20;

/// Opens what a path leads to, if it is a regular file. Nothing is waited for: a pipe is opened and then refused.
pub(super) fn open(path: &[u8]) -> Result<(File, Stat), Stop> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(CWD, path, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file.into(), stat)),
        FileType::Directory => Err(Stop::new(
            Kind::IsDirectory,
            "it is a directory: list it with ?path=, or take it as an archive",
        )),
        _ => Err(Stop::new(Kind::NotRegular, "it is no regular file")),
    }
}

pub(super) fn read(wire: &mut Wire, path: &[u8], call: &FileReadCall) -> Result<(), Stop> {
    let (mut file, stat) = open(path)?;
    let mut entry = entry::of(&stat, path);
    if entry.size == 0 {
        let mut all = Vec::new();
        (&mut file).take(SIZELESS_BYTES_MAX).read_to_end(&mut all)?;
        entry.size = u64::try_from(all.len()).unwrap_or(0);
        let (offset, length) = part(entry.size, call)?;
        wire.reply(&FileReply { entry: Some(entry), offset, length, ..FileReply::default() })?;
        let mut rest = all.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        return copy(wire, &mut rest, length);
    }
    let (offset, length) = part(entry.size, call)?;
    let reply = FileReply { entry: Some(entry), offset, length, ..FileReply::default() };
    let is_large = call.hand_over_from.is_some_and(|from| length >= from);
    if is_large && hand_over::is_possible(wire, &file, Use::Reading)? {
        hand_over::hand_over(wire, &file, reply)?;
        // Until whoever reads it has enough.
        while wire.next_data()? {}
        return Ok(());
    }
    wire.reply(&reply)?;
    file.seek(SeekFrom::Start(offset))?;
    copy(wire, &mut file, length)
}

/// The part that is asked for, as offset and length.
fn part(size: u64, call: &FileReadCall) -> Result<(u64, u64), Stop> {
    let beyond = || Stop::new(Kind::Range, size.to_string());
    match (call.suffix, call.length) {
        (Some(0), _) => Err(beyond()),
        (Some(suffix), _) if size > 0 => Ok((size.saturating_sub(suffix), size.min(suffix))),
        (Some(_), _) => Err(beyond()),
        (None, None) if call.offset == 0 => Ok((0, size)),
        (None, _) if call.offset >= size => Err(beyond()),
        (None, length) => {
            let rest = size - call.offset;
            Ok((call.offset, length.map_or(rest, |length| length.min(rest))))
        }
    }
}

fn copy(wire: &mut Wire, content: &mut dyn Read, length: u64) -> Result<(), Stop> {
    let mut chunk = vec![0; FRAME_BYTES_MAX];
    let mut left = length;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        let n = content.read(chunk.get_mut(..wanted).unwrap_or_default())?;
        if n == 0 {
            return Err(Stop::new(Kind::Failed, "the file became shorter while it was read"));
        }
        wire.send(FrameKind::Data, chunk.get(..n).unwrap_or_default())?;
        left -= u64::try_from(n).unwrap_or(left);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(offset: u64, length: Option<u64>, suffix: Option<u64>) -> FileReadCall {
        FileReadCall { offset, length, suffix, hand_over_from: None }
    }

    #[test]
    fn parts_are_within_the_file() {
        for (size, asked, expected) in [
            (10, call(0, None, None), Some((0, 10))),
            (10, call(3, Some(4), None), Some((3, 4))),
            (10, call(3, Some(u64::MAX), None), Some((3, 7))),
            (10, call(9, None, None), Some((9, 1))),
            (10, call(10, None, None), None),
            (10, call(0, None, Some(3)), Some((7, 3))),
            (10, call(0, None, Some(30)), Some((0, 10))),
            (10, call(0, None, Some(0)), None),
            (0, call(0, None, None), Some((0, 0))),
            (0, call(0, Some(1), None), None),
            (0, call(0, None, Some(1)), None),
        ] {
            assert_eq!(part(size, &asked).ok(), expected, "{asked:?} of {size}");
        }
    }
}
