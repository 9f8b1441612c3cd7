//! What happens to a file, or in a directory, told as it happens.
//!
//! The kernel's own queue is the only one: a client that takes nothing stops this process, the queue runs over, and that
//! is told. The end of the input ends the watch.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use atoll_agent_protocol::v1::{FileErrorKind as Kind, FileEvent, FileReply, file_event::Kind as Happened};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::fs::{AtFlags, CWD, FileType, statat};
use rustix::io::Errno;

use super::failure::Stop;
use super::walk::{self, Closed, Then};
use super::wire::Wire;

/// Most directories of one watch: the kernel holds about a kibibyte for each.
const DIRECTORIES_MAX: usize = 4_096;
/// Events of one reply: with the longest paths it stays below a frame.
const REPLY_BYTES: usize = 16 << 10;
/// Buffer of events, in bytes.
const BUFFER_BYTES: usize = 16 << 10;
/// What an event costs in a reply beside its path, in bytes.
const EVENT_BYTES: usize = 32;

const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO);

pub(super) fn watch(wire: &mut Wire, path: &[u8], recursive: bool) -> Result<(), Stop> {
    let stat = statat(CWD, path, AtFlags::empty())?;
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let mut watch = Watch {
        inotify,
        top: path.to_vec(),
        recursive: recursive && is_directory,
        below: HashMap::new(),
        told: Told::default(),
    };
    watch.add(b"")?;
    if watch.recursive {
        watch.add_below(b"", false)?;
    }
    watch.told.add(Happened::Ready, Vec::new(), is_directory, 0);
    watch.told.send(wire)?;
    loop {
        if watch.input_ended(wire)? {
            return Ok(());
        }
        let gone = watch.read()?;
        watch.told.send(wire)?;
        if gone {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Told(Vec<FileEvent>);

impl Told {
    fn add(&mut self, kind: Happened, path: Vec<u8>, directory: bool, cookie: u32) {
        // The kernel tells each write; one of several in a row is enough.
        let repeated = kind == Happened::Modified
            && self.0.last().is_some_and(|last| last.kind == i32::from(kind) && last.path == path);
        if !repeated {
            self.0.push(FileEvent { kind: kind.into(), path: path.into(), directory, cookie });
        }
    }

    fn send(&mut self, wire: &mut Wire) -> Result<(), Stop> {
        let mut reply = FileReply::default();
        let mut bytes = 0;
        for event in self.0.drain(..) {
            bytes += event.path.len() + EVENT_BYTES;
            reply.events.push(event);
            if bytes >= REPLY_BYTES {
                wire.reply(&reply)?;
                reply.events.clear();
                bytes = 0;
            }
        }
        if reply.events.is_empty() { Ok(()) } else { wire.reply(&reply) }
    }
}

struct Watch {
    inotify: OwnedFd,
    top: Vec<u8>,
    recursive: bool,
    /// Paths from the top, by the kernel's number.
    below: HashMap<i32, Vec<u8>>,
    told: Told,
}

impl Watch {
    /// Waits; true when the input has ended.
    fn input_ended(&self, wire: &Wire) -> Result<bool, Stop> {
        let mut waited =
            [PollFd::new(&self.inotify, PollFlags::IN), PollFd::new(wire.input(), PollFlags::IN)];
        loop {
            match poll(&mut waited, None) {
                Err(Errno::INTR) => {}
                other => {
                    other?;
                    break;
                }
            }
        }
        Ok(!waited[1].revents().is_empty())
    }

    fn add(&mut self, below: &[u8]) -> Result<(), Stop> {
        if self.below.len() >= DIRECTORIES_MAX {
            let text = format!("more than {DIRECTORIES_MAX} directories cannot be watched at once");
            return Err(Stop::new(Kind::TooLarge, text));
        }
        let path = join(&self.top, below);
        match add_watch(&self.inotify, path.as_slice(), EVENTS) {
            Ok(number) => {
                self.below.insert(number, below.to_vec());
                Ok(())
            }
            // Gone again; its parent tells so.
            Err(Errno::NOENT) if !below.is_empty() => Ok(()),
            // The user may look at other directories.
            Err(Errno::ACCESS) if !below.is_empty() => Ok(()),
            Err(Errno::NOSPC) => Err(Stop::new(
                Kind::Failed,
                "the sandbox watches as many files as its user may (max_user_watches)",
            )),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Watches the directories of a directory, and tells what is in it where it is new: it may have come before the watch.
    fn add_below(&mut self, below: &[u8], is_new: bool) -> Result<(), Stop> {
        let top = match walk::open(CWD, &join(&self.top, below)) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) if !below.is_empty() => return Ok(()),
            other => other?,
        };
        let mut found = Vec::new();
        walk::walk(&top, Closed::IsPassed, &mut |one| {
            let is_directory = one.kind() == FileType::Directory;
            if is_directory || is_new {
                found.push((join_below(below, one.path), is_directory));
            }
            Ok(if found.len() > DIRECTORIES_MAX { Then::Stop } else { Then::GoOn })
        })?;
        for (path, is_directory) in found {
            if is_directory {
                self.add(&path)?;
            }
            if is_new {
                self.told.add(Happened::Created, path, is_directory, 0);
            }
        }
        Ok(())
    }

    /// Reads what happened; true when what is watched is gone.
    fn read(&mut self) -> Result<bool, Stop> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); BUFFER_BYTES];
        let mut events = Vec::new();
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_bytes().to_vec());
                    events.push((event.wd(), event.events(), event.cookie(), name));
                }
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(errno) => return Err(errno.into()),
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
        let mut gone = false;
        for (number, flags, cookie, name) in events {
            gone |= self.happened(number, flags, cookie, name)?;
        }
        Ok(gone)
    }

    fn happened(
        &mut self,
        number: i32,
        flags: ReadFlags,
        cookie: u32,
        name: Option<Vec<u8>>,
    ) -> Result<bool, Stop> {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.told.add(Happened::Overflow, Vec::new(), false, 0);
            return Ok(false);
        }
        let Some(below) = self.below.get(&number).cloned() else { return Ok(false) };
        let is_top = below.is_empty();
        let directory = flags.contains(ReadFlags::ISDIR);
        if flags.contains(ReadFlags::IGNORED) {
            self.below.remove(&number);
        }
        if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT) {
            if is_top {
                self.told.add(Happened::Gone, Vec::new(), directory, 0);
            }
            return Ok(is_top);
        }
        let path = name.as_deref().map_or_else(|| below.clone(), |name| join_below(&below, name));
        let kinds = [
            (ReadFlags::CREATE, Happened::Created),
            (ReadFlags::MODIFY, Happened::Modified),
            (ReadFlags::CLOSE_WRITE, Happened::Modified),
            (ReadFlags::ATTRIB, Happened::Attributes),
            (ReadFlags::DELETE, Happened::Deleted),
            (ReadFlags::MOVED_FROM, Happened::MovedFrom),
            (ReadFlags::MOVED_TO, Happened::MovedTo),
        ];
        let Some((_, kind)) = kinds.into_iter().find(|(flag, _)| flags.contains(*flag)) else {
            return Ok(false);
        };
        if matches!(kind, Happened::Modified | Happened::Attributes)
            && name.as_deref().is_some_and(is_of_the_nameless)
            && statat(CWD, join(&self.top, &path), AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT)
        {
            return Ok(false);
        }
        self.told.add(kind, path.clone(), directory, cookie);
        if self.recursive && directory && matches!(kind, Happened::Created | Happened::MovedTo) {
            self.add(&path)?;
            self.add_below(&path, kind == Happened::Created)?;
        }
        Ok(false)
    }
}

/// The kernel calls a file that has no name yet, as those that are being written here, by `#` and its inode.
fn is_of_the_nameless(name: &[u8]) -> bool {
    name.strip_prefix(b"#").is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
}

fn join(top: &[u8], below: &[u8]) -> Vec<u8> {
    if below.is_empty() { top.to_vec() } else { [top, b"/", below].concat() }
}

fn join_below(below: &[u8], name: &[u8]) -> Vec<u8> {
    if below.is_empty() { name.to_vec() } else { [below, b"/", name].concat() }
}
