//! TCP ports of the host, behind the engine's port.

mod listener;

pub use listener::TcpHostPorts;
