//! The port of terminals, over the protocol.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use atoll_agent_protocol::v1::terminal_event::Kind;
use atoll_agent_protocol::v1::{
    self, TerminalAttachRequest, TerminalCloseRequest, TerminalInputRequest, TerminalListRequest,
    TerminalOpenRequest, TerminalResizeRequest,
};
use atoll_agent_protocol::{TERMINAL_INPUT_BYTES_MAX, TERMINAL_OUTPUT_BYTES_MAX, TERMINALS_MAX};
use atoll_ports::{
    AgentError, HeldTerminal, OpenTerminal, TerminalAttached, TerminalEvent, TerminalKey, TerminalLink,
    TerminalStream,
};
use atoll_types::{SandboxId, TerminalSize, Timestamp};
use bytes::Bytes;
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::{Code, Status, Streaming};

use crate::AgentClient;
use crate::answer::error_of;
use crate::client::{ANSWER_LIMIT, answered};
use crate::connection::Lease;

/// Highest exit code: 128 plus the highest signal is below it.
const EXIT_CODE_MAX: i32 = 255;

fn terminal_error(status: &Status) -> AgentError {
    match status.code() {
        Code::FailedPrecondition => AgentError::StdinClosed,
        Code::Unimplemented => AgentError::Refused(
            "the sandbox was started by an older release, whose agent has no terminals: restart it"
                .to_owned(),
        ),
        _ => error_of(status),
    }
}

fn broke(what: &str) -> AgentError {
    AgentError::Protocol(format!("a terminal {what}"))
}

#[async_trait]
impl TerminalLink for AgentClient {
    async fn open(&self, sandbox: &SandboxId, open: OpenTerminal) -> Result<(TerminalKey, bool), AgentError> {
        let (mut calls, _lease) = self.terminals.calls(sandbox).await?;
        let name = open.name.clone();
        let reply = answered(calls.terminal_open(request_of(open))).await.map_err(|s| terminal_error(&s))?;
        if reply.generation == 0 {
            return Err(broke("has no generation"));
        }
        Ok((TerminalKey { name, generation: reply.generation }, reply.made))
    }

    async fn attach(
        &self,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        offset: Option<u64>,
    ) -> Result<(TerminalAttached, TerminalStream), AgentError> {
        let (mut calls, lease) = self.terminals.calls(sandbox).await?;
        let TerminalKey { name, generation } = terminal;
        let request = TerminalAttachRequest { name: name.to_string(), generation: *generation, offset };
        let mut events =
            answered(calls.terminal_attach(request)).await.map_err(|status| terminal_error(&status))?;
        let first = timeout(ANSWER_LIMIT, events.message()).await;
        let first = first.map_err(|_| AgentError::Unreachable("no answer within 10 s".to_owned()))?;
        let attached = match first.map_err(|status| terminal_error(&status))?.and_then(|event| event.kind) {
            Some(Kind::Attached(attached)) => attached_of(attached)?,
            _ => return Err(broke("does not say where it stands")),
        };
        let check = Check { next: attached.offset, over: false };
        Ok((attached, Box::pin(Views { events, check, _lease: lease })))
    }

    async fn input(
        &self,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        mut data: Bytes,
    ) -> Result<(), AgentError> {
        let (mut calls, _lease) = self.terminals.calls(sandbox).await?;
        while !data.is_empty() {
            let request = TerminalInputRequest {
                name: terminal.name.to_string(),
                generation: terminal.generation,
                data: data.split_to(data.len().min(TERMINAL_INPUT_BYTES_MAX)),
            };
            // No limit: it waits for as long as the program does not read.
            calls.terminal_input(request).await.map_err(|status| terminal_error(&status))?;
        }
        Ok(())
    }

    async fn resize(
        &self,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        size: TerminalSize,
    ) -> Result<(), AgentError> {
        let (mut calls, _lease) = self.terminals.calls(sandbox).await?;
        let request = TerminalResizeRequest {
            name: terminal.name.to_string(),
            generation: terminal.generation,
            cols: size.cols().into(),
            rows: size.rows().into(),
        };
        answered(calls.terminal_resize(request)).await.map(drop).map_err(|status| terminal_error(&status))
    }

    async fn list(&self, sandbox: &SandboxId) -> Result<Vec<HeldTerminal>, AgentError> {
        let (mut calls, _lease) = self.terminals.calls(sandbox).await?;
        let reply = answered(calls.terminal_list(TerminalListRequest {})).await;
        let held = reply.map_err(|status| terminal_error(&status))?.terminals;
        if held.len() > TERMINALS_MAX {
            return Err(AgentError::Protocol("it holds more terminals than it may".to_owned()));
        }
        held.into_iter().map(held_of).collect()
    }

    async fn close(&self, sandbox: &SandboxId, terminal: &TerminalKey) -> Result<(), AgentError> {
        let (mut calls, _lease) = self.terminals.calls(sandbox).await?;
        let TerminalKey { name, generation } = terminal;
        let request = TerminalCloseRequest { name: name.to_string(), generation: *generation };
        answered(calls.terminal_close(request)).await.map(drop).map_err(|status| terminal_error(&status))
    }
}

