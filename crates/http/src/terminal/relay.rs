//! One client at one terminal. Two ways that hold up neither each other nor anybody else: what it types, and what it is
//! shown. It is shown no more than it takes; its agent passes over whoever takes nothing.

use atoll_api_types::TerminalControl;
use atoll_engine::{EngineError, TerminalView};
use atoll_ports::{AgentError, TerminalEvent, TerminalKey, TerminalStream};
use atoll_types::TerminalSize;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::attach::Viewer;
use super::framing::{Framing, Said};
use crate::Api;
use crate::access::while_allowed;
use crate::answer::ApiFailure;
use crate::bounds::{STREAM_PING_INTERVAL, STREAM_SILENCE_MAX};
use crate::public_sessions::attach::session_failure;
use crate::public_sessions::{Lines, Passed};
use crate::socket::{CLOSE_DONE, CLOSE_FAILURE, CLOSE_GOING_AWAY, CLOSE_TIMEOUT};

/// What is looked at, and by whom.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) api: Api,
    pub(super) framing: Framing,
    /// Its permit is given back when the client has gone.
    pub(super) viewer: Viewer,
}

type Sink = SplitSink<WebSocket, Message>;

/// How it ended.
enum End {
    Exited(i32),
    Stopping,
    /// The client went, or takes nothing any more.
    Gone,
    Failed(ApiFailure),
}

impl<E: Into<ApiFailure>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// When the client was last heard; nothing while what it typed waits for the program, since then it is not listened to.
#[derive(Debug)]
struct Heard(Mutex<Option<Instant>>);

impl Heard {
    fn now(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    fn is_silent(&self) -> bool {
        self.0.lock().is_some_and(|at| at.elapsed() > STREAM_SILENCE_MAX)
    }
}

impl Relay {
    /// Until the program, the client or Atoll ends it.
    pub(super) async fn run(self, socket: WebSocket) {
        let (mut sink, mut stream) = socket.split();
        let relayed = while_allowed(&self.api, &self.viewer.held, self.relay(&mut sink, &mut stream)).await;
        let end = match relayed {
            Ok(end) | Err(end) => end,
        };
        let (code, reason) = match end {
            End::Exited(code) => (CLOSE_DONE, format!("exited {code}")),
            End::Stopping => (CLOSE_GOING_AWAY, "Atoll is stopping; connect again".to_owned()),
            End::Gone => return,
            End::Failed(failure) => {
                let failure = if self.viewer.is_session {
                    session_failure(&self.api, &self.viewer.sandbox, failure)
                } else {
                    failure
                };
                let error = failure.body(&self.viewer.trace).error;
                if self.tell(&mut sink, &TerminalControl::Failed { error }).await.is_err() {
                    return;
                }
                (CLOSE_FAILURE + failure.status().as_u16(), failure.code().as_str().to_owned())
            }
        };
        close(&mut sink, &mut stream, code, reason).await;
        drop(self.viewer.permit);
    }

    async fn relay(&self, sink: &mut Sink, stream: &mut SplitStream<WebSocket>) -> Result<End, End> {
        let engine = self.api.engine();
        let Viewer { held, sandbox, new, is_session, .. } = &self.viewer;
        let view = engine.terminal_view(&held.caller, sandbox, new.clone()).await?;
        let TerminalView { key, attached, made, events } = view;
        let hello = TerminalControl::Attached {
            terminal: key.name.to_string(),
            generation: key.generation,
            cols: attached.size.cols().into(),
            rows: attached.size.rows().into(),
            offset: attached.offset,
            end: attached.end,
            made,
        };
        self.tell(sink, &hello).await?;
        let heard = Heard(Mutex::new(Some(Instant::now())));
        // One that waits to be told is enough: they all say the same.
        let (notices, told) = mpsc::channel(1);
        let lines =
            if *is_session { self.api.sessions().map(|sessions| sessions.lines(sandbox)) } else { None };
        // Whichever ends first ends all: what is typed and shown after that has nobody.
        tokio::select! {
            end = self.show(sink, events, attached.offset, &heard, told) => end,
            end = self.listen(stream, &key, &heard, lines, &notices) => end,
            () = self.api.settings().stopping.cancelled() => Ok(End::Stopping),
        }
    }

