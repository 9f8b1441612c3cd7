//! Is a stream of events what the protocol promises?

use atoll_agent_protocol::OUTPUT_BYTES_MAX;
use atoll_agent_protocol::v1::{Event, event::Kind, output::Stream};
use atoll_types::{ExecEvent, ExecEventKind, ExecExit, OutputStream, Timestamp};

/// Highest exit code: 128 plus the highest signal is below it.
const EXIT_CODE_MAX: i32 = 255;

/// How an agent broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A number was left out, or came again.
    #[error("event {got} came where {expected} was due")]
    Gap {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// The first event is not the start, or a later one is.
    #[error("event {0} is a start, or the first is none")]
    Start(u64),
    /// Output beyond [`OUTPUT_BYTES_MAX`], empty, or of no known stream.
    #[error("event {0} has output of a bad size or stream")]
    Output(u64),
    /// An exit code that no process has.
    #[error("exit code {0} cannot be")]
    ExitCode(i32),
    /// An event without a kind.
    #[error("event {0} has no kind")]
    Kind(u64),
    /// Something came after the exit.
    #[error("an event came after the exit")]
    AfterExit,
    /// The stream ended before the exit.
    #[error("the stream ended before the exit")]
    NoExit,
}

/// Checks the events of one stream, one after the other.
#[derive(Debug)]
pub struct EventCheck {
    next: u64,
    exited: bool,
}

impl EventCheck {
    /// For a stream that begins after number `after_seq`.
    #[must_use]
    pub const fn after(after_seq: u64) -> Self {
        Self { next: after_seq.saturating_add(1), exited: false }
    }

    /// Whether the exit was seen.
    #[must_use]
    pub const fn exited(&self) -> bool {
        self.exited
    }

    /// The event, when it is the one that may come now.
    ///
    /// # Errors
    /// How it breaks the protocol.
    pub fn check(&mut self, event: Event) -> Result<ExecEvent, Violation> {
        let Event { seq, time_ms, kind } = event;
        if self.exited {
            return Err(Violation::AfterExit);
        }
        if seq != self.next {
            return Err(Violation::Gap { expected: self.next, got: seq });
        }
        let kind = kind.ok_or(Violation::Kind(seq))?;
        if (seq == 1) != matches!(kind, Kind::Start(_)) {
            return Err(Violation::Start(seq));
        }
        let kind = match kind {
            Kind::Start(_) => ExecEventKind::Start,
            Kind::Output(output) => {
                if output.data.is_empty() || output.data.len() > OUTPUT_BYTES_MAX {
                    return Err(Violation::Output(seq));
                }
                let stream = match Stream::try_from(output.stream) {
                    Ok(Stream::Stdout) => OutputStream::Stdout,
                    Ok(Stream::Stderr) => OutputStream::Stderr,
                    Err(_) => return Err(Violation::Output(seq)),
                };
                ExecEventKind::Output(stream, output.data.into())
            }
            Kind::Exit(exit) => {
                if !(0..=EXIT_CODE_MAX).contains(&exit.code) {
                    return Err(Violation::ExitCode(exit.code));
                }
                self.exited = true;
                ExecEventKind::Exit(ExecExit { code: exit.code, timed_out: exit.timed_out })
            }
        };
        self.next = seq.saturating_add(1);
        Ok(ExecEvent { seq, time: Timestamp::from_unix_ms(time_ms), kind })
    }
}

#[cfg(test)]
mod tests {
    use atoll_agent_protocol::v1::{Exit, Output, Start};

    use super::*;

    fn event(seq: u64, kind: Kind) -> Event {
        Event { seq, time_ms: 0, kind: Some(kind) }
    }

    fn output(len: usize, stream: i32) -> Kind {
        Kind::Output(Output { stream, data: vec![b'x'; len].into(), ..Output::default() })
    }

    fn exit(code: i32) -> Kind {
        Kind::Exit(Exit { code, timed_out: false })
    }

    fn first_violation(after: u64, events: Vec<Event>) -> Option<Violation> {
        let mut check = EventCheck::after(after);
        events.into_iter().find_map(|event| check.check(event).err())
    }

    #[test]
    fn a_stream_as_promised_passes() {
        let events =
            vec![event(1, Kind::Start(Start {})), event(2, output(OUTPUT_BYTES_MAX, 1)), event(3, exit(255))];
        assert_eq!(first_violation(0, events), None);
        assert_eq!(first_violation(7, vec![event(8, output(1, 0)), event(9, exit(0))]), None);
    }

    #[test]
    fn each_lie_is_found() {
        let start = || event(1, Kind::Start(Start {}));
        for (after, events, violation) in [
            (0, vec![start(), event(3, exit(0))], Violation::Gap { expected: 2, got: 3 }),
            (0, vec![start(), start()], Violation::Gap { expected: 2, got: 1 }),
            (0, vec![event(1, exit(0))], Violation::Start(1)),
            (4, vec![event(5, Kind::Start(Start {}))], Violation::Start(5)),
            (0, vec![start(), event(2, output(OUTPUT_BYTES_MAX + 1, 0))], Violation::Output(2)),
            (0, vec![start(), event(2, output(0, 0))], Violation::Output(2)),
            (0, vec![start(), event(2, output(1, 7))], Violation::Output(2)),
            (0, vec![start(), event(2, exit(-1))], Violation::ExitCode(-1)),
            (0, vec![start(), event(2, exit(0)), event(3, exit(0))], Violation::AfterExit),
            (0, vec![Event { seq: 1, time_ms: 0, kind: None }], Violation::Kind(1)),
        ] {
            assert_eq!(first_violation(after, events), Some(violation));
        }
    }
}
