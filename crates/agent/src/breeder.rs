//! Who makes children, as the event loop sees it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::sys::{RawSpare, UnbornSpare};

/// Children kept ready while commands come in a row.
pub(crate) const IN_A_ROW: usize = 4;

/// Who makes children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breeding {
    /// A child of the agent's.
    Process,
    /// A thread of the agent's.
    Thread,
}

impl Breeding {
    /// How many are kept ready while commands come in a row.
    pub(crate) const fn in_a_row(self) -> usize {
        match self {
            Self::Process => IN_A_ROW,
            Self::Thread => 1,
        }
    }
}

/// Makes children on demand. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Breeder {
    pub(crate) channel: UnixStream,
    /// None where it is a thread.
    process: Option<Process>,
}

/// A breeder that somebody inside may stop and kill.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) ended: oneshot::Receiver<i32>,
}

impl Breeder {
    /// Its pid is its own until its end was told.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process
            && process.ended.try_recv() == Err(oneshot::error::TryRecvError::Empty)
        {
            let _ = kill_process(process.pid, signal);
        }
    }

    /// Waits for the child that it was asked for.
    pub(crate) async fn deliver(&mut self, unborn: UnbornSpare) -> io::Result<RawSpare> {
        // Somebody inside may have stopped it.
        self.signal(Signal::CONT);
        let mut pid = [0; size_of::<i32>()];
        self.channel.read_exact(&mut pid).await?;
        let pid = Some(i32::from_ne_bytes(pid)).filter(|pid| *pid > 0).and_then(Pid::from_raw);
        Ok(unborn.born(pid.ok_or(io::ErrorKind::OutOfMemory)?))
    }
}

/// A breeder before there is an event loop.
#[derive(Debug)]
pub(crate) struct NewBreeder {
    pub(crate) channel: OwnedFd,
    pub(crate) process: Option<Process>,
}

impl NewBreeder {
    pub(crate) fn watch(self) -> io::Result<Breeder> {
        Ok(Breeder { channel: UnixStream::from_std(self.channel.into())?, process: self.process })
    }
}
