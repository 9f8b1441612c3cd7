//! One client that follows one exec, at its own pace: what it does not take waits in the log on disk, and holds up
//! nobody.

use atoll_api_types::{Encoding, EventKind, ExecEvent};
use atoll_engine::{EngineError, ExecEvents};
use atoll_types::{ExecId, ExecStatus, SandboxId};
use axum::extract::ws::{Message, WebSocket};
use futures_util::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::StreamExt;

use crate::Api;
use crate::access::{Held, while_allowed};
use crate::answer::TraceId;
use crate::bounds::{STREAM_PING_INTERVAL, STREAM_SILENCE_MAX};
use crate::convert::{event_view, lost_event};
use crate::socket::{CLOSE_DONE, CLOSE_FAILURE, CLOSE_GOING_AWAY, Cut, close, flush, push, send};

/// What is followed, and for whom.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) api: Api,
    pub(super) held: Held,
    pub(super) sandbox: SandboxId,
    pub(super) exec: ExecId,
    pub(super) after_seq: u64,
    pub(super) encoding: Encoding,
    pub(super) trace: TraceId,
    /// Given back when the client has gone.
    pub(super) permit: OwnedSemaphorePermit,
}

/// How it ended.
enum End {
    /// The last event was sent.
    Done(&'static str),
    /// Atoll is stopping.
    Stopping,
    /// The client went, or takes nothing any more.
    Gone,
}

/// What happened next.
enum Next {
    Event(Option<Result<atoll_types::ExecEvent, EngineError>>),
    Message(Option<Result<Message, axum::Error>>),
    Ping,
    Stopping,
}

/// What follows an event that was sent.
enum More {
    /// Others will come.
    Expected,
    /// It was the exit.
    Exited,
    /// The stream is over without one. It must not be polled again.
    None,
}

impl Follow {
    /// Sends events until the exit, the client or Atoll ends it.
    pub(super) async fn run(self, mut socket: WebSocket) {
        let ended = while_allowed(&self.api, &self.held, self.pump(&mut socket)).await;
        let (code, reason) = match ended {
            Ok(End::Done(reason)) => (CLOSE_DONE, reason),
            Ok(End::Stopping) => (CLOSE_GOING_AWAY, "Atoll is stopping; connect again with after_seq"),
            Ok(End::Gone) | Err(Cut::Gone) => return,
            Err(Cut::Failed(failure)) => {
                let sent = send(&mut socket, &failure.body(&self.trace)).await;
                if sent.is_err() || flush(&mut socket).await.is_err() {
                    return;
                }
                (CLOSE_FAILURE + failure.status().as_u16(), failure.code().as_str())
            }
        };
        close(&mut socket, code, reason).await;
        drop(self.permit);
    }

    async fn pump(&self, socket: &mut WebSocket) -> Result<End, Cut> {
        let engine = self.api.engine();
        let mut events =
            engine.exec_events(&self.held.caller, &self.sandbox, &self.exec, self.after_seq).await?;
        let mut pings = interval_at(Instant::now() + STREAM_PING_INTERVAL, STREAM_PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut sent_seq = self.after_seq;
        loop {
            // Every arm only waits, and takes nothing unless it is chosen.
            let next = tokio::select! {
                event = events.next() => Next::Event(event),
                message = socket.recv() => Next::Message(message),
                _ = pings.tick() => Next::Ping,
                () = self.api.settings().stopping.cancelled() => Next::Stopping,
            };
            match next {
                Next::Event(Some(event)) => {
                    let (seq, more) = self.send_ready(socket, &mut events, event?).await?;
                    (sent_seq, heard) = (seq, Instant::now());
                    match more {
                        More::Expected => {}
                        More::None => return self.end_without_exit(socket, sent_seq).await,
                        More::Exited => return Ok(End::Done("exit")),
                    }
                }
                Next::Event(None) => return self.end_without_exit(socket, sent_seq).await,
                Next::Message(Some(Ok(Message::Close(_)) | Err(_)) | None) => return Ok(End::Gone),
                // A client has nothing to say here; that it says anything shows that it lives.
                Next::Message(Some(Ok(_))) => heard = Instant::now(),
                Next::Ping if heard.elapsed() > STREAM_SILENCE_MAX => return Ok(End::Gone),
                Next::Ping => push(socket, Message::Ping(bytes::Bytes::new())).await?,
                Next::Stopping => return Ok(End::Stopping),
            }
        }
    }

    /// Sends an event and all that are there already, then flushes once. Answers the last number.
    async fn send_ready(
        &self,
        socket: &mut WebSocket,
        events: &mut ExecEvents,
        first: atoll_types::ExecEvent,
    ) -> Result<(u64, More), Cut> {
        let mut event = first;
        loop {
            let shown = event_view(&self.sandbox, &self.exec, event, self.encoding);
            send(socket, &shown).await?;
            let more = if shown.kind == EventKind::Exit {
                More::Exited
            } else {
                // Polled once: a stream that has nothing yet is polled again by the caller, who waits.
                match events.next().now_or_never() {
                    Some(Some(next)) => {
                        event = next?;
                        continue;
                    }
                    Some(None) => More::None,
                    None => More::Expected,
                }
            };
            flush(socket).await?;
            return Ok((shown.seq, more));
        }
    }

    /// The events are over and none was an exit: the exec was lost or never started, or Atoll is stopping.
    async fn end_without_exit(&self, socket: &mut WebSocket, sent_seq: u64) -> Result<End, Cut> {
        let record = self.api.engine().exec_get(&self.held.caller, &self.sandbox, &self.exec).await?.record;
        if record.status == ExecStatus::Running {
            return Ok(End::Stopping);
        }
        if let Some(end) = lost_event(&record).filter(|end| end.seq > sent_seq) {
            send::<ExecEvent>(socket, &end).await?;
            flush(socket).await?;
        }
        Ok(End::Done(crate::convert::exec_status(record.status)))
    }
}
