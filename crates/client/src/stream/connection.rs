//! One WebSocket that carries events.

use std::time::Duration;

use atoll_api_types::{Failure, FailureBody};
use atoll_types::{ExecId, SandboxId};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::{ApiError, Client, ClientError};

/// Largest message in bytes: an event has at most 64 KiB of output, in base 64.
const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Time to open the connection, the upgrade included.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Silence after which the server is asked whether it is still there; after twice that the connection is given up.
const PING_AFTER: Duration = Duration::from_secs(20);

/// Close codes of failures are this and their HTTP status.
const CLOSE_FAILURE: u16 = 4000;

pub(super) struct Connection {
    socket: Socket,
    url: String,
    /// What the server said that goes wrong, before it closes.
    failure: Option<FailureBody>,
}

pub(super) enum Received<T> {
    Message(T),
    /// The server has nothing more to say.
    Done,
    /// It is over; why, as far as that is known.
    Closed(ClientError),
}

impl Connection {
    pub(super) async fn open(
        client: &Client,
        sandbox: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Result<Self, ClientError> {
        let mut url = client.url(&["sandboxes", sandbox.as_str(), "stream"]);
        url.query_pairs_mut()
            .append_pair("exec_id", exec.as_str())
            .append_pair("after_seq", &after_seq.to_string())
            .append_pair("encoding", "base64");
        Self::open_url(client, &url, MESSAGE_BYTES_MAX).await
    }

    pub(super) async fn open_url(
        client: &Client,
        url: &Url,
        message_bytes_max: usize,
    ) -> Result<Self, ClientError> {
        let socket = open_socket(client, url, None, message_bytes_max).await?;
        Ok(Self { socket, url: client.base_url().to_owned(), failure: None })
    }

    /// Waits for the next message that can be read. Cancel safety: a message that was received in part stays in the socket's buffer.
    pub(super) async fn receive<T>(
        &mut self,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Received<T>, ClientError> {
        loop {
            let message = match self.message().await? {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Ok(Received::Closed(self.interrupted(error))),
                None => return Ok(Received::Closed(self.interrupted(tungstenite::Error::ConnectionClosed))),
            };
            match message {
                Message::Text(text) => match parse(&text) {
                    Ok(message) => return Ok(Received::Message(message)),
                    Err(detail) => match serde_json::from_str::<Failure>(&text) {
                        Ok(failure) => self.failure = Some(failure.error),
                        Err(_) => return Err(self.protocol(detail)),
                    },
                },
                Message::Close(Some(frame)) if frame.code == CloseCode::Normal && self.failure.is_none() => {
                    return Ok(Received::Done);
                }
                Message::Close(frame) => return Ok(Received::Closed(self.closed(frame))),
                // The library answers pings by itself; a pong only had to come.
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
            }
        }
    }

    async fn message(&mut self) -> Result<Option<Result<Message, tungstenite::Error>>, ClientError> {
        if let Ok(message) = tokio::time::timeout(PING_AFTER, self.socket.next()).await {
            return Ok(message);
        }
        self.socket.send(Message::Ping(tungstenite::Bytes::new())).await.map_err(|e| self.interrupted(e))?;
        match tokio::time::timeout(PING_AFTER, self.socket.next()).await {
            Ok(message) => Ok(message),
            Err(elapsed) => Err(ClientError::Interrupted { url: self.url.clone(), source: elapsed.into() }),
        }
    }

    /// What a close means: a failure when one was told, else the server only goes away.
    fn closed(&mut self, frame: Option<CloseFrame>) -> ClientError {
        let code = frame.as_ref().map_or(0, |frame| u16::from(frame.code));
        match (self.failure.take(), code.checked_sub(CLOSE_FAILURE)) {
            (Some(body), status) => {
                ClientError::Api(Box::new(ApiError::new(status.unwrap_or(500), None, body)))
            }
            (None, _) => {
                let why = frame.map(|frame| frame.to_string()).unwrap_or_default();
                let source = format!("the server closed the stream before the command's exit. {why}").into();
                ClientError::Interrupted { url: self.url.clone(), source }
            }
        }
    }

    /// The server closed as if the command had ended, and no exit came.
    pub(super) fn no_exit(&mut self) -> ClientError {
        self.closed(None)
    }

    /// The server left events out: the connection is useless, another may be better.
    pub(super) fn gap(&self, last_seq: u64, seq: u64) -> ClientError {
        self.protocol(format!("event {seq} came after event {last_seq}"))
    }

    fn protocol(&self, detail: String) -> ClientError {
        ClientError::Protocol { url: self.url.clone(), detail }
    }

    fn interrupted(&self, error: tungstenite::Error) -> ClientError {
        ClientError::Interrupted { url: self.url.clone(), source: error.into() }
    }
}

/// A WebSocket of the server.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects to a route that is a WebSocket, and takes messages up to a size.
pub(crate) async fn open_socket(
    client: &Client,
    url: &Url,
    protocol: Option<&'static str>,
    message_bytes_max: usize,
) -> Result<Socket, ClientError> {
    let address = url.as_str().replacen("http", "ws", 1);
    let mut request = address.into_client_request().map_err(|e| open_error(client, e))?;
    if let Some(value) = &client.authorization {
        request.headers_mut().insert(AUTHORIZATION, value.clone());
    }
    if let Some(protocol) = protocol {
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max));
    match tokio::time::timeout(OPEN_TIMEOUT, connect_async_with_config(request, Some(config), true)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(open_error(client, error)),
        Err(elapsed) => {
            Err(ClientError::Unreachable { url: client.base_url().to_owned(), source: elapsed.into() })
        }
    }
}

fn open_error(client: &Client, error: tungstenite::Error) -> ClientError {
    match error {
        tungstenite::Error::Http(response) => {
            let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
            let status = response.status();
            let body = response.into_body().unwrap_or_default();
            client.failure(status, retry_after, &body)
        }
        other => ClientError::Unreachable { url: client.base_url().to_owned(), source: other.into() },
    }
}
