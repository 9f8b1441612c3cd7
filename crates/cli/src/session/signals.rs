//! Signals that go to the command instead of to us.

use anyhow::Context as _;
use atoll_types::Signal;
use tokio::signal::unix::{self, SignalKind};

/// Ctrl-C so often means that the person does not want to wait any more.
const INTERRUPTS_TO_GIVE_UP: usize = 2;
/// Signals that are remembered before there is a command to send them to.
const REMEMBERED_MAX: usize = 16;

/// Catches them from here on.
pub(crate) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
    quit: unix::Signal,
    interrupts: usize,
    caught: Vec<Signal>,
}

impl Signals {
    pub(crate) fn install() -> anyhow::Result<Self> {
        let catch = |kind| unix::signal(kind).context("cannot catch signals");
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hangup: catch(SignalKind::hangup())?,
            quit: catch(SignalKind::quit())?,
            interrupts: 0,
            caught: Vec::new(),
        })
    }

    /// The next one. Cancel safety: one that was not returned is returned by the next call.
    pub(super) async fn next(&mut self) -> Signal {
        let signal = tokio::select! {
            // A dropped wait takes nothing from the others.
            _ = self.interrupt.recv() => Signal::Int,
            _ = self.terminate.recv() => Signal::Term,
            _ = self.hangup.recv() => Signal::Hup,
            _ = self.quit.recv() => Signal::Quit,
        };
        self.interrupts += usize::from(signal == Signal::Int);
        signal
    }

    /// Whether the person does not want to wait any more.
    pub(crate) const fn is_given_up(&self) -> bool {
        self.interrupts >= INTERRUPTS_TO_GIVE_UP
    }

    /// Awaits `work`, remembering what is caught meanwhile; none when the person gave up.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                // Pinned outside, it goes on after a signal.
                result = &mut work => return Some(result),
                signal = self.next() => {
                    if self.is_given_up() {
                        return None;
                    }
                    if self.caught.len() < REMEMBERED_MAX {
                        self.caught.push(signal);
                    }
                }
            }
        }
    }

    /// Awaits `work`; none after a single Ctrl-C.
    pub(crate) async fn during_one<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        self.interrupts = INTERRUPTS_TO_GIVE_UP - 1;
        self.during(work).await
    }

    /// The first that was caught and not taken.
    pub(crate) fn first(&self) -> Option<Signal> {
        self.caught.first().copied()
    }

    /// All that were caught so far.
    pub(super) fn take(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.caught)
    }

    /// Begins anew.
    pub(crate) fn forget(&mut self) {
        self.caught.clear();
        self.interrupts = 0;
    }
}
