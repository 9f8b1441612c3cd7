//! The agent's end of a pseudo-terminal.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{ptsname, unlockpt};
use rustix::termios::{
    InputModes, OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcsetattr, tcsetwinsize,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Where the sandbox's own terminals are made. Not `/dev/ptmx`, a link that the workload may turn elsewhere; this is
/// in a mount, which it can neither move nor cover.
const MULTIPLEXER: &str = "/dev/pts/ptmx";

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) cols: u16,
    pub(crate) rows: u16,
}

/// The end that shows and types.
#[derive(Debug)]
pub(crate) struct Pty(AsyncFd<OwnedFd>);

impl Pty {
    /// A new one, and the path of its other end.
    pub(crate) fn open(size: Size) -> io::Result<(Self, String)> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(MULTIPLEXER, flags, Mode::empty())?;
        unlockpt(&fd)?;
        let path = ptsname(&fd, Vec::new())?.into_string().map_err(io::Error::other)?;
        // Else the line editor of the kernel erases half a character.
        let mut modes = tcgetattr(&fd)?;
        modes.input_modes.insert(InputModes::IUTF8);
        tcsetattr(&fd, OptionalActions::Now, &modes)?;
        let pty = Self(sys::watch(fd)?);
        pty.resize(size)?;
        Ok((pty, path))
    }

    /// Changes the size; the kernel tells the programs in front.
    pub(crate) fn resize(&self, size: Size) -> io::Result<()> {
        let Size { cols, rows } = size;
        let size = Winsize { ws_col: cols, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(self.0.get_ref(), size)?)
    }

    /// Waits until there may be something to read, or the other end is closed.
    pub(crate) async fn readable(&self) {
        drop(self.0.readable().await);
    }

    /// Waits until there may be room to write, or the other end is closed.
    pub(crate) async fn writable(&self) {
        drop(self.0.writable().await);
    }

    /// Reads without waiting.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, &mut *buffer)?))
    }

    /// Reads without waiting, past the event loop.
    pub(crate) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0.get_ref(), buffer)?)
    }

    /// Bytes that wait to be read.
    pub(crate) fn waiting(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(self.0.get_ref())?)
    }

    /// The character that ends input where lines are read.
    pub(crate) fn end_of_file(&self) -> io::Result<u8> {
        Ok(tcgetattr(self.0.get_ref())?.special_codes[SpecialCodeIndex::VEOF])
    }

    /// Writes without waiting.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?))
    }
}
