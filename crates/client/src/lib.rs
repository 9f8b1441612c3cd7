//! Rust client of the public API.
