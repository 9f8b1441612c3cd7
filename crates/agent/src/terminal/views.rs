//! What one viewer of a terminal is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use atoll_agent_protocol::v1::terminal_event::Kind;
use atoll_agent_protocol::v1::{
    TerminalAttached, TerminalEvent, TerminalExit, TerminalOutput, TerminalResized,
};
use atoll_agent_protocol::{TERMINAL_OUTPUT_BYTES_MAX, terminal_event};
use tokio_stream::Stream;
use tonic::Status;

use super::state::{Shown, Terminal};

/// The events of a terminal for one viewer, who has gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Views {
    terminal: Arc<Terminal>,
    ticket: u64,
    /// Changes of the size that it has been told.
    sizes: u64,
    /// Told first.
    attached: Option<TerminalAttached>,
    over: bool,
}

impl Views {
    pub(crate) fn new(terminal: Arc<Terminal>, offset: Option<u64>) -> Self {
        let sizes = terminal.sizes();
        let size = terminal.size();
        let (ticket, offset, end) = terminal.enter(offset);
        let attached = TerminalAttached {
            generation: terminal.generation,
            cols: size.cols.into(),
            rows: size.rows.into(),
            offset,
            end,
        };
        Self { terminal, ticket, sizes, attached: Some(attached), over: false }
    }

    fn next(&mut self, context: &Context<'_>) -> Option<Kind> {
        if let Some(attached) = self.attached.take() {
            return Some(Kind::Attached(attached));
        }
        let shown =
            self.terminal.show(self.ticket, &mut self.sizes, TERMINAL_OUTPUT_BYTES_MAX, context.waker())?;
        Some(match shown {
            Shown::Output(offset, data) => Kind::Output(TerminalOutput { offset, data }),
            Shown::Resized(size) => {
                Kind::Resized(TerminalResized { cols: size.cols.into(), rows: size.rows.into() })
            }
            Shown::Exit(code) => {
                self.over = true;
                Kind::Exit(TerminalExit { code })
            }
        })
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        self.terminal.leave(self.ticket);
    }
}

impl Stream for Views {
    type Item = Result<TerminalEvent, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        match self.next(context) {
            Some(kind) => Poll::Ready(Some(Ok(terminal_event(kind)))),
            None => Poll::Pending,
        }
    }
}
