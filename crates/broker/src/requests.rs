//! What serve asks, and who answers it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use atoll_broker_protocol::{Answer, Call, Event, Failure, FailureKind, PAGE};
use atoll_launcher_protocol::PacketError;
use atoll_packets::{Connection, Listener};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use crate::built::Builds;
use crate::daemon::Daemon;
use crate::fail::failure;
use crate::links::Links;
use crate::locks::Locks;
use crate::programs::Programs;

/// Connections at once: serve has one for each call under way, and may have hundreds.
const CLIENTS_MAX: usize = 512;
/// Events that a connection may lag behind before it is told to look at everything.
const EVENTS: usize = 1_024;

/// Everything that answers.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) daemon: Daemon,
    pub(crate) links: Arc<Links>,
    pub(crate) programs: Programs,
    pub(crate) locks: Locks,
    pub(crate) builds: Builds,
    /// As many open files Docker may not set, nor more.
    pub(crate) files_refused: AtomicU64,
    /// Whether Docker's events are followed.
    pub(crate) followed: watch::Sender<bool>,
    events: broadcast::Sender<Event>,
}

impl Broker {
    pub(crate) fn new(daemon: Daemon, links: Arc<Links>, programs: Programs) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        Self {
            daemon,
            links,
            programs,
            locks: Locks::default(),
            builds: Builds::default(),
            files_refused: AtomicU64::new(u64::MAX),
            followed: watch::Sender::new(false),
            events,
        }
    }

    /// Tells everybody who listens.
    pub(crate) fn tell(&self, event: Event) {
        let _nobody_listens = self.events.send(event);
    }

    async fn answer(&self, call: Call, mut descriptors: Vec<OwnedFd>) -> Result<Answer, Failure> {
        let done = |()| Answer::Done;
        match call {
            Call::Info => self.daemon.info().await.map(Answer::Info),
            Call::Start(start) => self.start(&start).await.map(done),
            Call::Stop { sandbox } => self.stop(&sandbox).await.map(done),
            Call::Remove { sandbox } => self.remove(&sandbox).await.map(done),
            Call::Pause { sandbox } => self.pause(&sandbox).await.map(done),
            Call::Resume { sandbox } => self.resume(&sandbox).await.map(done),
            Call::Usage { sandbox } => self.usage(&sandbox).await.map(Answer::Usage),
            Call::Agent { sandbox } => self.links.agent(&sandbox).await.ok_or_else(|| {
                failure(FailureKind::NotFound, "no agent of it is known to listen beside Docker")
            }),
            Call::ImportImage { digest } => match descriptors.pop() {
                Some(archive) => self.import_image(&digest, File::from(archive)).await.map(done),
                None => Err(failure(FailureKind::Invalid, "no archive came with the request")),
            },
            Call::RemoveImage { digest } => self.remove_image(&digest).await.map(done),
            // Those that have more than one answer are not for here.
            Call::List | Call::ListImages | Call::Events | Call::BuildImage(_) => Ok(Answer::Done),
        }
    }

    async fn sandboxes(&self, client: &Connection) -> Result<(), PacketError> {
        let found = match self.list().await {
            Ok(found) => found,
            Err(failed) => return client.send(&Answer::Failed(failed), &[]).await,
        };
        let mut pages = found.chunks(PAGE).peekable();
        loop {
            let page = pages.next().unwrap_or_default().to_vec();
            let more = pages.peek().is_some();
            client.send(&Answer::Sandboxes { found: page, more }, &[]).await?;
            if !more {
                return Ok(());
            }
        }
    }

    async fn images(&self, client: &Connection) -> Result<(), PacketError> {
        let digests = match self.list_images().await {
            Ok(digests) => digests,
            Err(failed) => return client.send(&Answer::Failed(failed), &[]).await,
        };
        let mut pages = digests.chunks(PAGE).peekable();
        loop {
            let page = pages.next().unwrap_or_default().to_vec();
            let more = pages.peek().is_some();
            client.send(&Answer::Images { digests: page, more }, &[]).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Sends what happens, from when Docker tells it until it does no longer or the connection is closed: an end tells serve at once that
    /// Docker is away.
    async fn events(&self, client: &mut Connection) -> Result<(), PacketError> {
        let (mut events, mut followed) = (self.events.subscribe(), self.followed.subscribe());
        // Cancel safe: both only wait; a packet means only that the connection is not what it should be.
        tokio::select! {
            () = until(&mut followed, true) => {}
            _ = client.receive::<Call>() => return Err(PacketError::Closed),
        }
        client.send(&Answer::Done, &[]).await?;
        loop {
            // Cancel safe: an event that was taken is sent; else as above.
            let event = tokio::select! {
                event = events.recv() => event,
                () = until(&mut followed, false) => return Err(PacketError::Closed),
                _ = client.receive::<Call>() => return Err(PacketError::Closed),
            };
            let event = match event {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => Event::Missed,
                Err(RecvError::Closed) => return Ok(()),
            };
            client.send(&Answer::Event(event), &[]).await?;
        }
    }
}

/// Waits until Docker's events are followed, or are not.
async fn until(followed: &mut watch::Receiver<bool>, wanted: bool) {
    // The sender lives as long as the broker.
    drop(followed.wait_for(|followed| *followed == wanted).await);
}

/// Answers for ever.
pub(crate) async fn serve(broker: Arc<Broker>, listener: OwnedFd) -> io::Result<()> {
    let listener = Listener::new(listener)?;
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            client = listener.accept(), if clients.len() < CLIENTS_MAX => {
                let (broker, client) = (Arc::clone(&broker), client?);
                clients.spawn(async move { talk(&broker, client).await });
            }
            Some(_ended) = clients.join_next() => {}
        }
    }
}

/// One call after the other. What was begun is done, whether anybody waits for it or not.
async fn talk(broker: &Broker, mut client: Connection) -> Result<(), PacketError> {
    loop {
        let packet = client.receive::<Call>().await?;
        match packet.message {
            Call::List => {
                broker.sandboxes(&client).await?;
                // Whoever asks looks for what is left over, and has its answer by now.
                if let Err(failed) = broker.sweep_networks().await {
                    crate::log(&format!("cannot look for networks that are left over: {}", failed.message));
                }
                if let Err(failed) = broker.sweep_builds().await {
                    crate::log(&format!("cannot look for what builds have left: {}", failed.message));
                }
            }
            Call::ListImages => broker.images(&client).await?,
            Call::BuildImage(order) => broker.build(&mut client, &order, packet.descriptors).await?,
            Call::Events => return broker.events(&mut client).await,
            call => {
                let answer = broker.answer(call, packet.descriptors).await;
                client.send(&answer.unwrap_or_else(Answer::Failed), &[]).await?;
            }
        }
    }
}
