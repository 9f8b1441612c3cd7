//! Listening.

use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use async_trait::async_trait;
use atoll_ports::{Connection, HostListener, HostPortError, HostPorts};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};

/// Silence after which the kernel asks whether the client is still there; one that is not is noticed some eleven minutes later,
/// by nine questions 75 seconds apart. More often would wake sleeping laptops.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Ports at one address of this machine.
#[derive(Debug, Clone)]
pub struct TcpHostPorts {
    address: IpAddr,
}

impl TcpHostPorts {
    /// Ports at this address.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address }
    }
}

#[async_trait]
impl HostPorts for TcpHostPorts {
    async fn listen(&self, port: Option<NonZeroU16>) -> Result<Box<dyn HostListener>, HostPortError> {
        let wanted = port.map_or(0, NonZeroU16::get);
        let socket = TcpListener::bind((self.address, wanted)).await.map_err(|error| refused(&error))?;
        let bound = socket.local_addr().map_err(|error| refused(&error))?;
        let port = NonZeroU16::new(bound.port())
            .ok_or_else(|| HostPortError::Failed("the kernel gave no port".to_owned()))?;
        Ok(Box::new(TcpHostPort { port, socket }))
    }
}

fn refused(error: &Error) -> HostPortError {
    match error.kind() {
        ErrorKind::AddrInUse | ErrorKind::PermissionDenied => HostPortError::Taken,
        _ => HostPortError::Failed(error.to_string()),
    }
}

#[derive(Debug)]
struct TcpHostPort {
    port: NonZeroU16,
    socket: TcpListener,
}

#[async_trait]
impl HostListener for TcpHostPort {
    fn port(&self) -> NonZeroU16 {
        self.port
    }

    async fn accept(&self) -> std::io::Result<Connection> {
        let (stream, _client) = self.socket.accept().await?;
        if let Err(error) = prepare(&stream) {
            // It works without, only worse.
            tracing::debug!("a connection to port {} could not be set up: {error}", self.port);
        }
        Ok(Box::new(stream))
    }
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    // What is copied through it comes in pieces already.
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    Ok(sockopt::set_tcp_keepidle(stream, KEEPALIVE)?)
}
