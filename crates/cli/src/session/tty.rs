//! The person's terminal, while a command has it.

use std::io::IsTerminal;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::shell::{Raw, window_size};

/// Until it is dropped the keys go to the command as they are, where standard input is passed on and is a terminal.
pub(super) struct Tty {
    raw: Option<Raw>,
}

impl Tty {
    pub(super) fn enter(passes_input: bool) -> anyhow::Result<Self> {
        let is_raw = passes_input && std::io::stdin().is_terminal();
        let raw = is_raw.then(Raw::enter).transpose().context("cannot set the terminal up")?;
        Ok(Self { raw })
    }

    /// Whether keys are passed on.
    pub(super) const fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// Sizes of the window, each when it changes.
    pub(super) fn sizes(&self) -> anyhow::Result<Sizes> {
        let changes = signal(SignalKind::window_change()).context("cannot catch signals")?;
        Ok(Sizes { changes })
    }
}

/// Changes of the window.
pub(super) struct Sizes {
    changes: Signal,
}

impl Sizes {
    /// The next one: columns and rows.
    pub(super) async fn next(&mut self) -> (u32, u32) {
        loop {
            if self.changes.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            if let Some(size) = window_size() {
                return size;
            }
        }
    }
}
