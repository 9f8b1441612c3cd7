//! Several byte streams over one pair of pipes that may be cut anywhere and attached to again.
//!
//! ```text
//!  host: open ─► Stream ══╗                                    ╔══ Stream ─► accept: guest
//!        open ─► Stream ══╬══ frames ══ standard input ═══════►╬══ Stream ─► accept
//!                         ╚════════════ standard output ◄══════╝
//! ```
//! The guest is a process in a container: its standard streams are the one way to it that every container engine has, near
//! or far. Whoever attaches to them (the host) may go at any moment, in the middle of a frame too, and the bytes of the next
//! one follow right behind; what the guest wrote meanwhile is lost, from anywhere in a frame to anywhere in another. So:
//!
//! - **An attach begins with a nonce**, fresh and random, in a hello that the guest answers. All streams of the attach
//!   before end with that, and its frames are no more than noise. All else in the guest stays as it was.
//! - **Frames find themselves** ([`frame`]): a reader looks for the next header whose checksum is right. Before its hello the
//!   host sends as much of nothing as the largest frame is long, so that a frame that was cut is over.
//! - **What streams carry is never taken for a frame**: it is masked with the nonce, which nobody knows who has a say in what
//!   is carried. Otherwise whoever writes a file through a link that is cut could speak with the guest as the host.
//! - **No gap goes unseen**: frames are numbered, and one that is missing ends the attach.
//! - **Bounds**: each stream has a window of [`WINDOW_BYTES`], whatever waits is bounded, and streams take turns by one frame.
//!   Neither side trusts the other's frames; what one may do wrong ends the stream or the attach, and nothing else.

mod decoder;
mod driver;
pub mod frame;
mod link;
mod shared;
mod state;
mod stream;

pub use decoder::Decoder;
pub use link::Link;
pub use state::{STREAMS_MAX, WINDOW_BYTES};
pub use stream::Stream;
