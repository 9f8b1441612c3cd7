//! `GET /events`: what happens, as it happens.

use std::collections::VecDeque;
use std::time::Duration;

use atoll_api_types::{Event, Failure};
use reqwest::{Method, Response};

use crate::{ApiError, Client, ClientError};

/// Longest line of the stream, in bytes: an event has a few hundred.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Time without a sign of life after which the connection counts as dead: the server gives one every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Events as they come. A connection that is cut is opened again behind the last event that was seen.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
    /// Id of the last event that was seen, or of where the stream began.
    after: Option<String>,
    connection: Option<Response>,
    unread: Vec<u8>,
    ready: VecDeque<Event>,
    frame: Frame,
}

/// An event under way.
#[derive(Debug, Default)]
struct Frame {
    kind: String,
    data: String,
}

impl Client {
    /// Listens, behind the event with this id or from now on.
    #[must_use]
    pub fn events(&self, after: Option<String>) -> EventStream {
        EventStream {
            client: self.clone(),
            after,
            connection: None,
            unread: Vec::new(),
            ready: VecDeque::new(),
            frame: Frame::default(),
        }
    }
}

impl EventStream {
    /// Waits for the next event.
    ///
    /// # Errors
    /// When the server refuses: then what comes next is not held any more (`events_expired`), or the caller may not listen; or
    /// when it cannot be reached.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let Some(connection) = &mut self.connection else {
                self.connect().await?;
                continue;
            };
            match tokio::time::timeout(SILENCE_MAX, connection.chunk()).await {
                Ok(Ok(Some(chunk))) => self.take(&chunk)?,
                Ok(Ok(None) | Err(_)) | Err(_) => self.forget(),
            }
        }
    }

    fn forget(&mut self) {
        self.connection = None;
        self.unread.clear();
        self.frame = Frame::default();
    }

    /// Connects; tries again while the server is away for a moment.
    async fn connect(&mut self) -> Result<(), ClientError> {
        let mut wait = Duration::from_millis(50);
        loop {
            match self.open().await {
                Err(error) if error.is_transient() && wait < Duration::from_secs(5) => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                Err(error) => return Err(error),
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
            }
        }
    }

    async fn open(&self) -> Result<Response, ClientError> {
        let request = self.client.request(Method::GET, self.client.url(&["events"]));
        let request = match &self.after {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.client.lost(error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.client.refused(response).await) }
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), ClientError> {
        self.unread.extend_from_slice(chunk);
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end())?;
        }
        if self.unread.len() > LINE_BYTES_MAX {
            return Err(self.client.protocol("a line of its events is too long".to_owned()));
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), ClientError> {
        if line.is_empty() {
            return self.end_frame();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.after = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.frame.kind),
            "data" => self.frame.data.push_str(value),
            _ => {}
        }
        Ok(())
    }

    fn end_frame(&mut self) -> Result<(), ClientError> {
        let Frame { kind, data } = std::mem::take(&mut self.frame);
        if data.is_empty() {
            return Ok(());
        }
        let wrong = |error: serde_json::Error| {
            self.client.protocol(format!("an event is not as documented: {error}"))
        };
        if kind == "error" {
            let failure: Failure = serde_json::from_str(&data).map_err(wrong)?;
            return Err(ClientError::Api(Box::new(ApiError::new(410, None, failure.error))));
        }
        self.ready.push_back(serde_json::from_str(&data).map_err(wrong)?);
        Ok(())
    }
}
