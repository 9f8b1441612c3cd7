//! What every WebSocket route does with its client: bounded waits, failures as messages, and an orderly close.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use serde::Serialize;
use tokio::time::timeout;

use crate::answer::ApiFailure;
use crate::bounds::STREAM_SILENCE_MAX;

/// Everything was sent.
pub(crate) const CLOSE_DONE: u16 = 1000;
/// Atoll goes away; the client may come again.
pub(crate) const CLOSE_GOING_AWAY: u16 = 1001;
/// Failures close with this and their HTTP status.
pub(crate) const CLOSE_FAILURE: u16 = 4000;
/// Time for the client to answer a close.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The client takes nothing any more.
pub(crate) struct Gone;

/// Why it ended before its time.
pub(crate) enum Cut {
    Gone,
    Failed(ApiFailure),
}

impl From<Gone> for Cut {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl<E: Into<ApiFailure>> From<E> for Cut {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Hands a message to the connection; waits while the client takes nothing, but not for ever.
pub(crate) async fn send<T: Serialize>(socket: &mut WebSocket, message: &T) -> Result<(), Cut> {
    let text = serde_json::to_string(message).map_err(ApiFailure::internal)?;
    match timeout(STREAM_SILENCE_MAX, socket.feed(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Cut::Gone),
    }
}

pub(crate) async fn flush(socket: &mut WebSocket) -> Result<(), Gone> {
    match timeout(STREAM_SILENCE_MAX, socket.flush()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}

pub(crate) async fn push(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    match timeout(STREAM_SILENCE_MAX, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}

/// Closes, and lets the client answer, so that it reads everything before the connection ends.
pub(crate) async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    if push(socket, Message::Close(Some(frame))).await.is_err() {
        return;
    }
    let answered = async { while let Some(Ok(_)) = socket.recv().await {} };
    // Late or not, it is over.
    let _late = timeout(CLOSE_TIMEOUT, answered).await;
}
