//! One helper, from the request to its end.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use atoll_agent_protocol::frames::{FILES_PIECE_BYTES_MAX, FRAME_HEADER_BYTES, FrameKind, frame_header};
use atoll_agent_protocol::v1::{FileReply, FileRequest, FilesPiece, file_request::Call};
use atoll_agent_protocol::{encode, files_piece};
use atoll_ports::{AgentError, ContentIn, FileAt, FileEvent, FilesError};
use atoll_types::SandboxId;
use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status, Streaming};

use super::check::{broke, event, failure};
use super::decode::{Decoder, Part};
use crate::answer::bounded;
use crate::connection::Lease;
use crate::pool::Pool;

/// Longest time until a helper runs.
pub(super) const START_LIMIT: Duration = Duration::from_secs(10);
/// Longest time without a sign of a helper that has something to do, or that is to take something.
pub(super) const QUIET_LIMIT: Duration = Duration::from_secs(60);
/// Pieces that wait to be sent: one, while the next is made.
const PIECES_WAITING: usize = 1;
/// Data of one frame, so that a frame is one piece.
const DATA_BYTES: usize = FILES_PIECE_BYTES_MAX - FRAME_HEADER_BYTES;

/// What a helper says, part by part.
#[derive(Debug)]
pub(super) struct Parts {
    pieces: Streaming<FilesPiece>,
    piece: Bytes,
    decoder: Decoder,
    lease: Lease,
}

impl Parts {
    /// The next part. A failure is an error, and so is an end that comes without its frame.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Part, FilesError>> {
        loop {
            match self.decoder.take(&mut self.piece) {
                Ok(Some(Part::Failure(told))) => return Poll::Ready(Err(failure(&told))),
                Ok(Some(part)) => return Poll::Ready(Ok(part)),
                Ok(None) => {}
                Err(_) => return Poll::Ready(Err(broke("what it says is no frame"))),
            }
            match ready!(Pin::new(&mut self.pieces).poll_next(context)) {
                Some(Ok(piece)) if piece.data.len() <= FILES_PIECE_BYTES_MAX => self.piece = piece.data,
                Some(Ok(_)) => return Poll::Ready(Err(broke("a piece is too large"))),
                Some(Err(status)) => return Poll::Ready(Err(error_of(&status))),
                None => return Poll::Ready(Err(FilesError::Interrupted)),
            }
        }
    }

    /// Waits for the next part. Cancel safety: what came in part stays.
    pub(super) async fn next(&mut self) -> Result<Part, FilesError> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    async fn next_within(&mut self, limit: Duration) -> Result<Part, FilesError> {
        timeout(limit, self.next()).await.unwrap_or(Err(FilesError::TimedOut))
    }

    /// The next reply, or the end.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Option<FileReply>, FilesError> {
        match self.next_within(limit).await? {
            Part::Reply(reply) => Ok(Some(*reply)),
            Part::End => Ok(None),
            Part::Data(_) | Part::Failure(_) => Err(broke("it sends data that nobody asked for")),
        }
    }
}

/// A helper that has its request.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) input: mpsc::Sender<FilesPiece>,
    pub(super) parts: Parts,
    /// By this a connection finds the helper.
    pub(super) key: u64,
}

impl Session {
    pub(super) async fn open(
        pool: &Pool,
        sandbox: &SandboxId,
        at: &FileAt,
        call: Call,
    ) -> Result<Self, FilesError> {
        let (mut calls, lease) = pool.calls(sandbox).await.map_err(unreachable)?;
        let (input, waiting) = mpsc::channel(PIECES_WAITING);
        let path = Bytes::copy_from_slice(at.path.as_bytes());
        let request = FileRequest { path, or_root: at.or_root, call: Some(call) };
        let data = framed(FrameKind::Request, &encode(&request))?;
        let key = new_key();
        let first = FilesPiece { user: at.user.to_string(), hand_over_key: key, ..files_piece(data) };
        // There is room for the first, and nobody else sends.
        let _sent = input.try_send(first);
        let answer = timeout(START_LIMIT, calls.files(ReceiverStream::new(waiting))).await;
        let pieces =
            answer.map_err(|_| FilesError::TimedOut)?.map_err(|status| error_of(&status))?.into_inner();
        let parts = Parts { pieces, piece: Bytes::new(), decoder: Decoder::new(), lease };
        Ok(Self { input, parts, key })
    }

    /// Sends a content to its end. The helper says nothing meanwhile but that it failed.
    pub(super) async fn send(&mut self, mut content: ContentIn) -> Result<(), FilesError> {
        loop {
            // Both only wait: a part that is cut off stays in its stream.
            let piece = tokio::select! {
                biased;
                part = self.parts.next() => return Err(early(part)),
                piece = content.next() => piece,
            };
            match piece {
                Some(Ok(mut data)) => {
                    while !data.is_empty() {
                        let part = data.split_to(data.len().min(DATA_BYTES));
                        self.put(framed(FrameKind::Data, &part)?).await?;
                    }
                }
                Some(Err(error)) => return Err(FilesError::Content(error.to_string())),
                None => return self.end().await,
            }
        }
    }

