//! The tables as sea-orm sees them, and the way from a record to a row and back. A row that is no record is an error.

#![allow(unreachable_pub, reason = "sea-orm derives public items")]

pub(crate) mod api_key;
pub(crate) mod class_link;
pub(crate) mod exec;
pub(crate) mod image;
pub(crate) mod invitation;
pub(crate) mod job;
pub(crate) mod sandbox;
pub(crate) mod session;
pub(crate) mod user;