    /// Sends what the terminal shows.
    async fn show(
        &self,
        sink: &mut Sink,
        mut events: TerminalStream,
        mut due: u64,
        heard: &Heard,
        mut notices: mpsc::Receiver<u64>,
    ) -> Result<End, End> {
        let mut pings = interval_at(Instant::now() + STREAM_PING_INTERVAL, STREAM_PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // All arms only wait.
            let mut event = tokio::select! {
                event = events.next() => event,
                Some(retry_after_seconds) = notices.recv() => {
                    self.tell(sink, &TerminalControl::Limited { retry_after_seconds }).await?;
                    continue;
                }
                _ = pings.tick() => {
                    if heard.is_silent() {
                        return Ok(End::Gone);
                    }
                    send(sink, Message::Ping(bytes::Bytes::new())).await?;
                    flush(sink).await?;
                    continue;
                }
            };
            // All that is there already, then one flush. A stream that has nothing yet is polled again above.
            loop {
                let Some(told) = event else { return Err(lost()) };
                if let Some(code) = self.show_one(sink, told, &mut due).await? {
                    flush(sink).await?;
                    return Ok(End::Exited(code));
                }
                match events.next().now_or_never() {
                    Some(next) => event = next,
                    None => break,
                }
            }
            flush(sink).await?;
        }
    }

    /// Sends one event; the code when it was the exit.
    async fn show_one(
        &self,
        sink: &mut Sink,
        event: Result<TerminalEvent, AgentError>,
        due: &mut u64,
    ) -> Result<Option<i32>, End> {
        match event.map_err(EngineError::from)? {
            TerminalEvent::Output { offset, data } => {
                if offset > *due {
                    self.feed(sink, &TerminalControl::Gap { offset }).await?;
                }
                *due = offset.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                send(sink, self.framing.output(data)).await?;
            }
            TerminalEvent::Resized(size) => {
                let (cols, rows) = (size.cols().into(), size.rows().into());
                self.feed(sink, &TerminalControl::Resized { cols, rows }).await?;
            }
            TerminalEvent::Exit(exit_code) => {
                self.feed(sink, &TerminalControl::Exit { exit_code }).await?;
                return Ok(Some(exit_code));
            }
        }
        Ok(None)
    }

    /// Passes on what the client types.
    async fn listen(
        &self,
        stream: &mut SplitStream<WebSocket>,
        key: &TerminalKey,
        heard: &Heard,
        mut lines: Option<Lines<'_>>,
        notices: &mpsc::Sender<u64>,
    ) -> Result<End, End> {
        let engine = self.api.engine();
        let Viewer { held, sandbox, .. } = &self.viewer;
        while let Some(Ok(message)) = stream.next().await {
            match self.framing.read(message)? {
                Said::Input(data) => {
                    let whole = Passed { input: data.clone(), wait_seconds: None };
                    let passed = lines.as_mut().map_or(whole, |lines| lines.pass(data));
                    if let Some(seconds) = passed.wait_seconds {
                        // Full: it is about to be told.
                        let _told = notices.try_send(seconds);
                    }
                    *heard.0.lock() = None;
                    engine.terminal_input(&held.caller, sandbox, key, passed.input).await?;
                }
                Said::Resize(size) => self.resize(key, size).await?,
                Said::Nothing => {}
                Said::Close => return Ok(End::Gone),
            }
            heard.now();
        }
        Ok(End::Gone)
    }

    async fn resize(&self, key: &TerminalKey, size: TerminalSize) -> Result<(), End> {
        let Viewer { held, sandbox, .. } = &self.viewer;
        Ok(self.api.engine().terminal_resize(&held.caller, sandbox, key, size).await?)
    }

    /// Hands a control message to the connection, where the framing has any.
    async fn feed(&self, sink: &mut Sink, control: &TerminalControl) -> Result<(), End> {
        match self.framing.control(control)? {
            Some(message) => send(sink, message).await,
            None => Ok(()),
        }
    }

    async fn tell(&self, sink: &mut Sink, control: &TerminalControl) -> Result<(), End> {
        self.feed(sink, control).await?;
        flush(sink).await
    }
}

fn lost() -> End {
    EngineError::from(AgentError::Unreachable("the terminal's stream ended".to_owned())).into()
}

/// Hands a message to the connection; waits while the client takes nothing, but not for ever.
async fn send(sink: &mut Sink, message: Message) -> Result<(), End> {
    match timeout(STREAM_SILENCE_MAX, sink.feed(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

async fn flush(sink: &mut Sink) -> Result<(), End> {
    match timeout(STREAM_SILENCE_MAX, sink.flush()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

/// Closes, and lets the client answer, so that it reads everything before the connection ends.
async fn close(sink: &mut Sink, stream: &mut SplitStream<WebSocket>, code: u16, reason: String) {
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    if send(sink, frame).await.is_err() || flush(sink).await.is_err() {
        return;
    }
    let answered = async { while let Some(Ok(_)) = stream.next().await {} };
    // Late or not, it is over.
    let _late = timeout(CLOSE_TIMEOUT, answered).await;
}
