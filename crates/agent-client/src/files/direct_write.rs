//! A content on its way into a file that was handed over.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

use atoll_ports::{ContentIn, FilesError};
use bytes::Bytes;
use rustix::io::{Errno, pwritev};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt;

use super::direct_read::SIGN_PERIOD;
use super::hand_over::{BLOCK_BYTES, failed};
use super::session::{QUIET_LIMIT, Session, early};

/// Most pieces of one block: however small they are, they cost little beside what they hold.
const PIECES_MAX: usize = 256;

/// Pieces that are written together.
#[derive(Debug, Default)]
pub(super) struct Block {
    pieces: Vec<Bytes>,
    pub(super) bytes: usize,
}

impl Block {
    pub(super) fn add(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    pub(super) const fn is_full(&self) -> bool {
        self.bytes >= BLOCK_BYTES || self.pieces.len() >= PIECES_MAX
    }

    /// As a content of its own.
    pub(super) fn alone(self) -> ContentIn {
        Box::pin(tokio_stream::iter(self.pieces.into_iter().map(Ok)))
    }

    /// As a content, before what else comes.
    pub(super) fn before(self, rest: ContentIn) -> ContentIn {
        Box::pin(self.alone().chain(rest))
    }

    fn write(&self, file: &File, mut at: u64) -> io::Result<()> {
        let mut slices: Vec<_> = self.pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut slices = slices.as_mut_slice();
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match pwritev(file, slices, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += u64::try_from(written).map_err(io::Error::other)?;
                    IoSlice::advance_slices(&mut slices, written);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// Writes blocks one after the other, one at a time, while the next comes in.
struct Writer {
    file: Arc<File>,
    at: u64,
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl Writer {
    /// Waits for the block before this one.
    async fn write(&mut self, block: Block) -> Result<(), FilesError> {
        self.settle().await?;
        let (file, at) = (Arc::clone(&self.file), self.at);
        self.at = self.at.saturating_add(u64::try_from(block.bytes).unwrap_or(u64::MAX));
        self.writing = Some(spawn_blocking(move || block.write(&file, at)));
        Ok(())
    }

    /// Waits until all is written.
    async fn settle(&mut self) -> Result<(), FilesError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let written = timeout(QUIET_LIMIT, writing).await.map_err(|_| FilesError::TimedOut)?;
        written.map_err(io::Error::other).flatten().map_err(|error| failed(&error))
    }
}

/// Writes a content to its end, and says so. The helper says nothing meanwhile but that it failed.
pub(super) async fn write(
    session: &mut Session,
    file: File,
    first: Block,
    mut content: ContentIn,
) -> Result<(), FilesError> {
    let mut writer = Writer { file: Arc::new(file), at: 0, writing: None };
    let (mut block, mut told) = (first, Instant::now());
    loop {
        if block.is_full() {
            writer.write(std::mem::take(&mut block)).await?;
            if told.elapsed() >= SIGN_PERIOD {
                session.sign().await?;
                told = Instant::now();
            }
        }
        // Both only wait: a part that is cut off stays in its stream.
        let piece = tokio::select! {
            biased;
            part = session.parts.next() => return Err(early(part)),
            piece = content.next() => piece,
        };
        match piece {
            Some(Ok(piece)) => block.add(piece),
            Some(Err(error)) => return Err(FilesError::Content(error.to_string())),
            None => break,
        }
    }
    writer.write(block).await?;
    writer.settle().await?;
    session.end().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_written_where_it_belongs_whatever_its_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        let mut block = Block::default();
        for piece in ["", "ab", "", "c", ""] {
            block.add(Bytes::from_static(piece.as_bytes()));
        }
        block.write(&file, 2).unwrap();
        Block::default().write(&file, 9).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"\0\0abc");
    }
}
