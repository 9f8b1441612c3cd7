//! The numbered events of one command, kept until they are acknowledged.
//!
//! Numbers are given once, here: 1 is the start, then come outputs, the last is the exit. Any number of readers read
//! the same events, each at its own place; an acknowledgement from anybody drops them for everybody.

use std::collections::VecDeque;

use atoll_agent_protocol::EXEC_EVENT_BYTES;
use atoll_agent_protocol::v1::{Event, event::Kind};

/// Most bytes that the unacknowledged events of one command hold: 1 MiB bridges a restart of serve at the usual rates
/// of output; beyond, the command waits.
pub(crate) const RING_BYTES_MAX: usize = 1 << 20;

/// Why an event cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    /// First number that is still held.
    pub(crate) first_seq: u64,
}

/// Events from `first_seq` on.
#[derive(Debug)]
pub(crate) struct Ring {
    events: VecDeque<Event>,
    first_seq: u64,
    bytes: usize,
    ended: bool,
}

impl Ring {
    pub(crate) const fn new() -> Self {
        Self { events: VecDeque::new(), first_seq: 1, bytes: 0, ended: false }
    }

    /// Adds an event and returns what it costs, in bytes.
    pub(crate) fn push(&mut self, time_ms: i64, kind: Kind) -> usize {
        debug_assert!(!self.ended, "nothing comes after the exit");
        self.ended = matches!(kind, Kind::Exit(_));
        let event = Event { seq: self.last_seq() + 1, time_ms, kind: Some(kind) };
        let cost = cost(&event);
        self.bytes += cost;
        self.events.push_back(event);
        cost
    }

    /// The event with that number; nothing when it has not happened yet.
    pub(crate) fn get(&self, seq: u64) -> Result<Option<&Event>, Gone> {
        let index = seq.checked_sub(self.first_seq).ok_or(Gone { first_seq: self.first_seq })?;
        Ok(usize::try_from(index).ok().and_then(|index| self.events.get(index)))
    }

    /// Drops the events up to `seq` and returns how many bytes that frees.
    pub(crate) fn ack(&mut self, seq: u64) -> usize {
        let mut freed = 0;
        while self.first_seq <= seq {
            let Some(event) = self.events.pop_front() else { break };
            self.first_seq = event.seq + 1;
            freed += cost(&event);
        }
        self.bytes -= freed;
        freed
    }

    /// How many bytes of output fit now.
    pub(crate) const fn room(&self) -> usize {
        RING_BYTES_MAX.saturating_sub(self.bytes + EXEC_EVENT_BYTES)
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn first_seq(&self) -> u64 {
        self.first_seq
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.events.back().map_or(self.first_seq - 1, |event| event.seq)
    }

    /// Whether the exit is among the events, or was.
    pub(crate) const fn ended(&self) -> bool {
        self.ended
    }

    /// Whether all has happened and all was acknowledged.
    pub(crate) fn finished(&self) -> bool {
        self.ended && self.events.is_empty()
    }
}

fn cost(event: &Event) -> usize {
    match &event.kind {
        Some(Kind::Output(output)) => output.data.len() + EXEC_EVENT_BYTES,
        _ => EXEC_EVENT_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use atoll_agent_protocol::exec_output;
    use atoll_agent_protocol::v1::output::Stream;
    use atoll_agent_protocol::v1::{Exit, Start};
    use proptest::prelude::*;

    use super::*;

    fn output(len: usize) -> Kind {
        Kind::Output(exec_output(Stream::Stdout, vec![b'x'; len].into()))
    }

    #[test]
    fn numbers_start_at_one_and_end_with_the_exit() {
        let mut ring = Ring::new();
        ring.push(0, Kind::Start(Start {}));
        ring.push(0, output(3));
        ring.push(0, Kind::Exit(Exit { code: 0, timed_out: false }));
        assert_eq!((ring.first_seq(), ring.last_seq()), (1, 3));
        assert_eq!(ring.ack(2), 2 * EXEC_EVENT_BYTES + 3);
        assert_eq!(ring.get(2), Err(Gone { first_seq: 3 }));
        assert!(!ring.finished());
        ring.ack(3);
        assert!(ring.finished());
        assert_eq!((ring.first_seq(), ring.last_seq(), ring.bytes()), (4, 3, 0));
    }

    #[test]
    fn an_acknowledgement_of_what_has_not_happened_changes_nothing_to_come() {
        let mut ring = Ring::new();
        ring.push(0, Kind::Start(Start {}));
        ring.ack(u64::MAX);
        ring.push(0, output(1));
        assert_eq!(ring.get(2).unwrap().map(|e| e.seq), Some(2));
    }

    proptest! {
        #[test]
        fn no_event_is_lost_before_its_acknowledgement(steps in prop::collection::vec((any::<bool>(), 0_usize..5000), 1..200)) {
            let mut ring = Ring::new();
            let (mut pushed, mut acked) = (0_u64, 0_u64);
            for (push, n) in steps {
                if push {
                    ring.push(0, output(n));
                    pushed += 1;
                } else {
                    acked = acked.max((u64::try_from(n).unwrap() % 17 + acked).min(pushed));
                    ring.ack(acked);
                }
                prop_assert_eq!(ring.first_seq(), acked + 1);
                prop_assert_eq!(ring.last_seq(), pushed);
                for seq in acked + 1..=pushed {
                    prop_assert_eq!(ring.get(seq).unwrap().map(|e| e.seq), Some(seq));
                }
                prop_assert_eq!(ring.get(pushed + 1), Ok(None));
                let held: usize = (acked + 1..=pushed).map(|s| cost(ring.get(s).unwrap().unwrap())).sum();
                prop_assert_eq!(held, ring.bytes());
            }
        }
    }
}
