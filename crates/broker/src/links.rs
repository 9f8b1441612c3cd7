//! The way to the agents: one link over each container's standard streams, and a socket for serve before it.
//!
//! Docker carries one pair of streams; many connections travel over it as streams of the link. When the way to Docker breaks, those
//! connections end, and the container is attached to again, with a nonce that lets the agent tell the new attacher's bytes from what is
//! left of the old one's. Nobody but this program attaches.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use atoll_broker_protocol::{Answer, Failure, FailureKind};
use atoll_stdio_link::{Link, STREAMS_MAX};
use atoll_types::SandboxId;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::models::ContainerStateStatusEnum as State;
use bollard::query_parameters::{AttachContainerOptionsBuilder, InspectContainerOptions};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::io::StreamReader;

use crate::container::agent_socket;
use crate::daemon::Daemon;
use crate::fail::{asked, failure};
use crate::names;
use crate::sandbox::look;

/// How often a container's agent is waited for: gVisor takes most of a second to begin, on a busy machine several.
const READY_LOOKS: u32 = 20;
/// How long it is waited for until it is looked whether Docker is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long somebody who asks for an agent waits for Docker to be asked: about as long as he needs the answer, since there is the other
/// way, and each who waits is one of few clients.
const SEEKING_TIME: Duration = Duration::from_millis(500);
/// How long it may take before the attaching is tried anew: what was said while nobody was attached is lost.
const GREETING_TIME: Duration = Duration::from_secs(5);
/// Wait before a container is attached to again.
const PAUSE: Duration = Duration::from_millis(200);

/// All links.
#[derive(Debug)]
pub(crate) struct Links {
    daemon: Daemon,
    folder: OwnedFd,
    held: Mutex<HashMap<SandboxId, Held>>,
}

/// Where an agent listens beside its standard streams.
#[derive(Debug, Clone)]
enum Beside {
    /// Docker is being asked.
    Sought,
    /// As this answer to `Agent` says, or said before the container was started again by others.
    At(Answer),
    /// Nowhere, or nobody could say.
    Nowhere,
}

/// A link that is kept; dropping it ends it.
#[derive(Debug)]
struct Held {
    /// Whether the agent answers; closed when the container has ended.
    up: watch::Receiver<bool>,
    /// Where else it does.
    beside: watch::Receiver<Beside>,
    _task: JoinSet<()>,
}

impl Links {
    /// Sockets are made in `folder`; those of an earlier broker are removed.
    pub(crate) fn new(daemon: Daemon, folder: OwnedFd) -> io::Result<Self> {
        for old in fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))? {
            fs::remove_file(old?.path())?;
        }
        Ok(Self { daemon, folder, held: Mutex::default() })
    }

    /// The folder of the sockets, in which a file without a name hurts nobody.
    pub(crate) fn folder(&self) -> io::Result<OwnedFd> {
        self.folder.try_clone()
    }

    fn path(&self, sandbox: &SandboxId) -> PathBuf {
        // Through the descriptor: a data folder may lie deeper than a socket's address can say.
        format!("/proc/self/fd/{}/{sandbox}.sock", self.folder.as_raw_fd()).into()
    }

    /// Attaches to a container that runs, unless that is so; whether its agent answers.
    pub(crate) fn keep(&self, sandbox: &SandboxId) -> Option<watch::Receiver<bool>> {
        let mut held = self.held.lock();
        if let Some(kept) = held.get(sandbox)
            && kept.up.has_changed().is_ok()
        {
            return Some(kept.up.clone());
        }
        let listener = listen(&self.path(sandbox))
            .map_err(|error| crate::log(&format!("cannot listen for {sandbox}: {error}")))
            .ok()?;
        let (up, is_up) = watch::channel(false);
        let (beside, is_beside) = watch::channel(Beside::Sought);
        let mut task = JoinSet::new();
        let kept = Kept { daemon: self.daemon.clone(), sandbox: sandbox.clone(), up, beside };
        task.spawn(kept.keep(listener));
        held.insert(sandbox.clone(), Held { up: is_up.clone(), beside: is_beside, _task: task });
        Some(is_up)
    }

    /// Where the agent can be reached past Docker, if Docker is on this machine: only who goes there finds that out.
    pub(crate) async fn agent(&self, sandbox: &SandboxId) -> Option<Answer> {
        let mut beside = self.held.lock().get(sandbox)?.beside.clone();
        let found = beside.wait_for(|beside| !matches!(beside, Beside::Sought));
        match &*tokio::time::timeout(SEEKING_TIME, found).await.ok()?.ok()? {
            Beside::At(answer) => Some(answer.clone()),
            Beside::Sought | Beside::Nowhere => None,
        }
    }

    /// Attaches, and waits until the agent answers.
    pub(crate) async fn reach(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let failed = |text: &str| failure(FailureKind::System, text);
        let mut up = self.keep(sandbox).ok_or_else(|| failed("the agent's socket cannot be made"))?;
        for _ in 0..READY_LOOKS {
            let is_up = async { up.wait_for(|up| *up).await.map(drop) };
            match tokio::time::timeout(LOOK_EVERY, is_up).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(_)) => return Err(failed("the container ended before its agent answered")),
                // What took Docker away took the agent's streams away too, and nobody waits for them.
                Err(_) => drop(look(&self.daemon, sandbox).await?),
            }
        }
        Err(failed("the container's agent does not answer"))
    }

    /// The container is down: its connections end.
    pub(crate) fn forget(&self, sandbox: &SandboxId) {
        drop(self.held.lock().remove(sandbox));
        match fs::remove_file(self.path(sandbox)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                crate::log(&format!("cannot remove the socket of {sandbox}: {error}"));
            }
            _ => {}
        }
    }
}

