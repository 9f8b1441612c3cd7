//! The agent's side: starts helpers and carries bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use atoll_agent_protocol::frames::{FILE_HELPERS_MAX, FILES_PIECE_BYTES_MAX};
use atoll_agent_protocol::v1::FilesPiece;
use atoll_agent_protocol::{files_piece, hand_over};
use bytes::Bytes;
use rustix::process::{Pid, Signal};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

use super::HELPER_ARGUMENT;
use crate::agent::Agent;
use crate::launch::Launch;
use crate::lock::lock;
use crate::task;

/// This program, as the helper executes it.
const PROGRAM: &str = "/proc/self/exe";
/// How long a helper that nobody listens to any more may take to clear up after itself.
const END_TIME: Duration = Duration::from_secs(2);

/// Counts the helpers, and knows the way to those that may hand a descriptor over.
#[derive(Debug, Default)]
pub(crate) struct Helpers {
    count: AtomicUsize,
    /// Channels by the keys that serve has given.
    channels: Mutex<HashMap<u64, OwnedFd>>,
}

/// One of [`FILE_HELPERS_MAX`] places, for as long as its helper lives.
#[derive(Debug)]
struct Seat(Arc<Agent>);

impl Seat {
    fn take(agent: &Arc<Agent>) -> Result<Self, Status> {
        let seat = Self(Arc::clone(agent));
        if agent.helpers.count.fetch_add(1, Ordering::Relaxed) < FILE_HELPERS_MAX {
            Ok(seat)
        } else {
            Err(Status::resource_exhausted(format!("{FILE_HELPERS_MAX} file operations are under way")))
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.helpers.count.fetch_sub(1, Ordering::Relaxed);
        self.0.trimmer.freed();
    }
}

/// What a helper says. Dropping it ends the helper.
#[derive(Debug)]
pub(crate) struct Pieces {
    agent: Arc<Agent>,
    pipe: Receiver,
    _channel: Option<Channel>,
    /// Its end tells that nobody listens.
    _listening: oneshot::Sender<()>,
}

/// The way to a helper, for as long as this is there. Its end tells the helper that nobody will come.
#[derive(Debug)]
struct Channel {
    agent: Arc<Agent>,
    key: u64,
}

impl Channel {
    /// Nothing where no key was given, or serve gave one twice.
    fn open(agent: &Arc<Agent>, key: u64, channel: OwnedFd) -> Option<Self> {
        match lock(&agent.helpers.channels).entry(key) {
            Entry::Vacant(place) if key != 0 => place.insert(channel),
            _ => return None,
        };
        Some(Self { agent: Arc::clone(agent), key })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        lock(&self.agent.helpers.channels).remove(&self.key);
    }
}

/// Passes a connection of serve on to the helper that has this key. Nobody has it: the connection is closed.
pub(crate) fn connect(agent: &Agent, key: u64, connection: impl AsFd) {
    if let Some(channel) = lock(&agent.helpers.channels).get(&key) {
        // One that has ended, or is sent more than it takes, is of no use; the end of the connection tells so.
        let _unheard = hand_over::send(channel, connection.as_fd());
    }
}

/// Starts a helper, and carries what comes to it.
pub(crate) async fn open(agent: &Arc<Agent>, mut pieces: Streaming<FilesPiece>) -> Result<Pieces, Status> {
    let seat = Seat::take(agent)?;
    let first =
        pieces.message().await?.ok_or_else(|| Status::invalid_argument("a first message is missing"))?;
    check(&first.data)?;
    agent.spares.settle().await;
    let helper = start(agent, &first.user).map_err(Status::failed_precondition)?;
    let failed = |error: io::Error| Status::internal(error.to_string());
    let pipe = Receiver::from_owned_fd_unchecked(helper.stdout).map_err(failed)?;
    let input = Sender::from_owned_fd_unchecked(helper.stdin).map_err(failed)?;
    let key = if agent.hands_over { first.hand_over_key } else { 0 };
    let _channel = Channel::open(agent, key, helper.channel);
    let (listening, deaf) = oneshot::channel();
    agent.activity.touch();
    let carrier = Arc::clone(agent);
    task::spawn(async move {
        carry(&carrier, input, first.data, pieces, deaf, helper.pid, helper.ended).await;
        drop(seat);
    });
    Ok(Pieces { agent: Arc::clone(agent), pipe, _channel, _listening: listening })
}

fn check(data: &Bytes) -> Result<(), Status> {
    if data.len() > FILES_PIECE_BYTES_MAX {
        return Err(Status::invalid_argument("a piece is too large"));
    }
    Ok(())
}

/// A child that runs this program.
struct Helper {
    pid: Pid,
    stdin: OwnedFd,
    stdout: OwnedFd,
    /// To what is its descriptor 3.
    channel: OwnedFd,
    ended: oneshot::Receiver<i32>,
}

fn start(agent: &Arc<Agent>, user: &str) -> Result<Helper, String> {
    let identity = agent.users.resolve(user).map_err(|error| error.to_string())?;
    let argv = [PROGRAM.to_owned(), HELPER_ARGUMENT.to_owned()];
    let launch = Launch {
        uid: identity.uid,
        gid: identity.gid,
        groups: &identity.groups,
        path: "",
        cwd: &identity.home,
        cwd_optional: true,
        terminal: None,
        // Without it the helper is one that knows nothing of handing over.
        keep_channel: agent.hands_over,
        program: PROGRAM,
        argv: &argv,
        env: &[],
    };
    let block = launch.encode().ok_or("the user has an impossible entry")?;
    let failed = |error: io::Error| format!("cannot make a process: {error}");
    let mut spare = agent.spares.take().map_err(failed)?;
    let channel = spare.raw.request.take().ok_or("cannot make a process")?;
    // A fresh channel takes so little at once; a child that was killed this moment tells so by its end.
    let _written = rustix::io::write(&channel, &block);
    // Our copy of its own end of the output goes: the end of the output is the end of the helper.
    let stdout = spare.raw.stdout.read;
    Ok(Helper { pid: spare.raw.pid, stdin: spare.raw.stdin, stdout, channel, ended: spare.ended })
}

/// Carries pieces until there are no more, and sees to it that the helper ends once nobody listens.
async fn carry(
    agent: &Agent,
    input: Sender,
    first: Bytes,
    pieces: Streaming<FilesPiece>,
    mut deaf: oneshot::Receiver<()>,
    pid: Pid,
    mut ended: oneshot::Receiver<i32>,
) {
    // Each arm only waits, or is the work that ends with the call.
    let over = tokio::select! {
        () = feed(agent, input, first, pieces) => false,
        _ = &mut deaf => true,
        _ = &mut ended => return,
    };
    if !over {
        // Both only wait.
        tokio::select! {
            _ = &mut deaf => {}
            _ = &mut ended => return,
        }
    }
    if tokio::time::timeout(END_TIME, &mut ended).await.is_err() {
        agent.children.signal(pid, Signal::KILL);
        // It ends now, unless the workload is frozen; then with that.
        let _code = ended.await;
    }
}

/// Writes pieces into the pipe while it takes them; the pipe is closed after the last. A helper that reads no more says
/// why in its output.
async fn feed(agent: &Agent, mut input: Sender, first: Bytes, mut pieces: Streaming<FilesPiece>) {
    let mut data = first;
    loop {
        if input.write_all(&data).await.is_err() {
            return;
        }
        match pieces.message().await {
            Ok(Some(piece)) if check(&piece.data).is_ok() => data = piece.data,
            _ => return,
        }
        agent.activity.touch();
    }
}

impl Stream for Pieces {
    type Item = Result<FilesPiece, Status>;

    /// Reads only when it is asked, and holds no buffer while it waits: so a client that takes nothing stops the helper.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if ready!(this.pipe.poll_read_ready(context)).is_err() {
                return Poll::Ready(None);
            }
            let read = this.agent.with_scratch(|scratch| {
                let n = this.pipe.try_read(scratch)?;
                io::Result::Ok(Bytes::copy_from_slice(scratch.get(..n).unwrap_or_default()))
            });
            match read {
                Ok(data) if data.is_empty() => return Poll::Ready(None),
                Ok(data) => {
                    this.agent.activity.touch();
                    return Poll::Ready(Some(Ok(files_piece(data))));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(None),
            }
        }
    }
}
