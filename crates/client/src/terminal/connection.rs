//! One WebSocket of a terminal, in the framing `atoll.terminal.v1`.

use std::time::Duration;

use atoll_api_types::{
    CHANNEL_CONTROL, CHANNEL_INPUT, CHANNEL_OUTPUT, TERMINAL_PROTOCOL, TerminalCommand, TerminalControl,
};
use atoll_types::SandboxId;
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};

use super::TerminalOptions;
use super::keyboard::Typed;
use crate::stream::{Socket, open_socket};
use crate::{ApiError, Client, ClientError};

/// Largest message, in bytes: a piece of output has at most 32 KiB.
const MESSAGE_BYTES_MAX: usize = 128 << 10;
/// Silence after which the server is asked whether it is still there; after twice that the connection is given up.
const PING_AFTER: Duration = Duration::from_secs(20);

/// Where an earlier connection ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) generation: u64,
    pub(super) after: u64,
}

/// What came.
#[derive(Debug)]
pub(super) enum Came {
    Output(Bytes),
    Control(TerminalControl),
    /// Something was sent, or the server showed that it lives.
    Nothing,
}

pub(super) struct Connection {
    socket: Socket,
    url: String,
    asked: bool,
}

impl Connection {
    pub(super) async fn open(
        client: &Client,
        sandbox: &SandboxId,
        options: &TerminalOptions,
        seen: Option<Seen>,
    ) -> Result<Self, ClientError> {
        let mut url = client.url(&["sandboxes", sandbox.as_str(), "terminal"]);
        add_query(&mut url, options, seen);
        let socket = open_socket(client, &url, Some(TERMINAL_PROTOCOL), MESSAGE_BYTES_MAX).await?;
        Ok(Self { socket, url: client.base_url().to_owned(), asked: false })
    }

    /// Waits for what comes, and sends what is typed; the size is noted in `options` for the next connection.
    pub(super) async fn step(
        &mut self,
        typed: &mut mpsc::Receiver<Typed>,
        options: &mut TerminalOptions,
    ) -> Result<Came, ClientError> {
        let next = tokio::select! {
            // Each loses nothing by being dropped: a message that came in part stays in the socket.
            message = self.socket.next() => message,
            Some(typed) = typed.recv() => {
                self.send(typed, options).await?;
                return Ok(Came::Nothing);
            }
            () = tokio::time::sleep(PING_AFTER) => {
                self.ask().await?;
                return Ok(Came::Nothing);
            }
        };
        self.asked = false;
        let closed = || self.interrupted(tungstenite::Error::ConnectionClosed);
        let message = next.ok_or_else(closed)?.map_err(|error| self.interrupted(error))?;
        self.read(message)
    }

    fn read(&self, message: Message) -> Result<Came, ClientError> {
        let mut data = match message {
            Message::Binary(data) if !data.is_empty() => data,
            Message::Close(frame) => {
                let why = frame.map(|frame| frame.to_string()).unwrap_or_default();
                let source = format!("the server closed the terminal. {why}").into();
                return Err(ClientError::Interrupted { url: self.url.clone(), source });
            }
            // The library answers pings by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(Came::Nothing),
            Message::Text(_) | Message::Binary(_) => return Err(self.protocol("a message has no channel")),
        };
        match data.split_to(1).first().copied() {
            Some(CHANNEL_OUTPUT) => Ok(Came::Output(data)),
            Some(CHANNEL_CONTROL) => match serde_json::from_slice(&data) {
                Ok(TerminalControl::Failed { error }) => Err(failed(error)),
                Ok(control) => Ok(Came::Control(control)),
                // What a later server adds.
                Err(_) => Ok(Came::Nothing),
            },
            _ => Err(self.protocol("a message has an unknown channel")),
        }
    }

    async fn send(&mut self, typed: Typed, options: &mut TerminalOptions) -> Result<(), ClientError> {
        let framed = match typed {
            Typed::Keys(keys) => [&[CHANNEL_INPUT], &*keys].concat(),
            Typed::Size(cols, rows) => {
                options.size = Some((cols, rows));
                let command = TerminalCommand::Resize { cols, rows };
                let json = serde_json::to_vec(&command).map_err(|error| self.protocol(&error.to_string()))?;
                [&[CHANNEL_CONTROL], &*json].concat()
            }
        };
        self.socket.send(Message::Binary(framed.into())).await.map_err(|error| self.interrupted(error))
    }

    /// Asks whether the server is there; fails when it did not answer the last time.
    async fn ask(&mut self) -> Result<(), ClientError> {
        if std::mem::replace(&mut self.asked, true) {
            let source = "the server says nothing".into();
            return Err(ClientError::Interrupted { url: self.url.clone(), source });
        }
        let ping = self.socket.send(Message::Ping(Bytes::new())).await;
        ping.map_err(|error| self.interrupted(error))
    }

    fn protocol(&self, detail: &str) -> ClientError {
        ClientError::Protocol { url: self.url.clone(), detail: detail.to_owned() }
    }

    fn interrupted(&self, error: tungstenite::Error) -> ClientError {
        ClientError::Interrupted { url: self.url.clone(), source: error.into() }
    }
}

fn add_query(url: &mut Url, options: &TerminalOptions, seen: Option<Seen>) {
    let mut query = url.query_pairs_mut();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    };
    add("terminal", options.name.as_ref().map(ToString::to_string));
    add("cols", options.size.map(|(cols, _)| cols.to_string()));
    add("rows", options.size.map(|(_, rows)| rows.to_string()));
    add("user", options.user.clone());
    add("cwd", options.cwd.clone());
    add("term", options.term.clone());
    add("linger", options.linger_seconds.map(|seconds| seconds.to_string()));
    add("generation", seen.map(|seen| seen.generation.to_string()));
    add("after", seen.map(|seen| seen.after.to_string()));
}

fn failed(error: atoll_api_types::FailureBody) -> ClientError {
    let code = |code: &str| atoll_types::ErrorCode::ALL.iter().find(|known| known.as_str() == code);
    let status = code(&error.code).map_or(500, |code| code.http_status());
    ClientError::Api(Box::new(ApiError::new(status, None, error)))
}
