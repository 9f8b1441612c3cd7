//! The memory that all commands together may hold.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::ring::Ring;

/// Above this many bytes of unacknowledged events in all, only small rings grow: the agent's own limit is 64 MiB.
const TOTAL_BYTES_MAX: usize = 24 << 20;
/// What every ring may hold whatever the others do, so that one sandbox's loud command silences no other. With
/// [`atoll_agent_protocol::EXECS_MAX`] of them this is at most 16 MiB more.
const SHARE_BYTES: usize = 64 << 10;
/// Most bytes of standard input and arguments that wait to be taken by their commands.
const PENDING_BYTES_MAX: usize = 8 << 20;

/// Counts what is held. Only ever touched by the agent's one thread.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    events: AtomicUsize,
    pending: AtomicUsize,
    /// Told whenever events were dropped.
    pub(crate) room: Notify,
}

impl Budget {
    pub(crate) fn add_events(&self, bytes: usize) {
        self.events.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn drop_events(&self, bytes: usize) {
        self.events.fetch_sub(bytes, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    /// How many bytes of output may be read for this ring now.
    pub(crate) fn room(&self, ring: &Ring) -> usize {
        if self.events.load(Ordering::Relaxed) < TOTAL_BYTES_MAX {
            ring.room()
        } else {
            ring.room().min(SHARE_BYTES.saturating_sub(ring.bytes()))
        }
    }

    /// Reserves room for input that waits; false when there is too much already.
    pub(crate) fn reserve_pending(&self, bytes: usize) -> bool {
        let after = self.pending.load(Ordering::Relaxed) + bytes;
        let fits = after <= PENDING_BYTES_MAX;
        if fits {
            self.pending.store(after, Ordering::Relaxed);
        }
        fits
    }

    pub(crate) fn release_pending(&self, bytes: usize) {
        self.pending.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use atoll_agent_protocol::exec_output;
    use atoll_agent_protocol::v1::event::Kind;
    use atoll_agent_protocol::v1::output::Stream;

    use super::*;

    #[test]
    fn when_much_is_held_only_small_rings_grow() {
        let budget = Budget::default();
        let (mut big, small) = (Ring::new(), Ring::new());
        let cost = big.push(0, Kind::Output(exec_output(Stream::Stdout, vec![0; SHARE_BYTES].into())));
        budget.add_events(cost);
        assert!(budget.room(&big) > 0);
        budget.add_events(TOTAL_BYTES_MAX);
        assert_eq!(budget.room(&big), 0);
        assert_eq!(budget.room(&small), SHARE_BYTES);
        budget.drop_events(TOTAL_BYTES_MAX);
        assert!(budget.room(&big) > 0);
    }

    #[test]
    fn waiting_input_is_bounded() {
        let budget = Budget::default();
        assert!(budget.reserve_pending(PENDING_BYTES_MAX));
        assert!(!budget.reserve_pending(1));
        budget.release_pending(1);
        assert!(budget.reserve_pending(1));
    }
}
