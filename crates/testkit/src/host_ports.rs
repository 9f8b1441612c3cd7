//! Ports of a host in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{Connection, HostListener, HostPortError, HostPorts};
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::faults::Faults;

/// Where ports that nobody asked for begin.
const FIRST_FREE: u16 = 40_000;

/// Ports below this one are root's alone.
const PRIVILEGED_BELOW: u16 = 1_024;

/// Bytes that a connection holds each way before its writer waits.
const CONNECTION_BYTES: usize = 64 << 10;

#[derive(Debug, Default)]
struct State {
    /// Ports of other programs.
    taken: BTreeSet<u16>,
    open: BTreeMap<u16, mpsc::UnboundedSender<DuplexStream>>,
}

/// Ports of a host in memory; a clone has the same. What dies with serve is closed by dropping its listeners.
#[derive(Debug, Clone, Default)]
pub struct FakeHostPorts {
    state: Arc<Mutex<State>>,
    faults: Arc<Faults<HostPortError>>,
}

impl FakeHostPorts {
    /// Faults to plan: `listen`.
    pub fn faults(&self) -> &Faults<HostPortError> {
        &self.faults
    }

    /// Another program takes a port.
    pub fn take(&self, port: u16) {
        self.state.lock().taken.insert(port);
    }

    /// It gives the port back.
    pub fn give_back(&self, port: u16) {
        self.state.lock().taken.remove(&port);
    }

    /// A client connects; `None` when nobody listens.
    #[must_use]
    pub fn connect(&self, port: u16) -> Option<DuplexStream> {
        let (near, far) = tokio::io::duplex(CONNECTION_BYTES);
        self.state.lock().open.get(&port)?.send(far).ok()?;
        Some(near)
    }

    /// The ports that are listened on.
    #[must_use]
    pub fn open(&self) -> Vec<u16> {
        self.state.lock().open.keys().copied().collect()
    }

    fn listen_now(&self, port: Option<NonZeroU16>) -> Result<Box<dyn HostListener>, HostPortError> {
        let mut state = self.state.lock();
        let is_free = |port: &u16| !state.taken.contains(port) && !state.open.contains_key(port);
        let port = match port.map(NonZeroU16::get) {
            Some(port) if port >= PRIVILEGED_BELOW && is_free(&port) => Some(port),
            Some(_) => None,
            None => (FIRST_FREE..u16::MAX).find(is_free),
        };
        let port = port.and_then(NonZeroU16::new).ok_or(HostPortError::Taken)?;
        let (clients, coming) = mpsc::unbounded_channel();
        state.open.insert(port.get(), clients);
        let state = Arc::clone(&self.state);
        Ok(Box::new(FakeListener { port, state, coming: tokio::sync::Mutex::new(coming) }))
    }
}

#[async_trait]
impl HostPorts for FakeHostPorts {
    async fn listen(&self, port: Option<NonZeroU16>) -> Result<Box<dyn HostListener>, HostPortError> {
        self.faults.around("listen", async || self.listen_now(port)).await
    }
}

#[derive(Debug)]
struct FakeListener {
    port: NonZeroU16,
    state: Arc<Mutex<State>>,
    coming: tokio::sync::Mutex<mpsc::UnboundedReceiver<DuplexStream>>,
}

#[async_trait]
impl HostListener for FakeListener {
    fn port(&self) -> NonZeroU16 {
        self.port
    }

    async fn accept(&self) -> std::io::Result<Connection> {
        match self.coming.lock().await.recv().await {
            Some(client) => Ok(Box::new(client)),
            // Its sender lives as long as it does.
            None => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Drop for FakeListener {
    fn drop(&mut self) {
        self.state.lock().open.remove(&self.port.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let ports = FakeHostPorts::default();
        let connect =
            async |port: NonZeroU16| ports.connect(port.get()).map(|client| Box::new(client) as Connection);
        crate::contract::host_ports(&ports, connect).await;
        assert_eq!(ports.open(), []);
    }

    #[tokio::test]
    async fn what_is_another_programs_or_roots_is_not_to_be_had() {
        let ports = FakeHostPorts::default();
        ports.take(8_080);
        for port in [8_080, 80] {
            assert_eq!(ports.listen(NonZeroU16::new(port)).await.unwrap_err(), HostPortError::Taken);
        }
        ports.give_back(8_080);
        assert!(ports.listen(NonZeroU16::new(8_080)).await.is_ok());
    }
}