fn request_of(open: OpenTerminal) -> TerminalOpenRequest {
    let linger_ms =
        open.linger.map_or(0, |linger| u64::try_from(linger.as_millis()).unwrap_or(u64::MAX).max(1));
    TerminalOpenRequest {
        name: open.name.to_string(),
        argv: open.argv,
        env: open.env.into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
        cwd: open.cwd.map(|cwd| cwd.to_string()).unwrap_or_default(),
        user: open.user.to_string(),
        cols: open.size.cols().into(),
        rows: open.size.rows().into(),
        linger_ms,
    }
}

fn size_of(cols: u32, rows: u32) -> Result<TerminalSize, AgentError> {
    TerminalSize::new(cols, rows).map_err(|_| broke("has an impossible size"))
}

fn attached_of(attached: v1::TerminalAttached) -> Result<TerminalAttached, AgentError> {
    let v1::TerminalAttached { generation, cols, rows, offset, end } = attached;
    if generation == 0 || offset > end {
        return Err(broke("stands nowhere"));
    }
    Ok(TerminalAttached { generation, size: size_of(cols, rows)?, offset, end })
}

fn held_of(held: v1::HeldTerminal) -> Result<HeldTerminal, AgentError> {
    if held.generation == 0 {
        return Err(broke("has no generation"));
    }
    let name = held.name.parse().map_err(|_| broke("has a bad name"))?;
    Ok(HeldTerminal {
        key: TerminalKey { name, generation: held.generation },
        size: size_of(held.cols, held.rows)?,
        viewers: held.viewers,
        created_at: Timestamp::from_unix_ms(held.created_ms),
        exit_code: held.exit_code.map(exit_code).transpose()?,
    })
}

fn exit_code(code: i32) -> Result<i32, AgentError> {
    if (0..=EXIT_CODE_MAX).contains(&code) { Ok(code) } else { Err(broke("has an impossible exit code")) }
}

/// Is what a terminal shows what the protocol promises?
#[derive(Debug)]
struct Check {
    /// Number of the byte that is due; a later one may come.
    next: u64,
    over: bool,
}

impl Check {
    fn check(&mut self, event: v1::TerminalEvent) -> Result<TerminalEvent, AgentError> {
        match event.kind {
            Some(Kind::Output(output)) => {
                let length = u64::try_from(output.data.len()).unwrap_or(u64::MAX);
                let end = output.offset.checked_add(length).filter(|_| output.offset >= self.next);
                let fits = (1..=TERMINAL_OUTPUT_BYTES_MAX).contains(&output.data.len());
                self.next = end.filter(|_| fits).ok_or_else(|| broke("shows what cannot be"))?;
                Ok(TerminalEvent::Output { offset: output.offset, data: output.data })
            }
            Some(Kind::Resized(size)) => size_of(size.cols, size.rows).map(TerminalEvent::Resized),
            Some(Kind::Exit(exit)) => {
                self.over = true;
                exit_code(exit.code).map(TerminalEvent::Exit)
            }
            Some(Kind::Attached(_)) | None => Err(broke("says what has no sense there")),
        }
    }
}

/// Passes on what is as the protocol promises; the first thing that is not ends the stream.
#[derive(Debug)]
struct Views {
    events: Streaming<v1::TerminalEvent>,
    check: Check,
    _lease: Lease,
}

impl Stream for Views {
    type Item = Result<TerminalEvent, AgentError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.check.over {
            return Poll::Ready(None);
        }
        let item = match ready!(Pin::new(&mut self.events).poll_next(context)) {
            Some(Ok(event)) => self.check.check(event),
            Some(Err(status)) => Err(terminal_error(&status)),
            None => Err(AgentError::Unreachable("the terminal's stream broke".to_owned())),
        };
        self.check.over |= item.is_err();
        Poll::Ready(Some(item))
    }
}

#[cfg(test)]
mod tests {
    use atoll_agent_protocol::terminal_event;

    use super::*;

    fn output(offset: u64, length: usize) -> v1::TerminalEvent {
        let data = vec![b'x'; length].into();
        terminal_event(Kind::Output(v1::TerminalOutput { offset, data }))
    }

    #[test]
    fn offsets_go_forward_and_each_lie_is_found() {
        let mut check = Check { next: 5, over: false };
        for (event, passes) in [
            (output(5, 3), true),
            (output(8, TERMINAL_OUTPUT_BYTES_MAX), true),
            (output(1 << 20, 1), true),
            (output(1 << 20, 1), false),
            (output(u64::MAX, 1), false),
            (output(1 << 21, 0), false),
            (output(1 << 21, TERMINAL_OUTPUT_BYTES_MAX + 1), false),
            (v1::TerminalEvent::default(), false),
            (terminal_event(Kind::Resized(v1::TerminalResized { cols: 0, rows: 1 })), false),
            (terminal_event(Kind::Exit(v1::TerminalExit { code: -1 })), false),
        ] {
            let shown = format!("{event:?}");
            assert_eq!(check.check(event).is_ok(), passes, "{}", &shown[..shown.len().min(80)]);
        }
        assert!(
            attached_of(v1::TerminalAttached { generation: 1, cols: 1, rows: 1, offset: 2, end: 1 }).is_err()
        );
    }
}
