//! Commands in a sandbox.

use atoll_api_types::{Encoding, Exec, ExecBody, ExecResizeBody, SignalBody, StdinBody};
use atoll_types::{ExecId, SandboxId, Signal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde_json::Value;

use crate::stream::{self, ExecEvents};
use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, Page};

impl Client {
    /// `POST /sandboxes/:id/exec`, waiting for the end of the command, however long it takes.
    ///
    /// # Errors
    /// When a field is wrong, or the sandbox does not run.
    pub async fn exec_run(&self, sandbox: &SandboxId, body: &ExecBody) -> Result<Exec, ClientError> {
        let body = ExecBody { run_async: Some(false), ..body.clone() };
        self.post(self.execs_url(sandbox, "exec"), &body, None).await
    }

    /// `POST /sandboxes/:id/exec`, answering at once; [`Client::exec_events`] tells what becomes of it.
    ///
    /// # Errors
    /// When a field is wrong, or the sandbox does not run.
    pub async fn exec_start(&self, sandbox: &SandboxId, body: &ExecBody) -> Result<Exec, ClientError> {
        let body = ExecBody { run_async: Some(true), ..body.clone() };
        self.post(self.execs_url(sandbox, "exec"), &body, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /sandboxes/:id/execs/:exec_id`, with its output.
    ///
    /// # Errors
    /// When there is no such exec.
    pub async fn exec_get(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<Exec, ClientError> {
        self.get_data(self.exec_url(sandbox, exec, None)).await
    }

    /// `GET /sandboxes/:id/execs`, one page.
    ///
    /// # Errors
    /// When there is no such sandbox.
    pub async fn exec_list(
        &self,
        sandbox: &SandboxId,
        cursor: Option<&str>,
    ) -> Result<Page<Exec>, ClientError> {
        self.get_page(self.execs_url(sandbox, "execs"), cursor).await
    }

    /// `POST …/execs/:exec_id/stdin`: writes to its standard input, and closes it afterwards when `eof`. Answers when the
    /// command took it, so that a slow reader slows its writer. With an `offset`, the number of the first byte, it may be
    /// repeated whatever became of it before.
    ///
    /// # Errors
    /// When the command has ended, was started without an open standard input, or has not taken what is before `offset`.
    pub async fn exec_stdin(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        offset: Option<u64>,
        data: &[u8],
        eof: bool,
    ) -> Result<(), ClientError> {
        let body = StdinBody { data: STANDARD.encode(data), encoding: Encoding::Base64, offset, eof };
        self.post::<_, Value>(self.exec_url(sandbox, exec, Some("stdin")), &body, None).await.map(drop)
    }

    /// `POST …/execs/:exec_id/signal`, to its whole process group.
    ///
    /// # Errors
    /// When the command has ended.
    pub async fn exec_signal(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        signal: Signal,
    ) -> Result<(), ClientError> {
        let name = serde_json::to_value(signal).ok().and_then(|v| v.as_str().map(str::to_owned));
        let body = SignalBody { signal: name.unwrap_or_else(|| signal.number().to_string()) };
        let url = self.exec_url(sandbox, exec, Some("signal"));
        self.post::<_, Value>(url, &body, Some(REQUEST_TIMEOUT)).await.map(drop)
    }

    /// `POST …/execs/:exec_id/resize`: the window that shows its terminal has this size now.
    ///
    /// # Errors
    /// When the command has ended, or was started without a terminal.
    pub async fn exec_resize(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        cols: u32,
        rows: u32,
    ) -> Result<(), ClientError> {
        let url = self.exec_url(sandbox, exec, Some("resize"));
        let body = ExecResizeBody { cols, rows };
        self.post::<_, Value>(url, &body, Some(REQUEST_TIMEOUT)).await.map(drop)
    }

    /// `WS /sandboxes/:id/stream`: the events of an exec after number `after_seq` (0: all), as they happen, each once and
    /// in order. Ends after the exit event. A lost connection is made again; see [`ExecEvents`].
    #[must_use]
    pub fn exec_events(&self, sandbox: &SandboxId, exec: &ExecId, after_seq: u64) -> ExecEvents {
        stream::exec_events(self.clone(), sandbox.clone(), exec.clone(), after_seq)
    }

    fn execs_url(&self, sandbox: &SandboxId, last: &str) -> Url {
        self.url(&["sandboxes", sandbox.as_str(), last])
    }

    fn exec_url(&self, sandbox: &SandboxId, exec: &ExecId, action: Option<&str>) -> Url {
        let mut segments = vec!["sandboxes", sandbox.as_str(), "execs", exec.as_str()];
        segments.extend(action);
        self.url(&segments)
    }
}
