//! Files of the sandbox.
//!
//! ```text
//!  serve ══(Files: pieces)══► relay ══(pipes: frames)══► helper: `atoll-agent --files`, as the user
//! ```
//! Nothing is done with files in this process, which has one thread that must never wait for a disk, and more rights
//! than a user. Each call has a helper of its own: a child like any command, in the workload's control group, with the
//! user's rights and no more, executing this same program, which no process of the sandbox may read or trace. Links
//! lead where they lead that user; what hangs, hangs alone; memory and time are the workload's. [`relay`] carries bytes
//! between serve and it and looks at none of them, so that flow control is that of the pipes and of HTTP/2. The content of
//! a large file goes past both of them where serve asks for that: [`hand_over`].

mod change;
mod entry;
mod failure;
mod hand_over;
mod helper;
mod list;
mod pack;
mod place;
mod read;
mod relay;
mod remove;
mod search;
mod temporary;
mod unpack;
mod walk;
mod watch;
mod wire;
mod write;

pub(crate) use helper::{HELPER_ARGUMENT, main};
pub(crate) use relay::{Helpers, Pieces, connect, open};
