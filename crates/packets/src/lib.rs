//! Packets over `SOCK_SEQPACKET` Unix sockets, for programs that wait for many things at once.
//!
//! What a packet is, is the launcher's ([`atoll_launcher_protocol`]), which waits for one thing after the other and needs none of
//! this; serve and the broker do, at both ends of their connections.

mod connection;
mod listener;

pub use connection::Connection;
pub use listener::Listener;
