//! Waits that are shorter than a millisecond, which is as fine as the runtime's own timers are.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::sys;

/// A timer of the kernel, for one wait at a time.
#[derive(Debug)]
pub(crate) struct Pause {
    timer: AsyncFd<OwnedFd>,
    length: Timespec,
}

impl Pause {
    /// Waits of that length.
    pub(crate) fn of(length: Duration) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let length = Timespec::try_from(length).map_err(io::Error::other)?;
        Ok(Self { timer: sys::watch(timer)?, length })
    }

    /// Waits once. A timer that fails does not wait.
    pub(crate) async fn wait(&self) {
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: self.length };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).is_err() {
            return;
        }
        let over = self
            .timer
            .async_io(tokio::io::Interest::READABLE, |timer| Ok(rustix::io::read(timer, &mut [0_u8; 8])?));
        drop(over.await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_each_time() {
        let pause = Pause::of(Duration::from_millis(2)).unwrap();
        for _ in 0..3 {
            let began = std::time::Instant::now();
            pause.wait().await;
            assert!(began.elapsed() >= Duration::from_millis(2));
        }
    }
}
