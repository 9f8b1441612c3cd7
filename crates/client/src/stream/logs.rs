//! The lines of a sandbox's log as they come, over connections that may break.

use std::pin::Pin;

use atoll_api_types::LogLine;
use atoll_types::SandboxId;
use futures_util::{Stream, stream};

use super::backoff::Backoff;
use super::connection::{Connection, Received};
use crate::{Client, ClientError, LogFilter};

/// Largest message in bytes: a line has at most 64 KiB, each of which may take six characters.
const LINE_BYTES_MAX: usize = 512 << 10;

/// Lines in their order; ends after the last line of a process that has ended, or the first error. Dropping the stream
/// closes its connection.
pub type LogLines = Pin<Box<dyn Stream<Item = Result<LogLine, ClientError>> + Send>>;

struct State {
    client: Client,
    sandbox: SandboxId,
    filter: LogFilter,
    /// Number of the event that ended the last line, and how many lines it has ended so far.
    seen: (u64, usize),
    /// Lines of that event that come again on a new connection.
    skip: usize,
    connection: Option<Connection>,
    backoff: Backoff,
    ended: bool,
}

pub(crate) fn log_lines(client: Client, sandbox: SandboxId, filter: LogFilter) -> LogLines {
    let state = State {
        client,
        sandbox,
        filter,
        seen: (0, 0),
        skip: 0,
        connection: None,
        backoff: Backoff::default(),
        ended: false,
    };
    Box::pin(stream::unfold(state, |mut state| async move {
        if state.ended {
            return None;
        }
        let item = state.next().await.transpose()?;
        state.ended = item.is_err();
        Some((item, state))
    }))
}

impl State {
    async fn next(&mut self) -> Result<Option<LogLine>, ClientError> {
        loop {
            match self.step().await {
                Ok(Some(line)) => {
                    self.backoff.reset();
                    let (seq, count) = self.seen;
                    self.seen = if line.seq == seq { (seq, count + 1) } else { (line.seq, 1) };
                    return Ok(Some(line));
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.connection = None;
                    self.backoff.wait(error).await?;
                }
            }
        }
    }

    /// The next line of the connection at hand, which is made when there is none.
    async fn step(&mut self) -> Result<Option<LogLine>, ClientError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let url = address(&self.client, &self.sandbox, &self.filter, self.seen);
                let made = Connection::open_url(&self.client, &url, LINE_BYTES_MAX).await?;
                self.skip = self.seen.1;
                none.insert(made)
            }
        };
        loop {
            match connection.receive(parse).await? {
                Received::Message(line) if self.skip > 0 && line.seq == self.seen.0 => self.skip -= 1,
                Received::Message(line) => return Ok(Some(line)),
                Received::Done => return Ok(None),
                Received::Closed(error) => return Err(error),
            }
        }
    }
}

fn address(client: &Client, sandbox: &SandboxId, filter: &LogFilter, seen: (u64, usize)) -> reqwest::Url {
    let mut url = client.url(&["ws", "sandboxes", sandbox.as_str(), "logs"]);
    if seen.1 == 0 {
        filter.add_to(&mut url);
    } else {
        // Everything behind what was seen, the rest of its event with it.
        url.query_pairs_mut().append_pair("after_seq", &seen.0.saturating_sub(1).to_string());
    }
    url
}

fn parse(text: &str) -> Result<LogLine, String> {
    serde_json::from_str(text).map_err(|e| format!("a line is malformed: {e}"))
}
