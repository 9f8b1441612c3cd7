//! A stream that gathers what is written in one turn of the scheduler.
//!
//! HTTP/2 writes the head of a request as soon as it is asked, and the body when the task that carries it comes up, right
//! after. Sent apart, the head alone wakes the agent, which then waits for the rest: on one processor it even takes it away
//! from us in the middle (50 µs of the 1 ms of a short exec, measured). So a flush lets every other task that is ready run
//! first, once.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// Bytes from which on nothing more is gathered: a chunk of output to standard input, or a few short requests.
const GATHERED_BYTES_MAX: usize = 16 << 10;

/// The stream.
#[derive(Debug)]
pub(crate) struct Gather {
    stream: UnixStream,
    gathered: Vec<u8>,
    /// The others have had their turn since the flush began.
    yielded: bool,
}

impl Gather {
    pub(crate) const fn new(stream: UnixStream) -> Self {
        Self { stream, gathered: Vec::new(), yielded: false }
    }

    /// Sends what is gathered.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.gathered))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.drain(..sent);
        }
        self.yielded = false;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gather {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Gather {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if self.gathered.len() + bytes > GATHERED_BYTES_MAX {
            ready!(self.poll_send(context))?;
            if bytes > GATHERED_BYTES_MAX {
                return Pin::new(&mut self.stream).poll_write_vectored(context, parts);
            }
        }
        parts.iter().for_each(|part| self.gathered.extend_from_slice(part));
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.gathered.is_empty() && !self.yielded {
            self.yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_is_written_in_one_turn_arrives_in_one_piece() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut gather = Gather::new(ours);
        gather.write_all(b"head").await.unwrap();
        gather.write_all(b" and body").await.unwrap();
        let mut read = [0_u8; 64];
        assert_eq!(theirs.try_read(&mut read).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        gather.flush().await.unwrap();
        theirs.readable().await.unwrap();
        assert_eq!(theirs.try_read(&mut read).unwrap(), b"head and body".len());
    }

    #[tokio::test]
    async fn much_comes_whole_and_in_order() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let sent: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let writing = async move {
            let mut gather = Gather::new(ours);
            for (n, part) in sent.chunks(7_001).enumerate() {
                gather.write_all(part).await.unwrap();
                if n % 5 == 0 {
                    gather.flush().await.unwrap();
                }
            }
            gather.write_all(&[7; GATHERED_BYTES_MAX + 1]).await.unwrap();
            gather.shutdown().await.unwrap();
        };
        let mut read = Vec::new();
        let (_, came) = tokio::join!(writing, theirs.read_to_end(&mut read));
        assert_eq!(came.unwrap(), expected.len() + GATHERED_BYTES_MAX + 1);
        assert_eq!(read[..expected.len()], expected);
    }
}
