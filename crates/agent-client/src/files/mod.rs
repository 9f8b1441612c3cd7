//! Files of sandboxes, by helpers that the agents start: see `files.proto`.
//!
//! [`session`] is one helper's life as seen from here, [`decode`] cuts its bytes into frames, [`check`] believes none of
//! what is in them.

mod check;
mod client;
mod decode;
mod session;
