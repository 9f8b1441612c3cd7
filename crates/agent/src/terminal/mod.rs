//! Terminals: a pseudo-terminal of the sandbox's own `devpts` with a program in it, found again by its name.
//!
//! ```text
//!  serve ── TerminalInput ──► write ─► pty ◄─► the shell, its session, the workload's control groups
//!                                       │
//!        ◄─ TerminalAttach ── views ◄── scrollback ◄── pump
//! ```
//! A terminal lives here, so it outlives every connection and serve itself. What its program writes goes into a bounded
//! scrollback, which all viewers read, each at its own place. The program waits for the viewer that is furthest ahead, as
//! at any terminal, for as long as that one reads, and a moment for others; one that does not read is passed over, and
//! later goes on where the scrollback begins. A terminal whose program has ended is kept for a minute, so that whoever was cut off sees the end.

mod calls;
mod open;
pub(crate) mod pty;
mod pump;
mod scrollback;
mod state;
mod table;
mod views;

pub(crate) use calls::{attach, close, input, list, resize};
pub(crate) use open::{open, size};
pub(crate) use table::Terminals;
pub(crate) use views::Views;