    /// Whether the helper knows how to hand a descriptor over.
    pub(super) const fn hands_over(&self) -> bool {
        self.parts.lease.can.hand_over
    }

    /// Says that all data is there.
    pub(super) async fn end(&mut self) -> Result<(), FilesError> {
        self.put(framed(FrameKind::End, &[])?).await
    }

    /// Tells the agent that something goes on where it sees nothing of it.
    pub(super) async fn sign(&mut self) -> Result<(), FilesError> {
        self.put(framed(FrameKind::Data, &[])?).await
    }

    async fn put(&mut self, data: Bytes) -> Result<(), FilesError> {
        // All only wait.
        let permit = tokio::select! {
            biased;
            permit = self.input.reserve() => permit.ok(),
            part = self.parts.next() => return Err(early(part)),
            () = sleep(QUIET_LIMIT) => return Err(FilesError::TimedOut),
        };
        match permit {
            Some(permit) => {
                permit.send(files_piece(data));
                Ok(())
            }
            // The call is over; what is left of it says why.
            None => Err(early(self.parts.next_within(QUIET_LIMIT).await)),
        }
    }

    /// What the helper sends from now on, as a content that ends with its end.
    pub(super) fn into_content(self) -> Content {
        Content {
            _input: self.input,
            parts: self.parts,
            quiet: Box::pin(sleep(QUIET_LIMIT)),
            waiting: false,
            over: false,
        }
    }
}

/// A number that no other helper of the sandbox has. Only serve can connect to an agent, so it need not be a secret.
fn new_key() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}

pub(super) fn early(part: Result<Part, FilesError>) -> FilesError {
    part.err().unwrap_or_else(|| broke("it answers before it has all"))
}

/// Data of a helper. It is read as fast as it is taken here, and no faster.
#[derive(Debug)]
pub(super) struct Content {
    /// Held open: the end of its input ends a helper.
    _input: mpsc::Sender<FilesPiece>,
    parts: Parts,
    /// When the helper has been silent for too long, while it is waited for: a client that takes its time is not its fault.
    quiet: Pin<Box<Sleep>>,
    waiting: bool,
    over: bool,
}

impl Stream for Content {
    type Item = Result<Bytes, FilesError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let item = match self.parts.poll(context) {
            Poll::Ready(Ok(Part::Data(data))) => Some(Ok(data)),
            Poll::Ready(Ok(Part::End)) => None,
            Poll::Ready(Ok(Part::Reply(_) | Part::Failure(_))) => Some(Err(broke("a reply among the data"))),
            Poll::Ready(Err(error)) => Some(Err(error)),
            Poll::Pending => {
                if !self.waiting {
                    self.waiting = true;
                    self.quiet.as_mut().reset(Instant::now() + QUIET_LIMIT);
                }
                ready!(self.quiet.as_mut().poll(context));
                Some(Err(FilesError::TimedOut))
            }
        };
        self.over = !matches!(item, Some(Ok(_)));
        self.waiting = false;
        Poll::Ready(item)
    }
}

pub(super) fn framed(kind: FrameKind, bytes: &[u8]) -> Result<Bytes, FilesError> {
    let header = frame_header(kind, bytes.len()).ok_or_else(|| broke("the request is too large"))?;
    let mut frame = BytesMut::with_capacity(header.len() + bytes.len());
    frame.put_slice(&header);
    frame.put_slice(bytes);
    Ok(frame.freeze())
}

pub(super) fn unreachable(error: AgentError) -> FilesError {
    match error {
        AgentError::Protocol(message) => FilesError::Protocol(message),
        other => FilesError::Unreachable(other.to_string()),
    }
}

fn error_of(status: &Status) -> FilesError {
    match status.code() {
        Code::ResourceExhausted => FilesError::TooMany,
        Code::FailedPrecondition => FilesError::NoUser(bounded(status.message())),
        Code::Unimplemented => FilesError::Unsupported,
        Code::InvalidArgument | Code::OutOfRange | Code::DataLoss => {
            FilesError::Protocol(bounded(status.message()))
        }
        _ => FilesError::Unreachable(bounded(status.message())),
    }
}

/// What a watching helper tells.
#[derive(Debug)]
pub(super) struct Events {
    /// Held open: the end of its input ends the watch.
    _input: mpsc::Sender<FilesPiece>,
    parts: Parts,
    over: bool,
}

impl Session {
    /// What the helper tells from now on. There is no limit to its silence.
    pub(super) fn into_events(self) -> Events {
        Events { _input: self.input, parts: self.parts, over: false }
    }
}

impl Stream for Events {
    type Item = Result<Vec<FileEvent>, FilesError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let item = match ready!(self.parts.poll(context)) {
            Ok(Part::Reply(reply)) => Some(reply.events.iter().map(event).collect()),
            Ok(Part::End) => None,
            Ok(Part::Data(_) | Part::Failure(_)) => Some(Err(broke("data among the events"))),
            Err(error) => Some(Err(error)),
        };
        self.over = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}
