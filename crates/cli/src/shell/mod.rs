//! A terminal of a sandbox at the terminal of a person.
//!
//! ```text
//!   keys ──────────► escape ► keyboard ══╗
//!   SIGWINCH ──────────────► keyboard ═══╬══ WebSocket, made again when it is lost
//!   terminal ◄─thread── modes ◄── screen ╝
//! ```
//! The person's terminal is raw meanwhile: every key goes inside, Ctrl-C too. Whatever ends this, it is as it was again.

mod escape;
mod input;
mod modes;
mod raw;

use anyhow::Context as _;
use atoll_client::{Keyboard, Screen, TerminalEvent};
use atoll_types::OutputStream;
use tokio::signal::unix::{SignalKind, signal};

use crate::printer::Printer;
use crate::session::Writer;
use modes::Modes;

pub(crate) use escape::Escape;
pub(crate) use raw::{Raw, window_size};

/// Kind of the person's terminal, where it is one that programs inside may know.
pub(crate) fn terminal_kind() -> Option<String> {
    std::env::var("TERM").ok().filter(|term| !term.is_empty() && term != "dumb")
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The shell ended with this status.
    Exited(u8),
    /// The person left it, or a signal ended us: our exit status.
    Left(u8),
}

/// Until the shell ends or the person leaves it.
///
/// # Errors
/// When Atoll fails.
pub(crate) async fn run(printer: Printer, keyboard: Keyboard, screen: Screen) -> anyhow::Result<Outcome> {
    let raw = Raw::enter().context("cannot set the terminal up")?;
    let mut modes = Modes::default();
    let mut writer = Writer::start(printer);
    // Each is pinned by the macro and goes on until one ends; what the others do has nobody any more then.
    let outcome = tokio::select! {
        outcome = show(screen, &mut writer, &mut modes) => outcome,
        outcome = pass_keys(&keyboard) => outcome,
        outcome = pass_sizes(&keyboard) => outcome,
        outcome = until_signal() => outcome,
    };
    if !matches!(outcome, Ok(Outcome::Exited(_))) {
        // What a program inside has switched on it cannot switch off any more.
        writer.write(OutputStream::Stdout, modes.undo()).await;
    }
    let written = writer.finish().await;
    drop(raw);
    written.context("cannot write to the terminal")?;
    outcome
}

async fn show(mut screen: Screen, writer: &mut Writer, modes: &mut Modes) -> anyhow::Result<Outcome> {
    loop {
        match screen.next().await? {
            TerminalEvent::Output(data) => {
                modes.see(&data);
                writer.write(OutputStream::Stdout, data.into()).await;
            }
            TerminalEvent::Exit(code) => return Ok(Outcome::Exited(u8::try_from(code).unwrap_or(u8::MAX))),
            // The next output says it all.
            TerminalEvent::Attached { .. }
            | TerminalEvent::Gap
            | TerminalEvent::Resized(..)
            | TerminalEvent::Interrupted => {}
        }
    }
}

/// Passes keys on; ends when the person leaves.
async fn pass_keys(keyboard: &Keyboard) -> anyhow::Result<Outcome> {
    let mut typed = input::Keys::new();
    let mut escape = Escape::default();
    while let Some(piece) = typed.next().await {
        let piece = piece.context("cannot read the terminal")?;
        let (keys, left) = escape.pass(&piece);
        if !keys.is_empty() {
            keyboard.keys(keys).await;
        }
        if left {
            return Ok(Outcome::Left(0));
        }
    }
    // Where there is no more to come, the shell is told so; its end is ours.
    keyboard.keys(vec![input::END_OF_FILE]).await;
    std::future::pending().await
}

async fn pass_sizes(keyboard: &Keyboard) -> anyhow::Result<Outcome> {
    let mut changes = signal(SignalKind::window_change()).context("cannot catch signals")?;
    while changes.recv().await.is_some() {
        if let Some((cols, rows)) = window_size() {
            keyboard.size(cols, rows).await;
        }
    }
    std::future::pending().await
}

/// A signal ends us, not the shell.
async fn until_signal() -> anyhow::Result<Outcome> {
    let catch = |kind| signal(kind).context("cannot catch signals");
    let mut terminate = catch(SignalKind::terminate())?;
    let mut hangup = catch(SignalKind::hangup())?;
    let mut interrupt = catch(SignalKind::interrupt())?;
    let mut quit = catch(SignalKind::quit())?;
    let number = tokio::select! {
        // Each only waits.
        _ = terminate.recv() => SignalKind::terminate(),
        _ = hangup.recv() => SignalKind::hangup(),
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = quit.recv() => SignalKind::quit(),
    };
    Ok(Outcome::Left(u8::try_from(128 + number.as_raw_value()).unwrap_or(u8::MAX)))
}
