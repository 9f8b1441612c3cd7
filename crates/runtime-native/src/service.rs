//! The service: the one task that owns the connection.

use std::collections::VecDeque;
use std::os::fd::AsFd as _;
use std::time::Duration;

use atoll_launcher_protocol::{Answer, Call, FromLauncher, PROTOCOL_VERSION, Packet, PacketError, Request};
use atoll_packets::Connection;
use atoll_ports::RuntimeEvent;
use atoll_types::InstallationId;
use tokio::sync::{broadcast, mpsc, watch};

use crate::handle::Options;
use crate::pending::{Command, Pending};

/// First and longest wait between two attempts to connect.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long the launcher may take to greet.
const GREETING_TIME: Duration = Duration::from_secs(5);

/// Name of the launcher's socket.
const SOCKET: &str = "launcher.sock";

/// Number of the greeting; calls count from 1.
const GREETING: u64 = 0;

/// What the launcher said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) installation: InstallationId,
    pub(crate) cgroup_version: u32,
    pub(crate) disk_limits: bool,
}

/// Owns the connection; see [`Service::run`].
#[derive(Debug)]
pub struct Service {
    options: Options,
    queue: mpsc::Receiver<Command>,
    events: broadcast::Sender<RuntimeEvent>,
    greeting: watch::Sender<Option<Greeting>>,
    pending: Pending,
    /// Numbers of calls to be sent, in order.
    unsent: VecDeque<u64>,
}

impl Service {
    pub(crate) fn new(
        options: Options,
        queue: mpsc::Receiver<Command>,
        events: broadcast::Sender<RuntimeEvent>,
        greeting: watch::Sender<Option<Greeting>>,
    ) -> Self {
        Self { options, queue, events, greeting, pending: Pending::default(), unsent: VecDeque::new() }
    }

    /// Works until every handle is gone.
    ///
    /// # Cancel safety
    /// Dropping it fails the calls that wait; the launcher goes on with what it was asked.
    pub async fn run(mut self) {
        let mut connected_before = false;
        while let Some(mut connection) = self.connect().await {
            if connected_before {
                tracing::info!("connected to the launcher again");
                let _nobody_listens = self.events.send(RuntimeEvent::Reconnected);
            }
            connected_before = true;
            self.unsent = self.pending.ask_again().into();
            match self.converse(&mut connection).await {
                Some(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "lost the connection to the launcher"
                    );
                }
                None => return,
            }
            self.greeting.send_replace(None);
        }
    }

    /// Connects and greets, with back-off; `None` once every handle is gone.
    async fn connect(&mut self) -> Option<Connection> {
        let mut pause = BACK_OFF.0;
        loop {
            if self.queue.is_closed() {
                return None;
            }
            match tokio::time::timeout(GREETING_TIME, greet(&self.options)).await {
                Ok(Ok((connection, greeting))) => {
                    self.greeting.send_replace(Some(greeting));
                    return Some(connection);
                }
                Ok(Err(error)) => tracing::debug!(%error, "could not connect to the launcher"),
                Err(_) => tracing::warn!("the launcher does not greet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    /// Talks until the connection is lost, or (`None`) every handle is gone.
    async fn converse(&mut self, connection: &mut Connection) -> Option<PacketError> {
        loop {
            let blocked = match self.send_all(connection) {
                Ok(sent) => !sent,
                Err(error) => return Some(error),
            };
            // Each arm only waits: a message or call is taken whole, room is only looked at.
            tokio::select! {
                message = connection.receive::<FromLauncher>() => match message {
                    Ok(packet) => self.take(packet),
                    Err(error) => return Some(error),
                },
                command = self.queue.recv(), if !blocked => {
                    let id = self.pending.add(command?);
                    self.unsent.push_back(id);
                }
                () = tokio::time::sleep(BACK_OFF.0), if blocked => {}
            }
        }
    }

    /// Sends what waits; whether all of it went out.
    fn send_all(&mut self, connection: &Connection) -> Result<bool, PacketError> {
        while let Some(id) = self.unsent.front().copied() {
            if let Some((request, descriptor)) = self.pending.request(id) {
                let descriptors: Vec<_> = descriptor.iter().map(|descriptor| descriptor.as_fd()).collect();
                match connection.try_send(&request, &descriptors) {
                    Ok(true) => {}
                    Ok(false) => return Ok(false),
                    Err(PacketError::TooLarge | PacketError::Malformed(_)) => {
                        self.pending.fail(id, "the request is too large");
                    }
                    Err(error) => return Err(error),
                }
            }
            self.unsent.pop_front();
        }
        Ok(true)
    }

    fn take(&mut self, packet: Packet<FromLauncher>) {
        match packet.message {
            FromLauncher::Reply(reply) => self.pending.answer(reply, packet.descriptors),
            FromLauncher::Exited { sandbox } => {
                let _nobody_listens = self.events.send(RuntimeEvent::Exited(sandbox));
            }
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum GreetError {
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    #[error("no greeting")]
    Packet(#[source] PacketError),
    #[error("another greeting than expected: {0:?}")]
    Unexpected(Box<FromLauncher>),
}

async fn greet(options: &Options) -> Result<(Connection, Greeting), GreetError> {
    let mut connection = Connection::open(&options.run_dir, SOCKET).map_err(GreetError::Connect)?;
    let hello = Request { id: GREETING, call: Call::Hello { version: PROTOCOL_VERSION } };
    connection.try_send(&hello, &[]).map_err(GreetError::Packet)?;
    match connection.receive().await.map_err(GreetError::Packet)?.message {
        FromLauncher::Reply(reply) if reply.id == GREETING => {
            match reply.result {
                Ok(Answer::Hello { installation, cgroup_version, disk_limits, .. }) => {
                    Ok((connection, Greeting { installation, cgroup_version, disk_limits }))
                }
                result => Err(GreetError::Unexpected(Box::new(FromLauncher::Reply(
                    atoll_launcher_protocol::Reply { id: GREETING, result },
                )))),
            }
        }
        other => Err(GreetError::Unexpected(Box::new(other))),
    }
}
