//! Files of sandboxes, by helpers that the agents start: see `files.proto`.
//!
//! [`session`] is one helper's life as seen from here, [`decode`] cuts its bytes into frames, [`check`] believes none of
//! what is in them. The content of a large file goes past all of it, by [`hand_over`].

mod check;
mod client;
mod decode;
mod direct_read;
mod direct_write;
mod hand_over;
mod session;
