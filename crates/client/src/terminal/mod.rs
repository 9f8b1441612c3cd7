//! A terminal of a sandbox, over connections that may break.
//!
//! [`Client::terminal`] gives the two halves of it. What the server sends is counted, so after a lost connection the next
//! one begins where it ended; what was typed meanwhile is sent then. What was typed just before may be lost: nobody knows
//! whether it arrived, and typing twice is worse.

mod connection;
mod keyboard;
mod screen;

use atoll_api_types::{ResizeBody, Terminal};
use atoll_types::{SandboxId, TerminalName};
use reqwest::Method;
use serde_json::Value;
use tokio::sync::mpsc;

pub use keyboard::Keyboard;
pub use screen::{Screen, TerminalEvent};

use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError};

/// Pieces of input that wait to be sent.
const TYPED_WAITING_MAX: usize = 16;

/// Which terminal, and how it is made where there is none.
#[derive(Debug, Clone, Default)]
pub struct TerminalOptions {
    /// Its name; `main` when absent.
    pub name: Option<TerminalName>,
    /// Columns and rows of the window; without them the terminal keeps its size.
    pub size: Option<(u32, u32)>,
    /// As whom its shell runs; the sandbox's user when absent.
    pub user: Option<String>,
    /// Where it starts; the user's home when absent.
    pub cwd: Option<String>,
    /// Kind that programs are told; `xterm-256color` when absent.
    pub term: Option<String>,
    /// Seconds that it outlives its last client; for ever when absent.
    pub linger_seconds: Option<u64>,
}

impl Client {
    /// `WS /sandboxes/:id/terminal`. Nothing is sent before [`Screen::next`] is awaited.
    #[must_use]
    pub fn terminal(&self, sandbox: &SandboxId, options: TerminalOptions) -> (Keyboard, Screen) {
        let (keyboard, typed) = mpsc::channel(TYPED_WAITING_MAX);
        (Keyboard(keyboard), Screen::new(self.clone(), sandbox.clone(), options, typed))
    }

    /// `GET /sandboxes/:id/terminals`.
    ///
    /// # Errors
    /// When there is no such sandbox, or it does not run.
    pub async fn terminal_list(&self, sandbox: &SandboxId) -> Result<Vec<Terminal>, ClientError> {
        let url = self.url(&["sandboxes", sandbox.as_str(), "terminals"]);
        Ok(self.get_page(url, None).await?.items)
    }

    /// `POST /sandboxes/:id/terminal/resize`.
    ///
    /// # Errors
    /// When there is no such terminal, or no terminal has such a size.
    pub async fn terminal_resize(&self, sandbox: &SandboxId, body: &ResizeBody) -> Result<(), ClientError> {
        let url = self.url(&["sandboxes", sandbox.as_str(), "terminal", "resize"]);
        self.post::<_, Value>(url, body, Some(REQUEST_TIMEOUT)).await.map(drop)
    }

    /// `DELETE /sandboxes/:id/terminals/:name`: hangs it up.
    ///
    /// # Errors
    /// When there is no such terminal.
    pub async fn terminal_close(&self, sandbox: &SandboxId, name: &TerminalName) -> Result<(), ClientError> {
        let url = self.url(&["sandboxes", sandbox.as_str(), "terminals", name.as_str()]);
        self.act::<Value>(Method::DELETE, url).await.map(drop)
    }
}