fn listen(path: &PathBuf) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

/// What is kept of a container that runs.
struct Kept {
    daemon: Daemon,
    sandbox: SandboxId,
    up: watch::Sender<bool>,
    beside: watch::Sender<Beside>,
}

impl Kept {
    /// Attaches again and again while the container runs.
    async fn keep(self, listener: UnixListener) {
        loop {
            let ended = self.attached(&listener).await;
            self.up.send_replace(false);
            match look(&self.daemon, &self.sandbox).await {
                Ok(Some(State::RUNNING | State::PAUSED | State::CREATED | State::RESTARTING)) => {
                    if let Err(failed) = ended {
                        crate::log(&format!("the link to {} broke: {}", self.sandbox, failed.message));
                    }
                }
                // Docker is away: nothing is known.
                Err(_) => {}
                Ok(_) => return,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One attaching: until the streams end.
    async fn attached(&self, listener: &UnixListener) -> Result<(), Failure> {
        let options = AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stream(true).build();
        let docker = self.daemon.docker().await?;
        let streams = asked(docker.attach_container(&names::container(&self.sandbox), Some(options))).await?;
        let AttachContainerResults { output, input } = streams;
        let output = output.filter_map(|piece| {
            std::future::ready(match piece {
                Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => Some(Ok(message)),
                Ok(LogOutput::StdErr { .. } | LogOutput::StdIn { .. }) => None,
                Err(error) => Some(Err(io::Error::other(error))),
            })
        });
        let nonce = getrandom::u64().map_err(|error| failure(FailureKind::System, error.to_string()))?;
        let (link, driver) = Link::host(StreamReader::new(output), input, nonce);
        tokio::select! {
            ended = driver => Err(failure(FailureKind::Unavailable, ended.to_string())),
            served = serve(&link, listener, &self.up) => served,
            never = self.seek() => match never {},
        }
    }

    /// Finds out where else the agent listens: the container runs by now. While Docker does not say, what it said before counts.
    async fn seek(&self) -> Infallible {
        let found = beside(&self.daemon, &self.sandbox).await;
        self.beside.send_if_modified(|beside| {
            let is_news = found.is_ok() || matches!(beside, Beside::Sought);
            if is_news {
                *beside = found.ok().flatten().map_or(Beside::Nowhere, Beside::At);
            }
            is_news
        });
        std::future::pending().await
    }
}

/// Where the agent of a container that runs listens beside its standard streams.
async fn beside(daemon: &Daemon, sandbox: &SandboxId) -> Result<Option<Answer>, Failure> {
    let docker = daemon.docker().await?;
    let name = names::container(sandbox);
    let found = asked(docker.inspect_container(&name, None::<InspectContainerOptions>)).await?;
    let number = found.state.and_then(|state| state.pid).unwrap_or_default();
    let process = u32::try_from(number).ok().and_then(NonZeroU32::new);
    let arguments = found.config.and_then(|config| config.cmd).unwrap_or_default();
    let both = process.zip(agent_socket(daemon.installation(), &arguments));
    Ok(both.map(|(process, socket)| Answer::Agent { process, socket }))
}

/// Carries connections while the link lives.
async fn serve(link: &Link, listener: &UnixListener, up: &watch::Sender<bool>) -> Result<(), Failure> {
    let silent = || failure(FailureKind::System, "the agent does not answer");
    if !tokio::time::timeout(GREETING_TIME, link.ready()).await.map_err(|_| silent())? {
        return Err(silent());
    }
    up.send_replace(true);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            client = listener.accept(), if connections.len() < STREAMS_MAX => {
                let (client, _) = client.map_err(|error| failure(FailureKind::System, error.to_string()))?;
                connections.spawn(carry(link.clone(), client));
            }
            Some(_ended) = connections.join_next() => {}
            () = link.closed() => return Ok(()),
        }
    }
}

async fn carry(link: Link, mut client: UnixStream) {
    // A failure of either side closes the other: both hear of it.
    if let Ok(mut stream) = link.open() {
        let _how_it_ended = tokio::io::copy_bidirectional(&mut client, &mut stream).await;
    }
}
