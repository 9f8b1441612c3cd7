//! Looking for a text in names and contents, within bounds.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use atoll_agent_protocol::frames::FILE_ENTRIES_MAX;
use atoll_agent_protocol::v1::{FileMatch, FileReply, FileSearchCall};
use bytes::Bytes;
use rustix::fs::{CWD, FileType, Mode, OFlags, openat};

use super::entry;
use super::failure::Stop;
use super::walk::{self, Closed, Found, Then};
use super::wire::Wire;

/// Longest search: whoever waits for the answer gives up soon after.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Most files looked at.
const FILES_MAX: u64 = 1_000_000;
/// Of each file, so many bytes are looked at.
const CONTENT_BYTES_MAX: u64 = 4 << 20;
/// Of each content, so many lines are told.
const LINES_MAX: usize = 20;
/// Longest part of a line that is told, in bytes.
const LINE_BYTES_MAX: usize = 256;
/// Matches are told in replies of about this many bytes.
const REPLY_BYTES: usize = 16 << 10;
/// A NUL in so many first bytes makes a content binary: it has no lines.
const BINARY_BYTES: usize = 8 << 10;

pub(super) fn search(wire: &mut Wire, path: &[u8], call: &FileSearchCall) -> Result<(), Stop> {
    let top = walk::open(CWD, path)?;
    let mut search = Search {
        wire,
        call,
        text: call.text.to_ascii_lowercase(),
        left: usize::try_from(call.limit.clamp(1, FILE_ENTRIES_MAX)).unwrap_or(1),
        files: 0,
        end: Instant::now() + TIME_MAX,
        reply: FileReply::default(),
        bytes: 0,
    };
    let then = walk::walk(&top, Closed::IsPassed, &mut |found| search.look(found))?;
    search.reply.truncated = then == Then::Stop;
    let Search { wire, reply, .. } = search;
    wire.reply(&reply)
}

struct Search<'a> {
    wire: &'a mut Wire,
    call: &'a FileSearchCall,
    /// In lower case, for names.
    text: Vec<u8>,
    left: usize,
    files: u64,
    end: Instant,
    reply: FileReply,
    bytes: usize,
}

impl Search<'_> {
    fn look(&mut self, found: &Found<'_>) -> Result<Then, Stop> {
        self.files += 1;
        if self.files > FILES_MAX || Instant::now() > self.end {
            return Ok(Then::Stop);
        }
        if self.call.in_names && contains(&found.name.to_ascii_lowercase(), &self.text) {
            let found = FileMatch { entry: Some(entry::of(&found.stat, found.path)), ..FileMatch::default() };
            if self.tell(found)? == Then::Stop {
                return Ok(Then::Stop);
            }
        }
        if self.call.in_contents && found.kind() == FileType::RegularFile && found.stat.st_size > 0 {
            return self.look_into(found);
        }
        Ok(Then::GoOn)
    }

    fn look_into(&mut self, found: &Found<'_>) -> Result<Then, Stop> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        // What cannot be read is passed.
        let Ok(file) = openat(found.parent, found.name, flags, Mode::empty()) else { return Ok(Then::GoOn) };
        let mut content = Vec::new();
        if File::from(file).take(CONTENT_BYTES_MAX).read_to_end(&mut content).is_err()
            || content.iter().take(BINARY_BYTES).any(|byte| *byte == 0)
        {
            return Ok(Then::GoOn);
        }
        let lines = (1..).zip(content.split(|byte| *byte == b'\n'));
        for (line, text) in lines.filter(|(_, text)| contains(text, &self.call.text)).take(LINES_MAX) {
            let text = text.get(..LINE_BYTES_MAX).unwrap_or(text);
            let found = FileMatch {
                entry: Some(entry::of(&found.stat, found.path)),
                line,
                text: Bytes::copy_from_slice(text),
            };
            if self.tell(found)? == Then::Stop {
                return Ok(Then::Stop);
            }
        }
        Ok(Then::GoOn)
    }

    fn tell(&mut self, found: FileMatch) -> Result<Then, Stop> {
        if self.left == 0 {
            return Ok(Then::Stop);
        }
        self.left -= 1;
        self.bytes +=
            found.text.len() + found.entry.as_ref().map_or(0, |entry| entry.name.len()) + MATCH_BYTES;
        self.reply.matches.push(found);
        if self.bytes >= REPLY_BYTES {
            self.wire.reply(&self.reply)?;
            self.reply.matches.clear();
            self.bytes = 0;
        }
        Ok(Then::GoOn)
    }
}

/// What a match costs in a reply beside its texts, in bytes.
const MATCH_BYTES: usize = 64;

fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return true };
    let mut text = text;
    while let Some(at) = text.iter().position(|byte| byte == first) {
        text = text.get(at + 1..).unwrap_or_default();
        if text.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_where_it_is() {
        for (text, part, found) in [
            ("aab", "ab", true),
            ("aaab", "aab", true),
            ("ab", "abc", false),
            ("", "a", false),
            ("x", "", true),
        ] {
            assert_eq!(contains(text.as_bytes(), part.as_bytes()), found, "{part:?} in {text:?}");
        }
    }
}
