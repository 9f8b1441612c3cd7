//! Terminals of a sandbox.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::FailureBody;

/// Subprotocol of a terminal's WebSocket whose messages begin with the number of a channel.
pub const TERMINAL_PROTOCOL: &str = "atoll.terminal.v1";
/// Channel of what is typed, from the client.
pub const CHANNEL_INPUT: u8 = 0;
/// Channel of what is shown, from the server.
pub const CHANNEL_OUTPUT: u8 = 1;
/// Channel of [`TerminalControl`] from the server, and of [`TerminalCommand`] from the client, as JSON.
pub const CHANNEL_CONTROL: u8 = 2;

/// A terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terminal {
    /// Its name in the sandbox.
    pub name: String,
    /// Tells it from others that had, or will have, its name; larger for a later one.
    pub generation: u64,
    /// Columns.
    pub cols: u32,
    /// Rows.
    pub rows: u32,
    /// How many look at it.
    pub viewers: u32,
    /// RFC 3339.
    pub created_at: String,
    /// How its program ended; null while it runs.
    pub exit_code: Option<i32>,
}

/// Body of `POST /sandboxes/:id/terminal/resize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResizeBody {
    /// Columns, 1 to 1000.
    pub cols: u32,
    /// Rows, 1 to 1000.
    pub rows: u32,
    /// Name of the terminal; `main` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
}

/// What the server says on the control channel of a terminal.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TerminalControl {
    /// The first message.
    Attached {
        /// Name of the terminal.
        terminal: String,
        /// Which of those of this name it is: `generation` of a later connection.
        generation: u64,
        /// Columns.
        cols: u32,
        /// Rows.
        rows: u32,
        /// Number of the first byte that comes, counted from 0 at the terminal's start. Count the bytes that come: that is
        /// the `after` of a later connection.
        offset: u64,
        /// Number of the first byte that had not been written yet: what comes before it is of the past.
        end: u64,
        /// Whether the terminal was made for this connection.
        made: bool,
    },
    /// This client did not read for too long, and bytes were left out.
    Gap {
        /// Number of the byte that comes next.
        offset: u64,
    },
    /// The terminal has another size: somebody else's, it may be.
    Resized {
        /// Columns.
        cols: u32,
        /// Rows.
        rows: u32,
    },
    /// A line that was entered in a public session came too soon: its end was not typed, nor what came after it.
    Limited {
        /// Seconds until it may be entered.
        #[schema(rename = "retryAfterSeconds")]
        retry_after_seconds: u64,
    },
    /// Its program has ended; the connection is closed.
    Exit {
        /// 128 + n after signal n.
        #[schema(rename = "exitCode")]
        exit_code: i32,
    },
    /// Something went wrong; the connection is closed.
    Failed {
        /// What.
        error: FailureBody,
    },
}

/// What a client says on the control channel of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
pub enum TerminalCommand {
    /// Its window has this size now.
    Resize {
        /// Columns, 1 to 1000.
        cols: u32,
        /// Rows, 1 to 1000.
        rows: u32,
    },
}
