//! Output of execs on disk: bounded, and safe against the death of any process.
//!
//! ```text
//!  DIR/<sandbox>/<exec>.log    the segment that grows
//!  DIR/<sandbox>/<exec>.old    the one before it
//!  DIR/<sandbox>/<exec>.older  of a main process alone: the one before that
//! ```
//! Of an exec two segments are kept, 64 MiB; of a main process three, 10 MiB. What is before them is dropped.
//!

//! A segment is a header (its number, the last event before it) and records (length, checksum, number, time, stream,
//! bytes). A record is written by one `write(2)` into the page cache, so it outlives the process at once; a half one,
//! which only a crash in the middle of that call leaves, is cut when a writer opens the log again. Readers take a
//! record only when it is whole and its checksum is right, so they may read while it is written.
//!
//! No file exists before the first output. No writer and no reader waits for the disk: [`DirExecLogs::keep_synced`]
//! brings to it what was written, about a second later at most, so that a loss of power takes no more than that.

mod flush;
mod layout;
mod logs;
mod quota;
mod reader;
mod record;
mod segment;
mod writer;

pub use logs::{DirExecLogs, Options};
