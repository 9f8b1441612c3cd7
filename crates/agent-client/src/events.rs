//! A checked stream of events.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use atoll_agent_protocol::v1::Event;
use atoll_ports::AgentError;
use atoll_types::ExecEvent;
use tokio_stream::Stream;
use tonic::Streaming;

use crate::answer::error_of;
use crate::check::{EventCheck, Violation};
use crate::connection::Lease;

/// Passes on what is as the protocol promises; the first thing that is not ends the stream.
#[derive(Debug)]
pub(crate) struct Checked {
    events: Streaming<Event>,
    check: EventCheck,
    over: bool,
    _lease: Lease,
}

impl Checked {
    pub(crate) const fn new(events: Streaming<Event>, after_seq: u64, lease: Lease) -> Self {
        Self { events, check: EventCheck::after(after_seq), over: false, _lease: lease }
    }
}

fn broke(violation: &Violation) -> AgentError {
    AgentError::Protocol(violation.to_string())
}

impl Stream for Checked {
    type Item = Result<ExecEvent, AgentError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let item = match ready!(Pin::new(&mut self.events).poll_next(context)) {
            Some(Ok(event)) => self.check.check(event).map_err(|violation| broke(&violation)),
            Some(Err(status)) => Err(error_of(&status)),
            None => Err(broke(&Violation::NoExit)),
        };
        // Whatever an agent says after the exit is not waited for.
        self.over = item.is_err() || self.check.exited();
        Poll::Ready(Some(item))
    }
}
