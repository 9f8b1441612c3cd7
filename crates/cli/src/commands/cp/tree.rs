//! Folders here, as archives. What comes out of a sandbox is hostile: nothing is made outside the folder.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use atoll_client::{Content, Download};
use bytes::Bytes;
use tar::EntryType;
use tokio::sync::mpsc;

use super::Progress;

/// Pieces of an archive that wait between the thread that makes or reads it and the connection.
const PIECES_WAITING: usize = 4;
/// Bytes of such a piece.
const PIECE_BYTES: usize = 256 << 10;
/// Names tried for a file that is not whole yet.
const ATTEMPTS: u32 = 16;

/// A tar of what is in a folder, made by a thread as it is asked for. Links stay links.
pub(super) fn packed(folder: PathBuf) -> Content {
    written(move |sender| pack(&folder, sender))
}

/// What is written by a thread, as it is asked for.
pub(in crate::commands) fn written(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Content {
    let (pieces, waiting) = mpsc::channel(PIECES_WAITING);
    std::thread::spawn(move || {
        let mut sender = Sender { pieces: pieces.clone(), piece: Vec::new() };
        let written = write(&mut sender);
        if let Err(error) = written.and_then(|()| sender.flush()) {
            // Nobody may listen any more.
            let _unheard = pieces.blocking_send(Err(error));
        }
    });
    let next = async |mut waiting: mpsc::Receiver<io::Result<Bytes>>| Some((waiting.recv().await?, waiting));
    Box::pin(futures_util::stream::unfold(waiting, next))
}

fn pack(folder: &Path, sender: &mut dyn Write) -> io::Result<()> {
    let mut builder = tar::Builder::new(sender);
    builder.follow_symlinks(false);
    builder.append_dir_all("", folder)?;
    builder.finish()
}

struct Sender {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        if piece.is_empty() {
            return Ok(());
        }
        self.pieces.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Unpacks what comes into a folder, which is made.
pub(super) async fn unpacked(
    mut archive: Download,
    folder: PathBuf,
    mut progress: Progress,
) -> anyhow::Result<()> {
    let (pieces, waiting) = mpsc::channel(PIECES_WAITING);
    let unpacking =
        tokio::task::spawn_blocking(move || unpack(Receiver { waiting, piece: Bytes::new() }, &folder));
    let carried = loop {
        match archive.next().await {
            Ok(Some(piece)) => {
                progress.add(piece.len());
                // Unpacking has failed, and says why.
                if pieces.send(Ok(piece)).await.is_err() {
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => {
                let _unheard = pieces.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                break Err(error);
            }
        }
    };
    drop(pieces);
    let done = unpacking.await.context("unpacking was given up")?;
    carried?;
    done
}

struct Receiver {
    waiting: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Receiver {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            match self.waiting.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let taken = self.piece.split_to(self.piece.len().min(buffer.len()));
        buffer.iter_mut().zip(&taken).for_each(|(to, from)| *to = *from);
        Ok(taken.len())
    }
}

fn unpack(reader: Receiver, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries()? {
        let mut entry = entry.context("the archive is broken")?;
        let kind = entry.header().entry_type();
        // Pipes and devices stay where they are.
        let wanted = matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::Directory)
            || matches!(kind, EntryType::Symlink | EntryType::Link);
        if !wanted {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // It makes nothing outside the folder, through no link either, and no set-uid files.
        let made = entry.unpack_in(folder).with_context(|| format!("cannot unpack {name:?}"))?;
        anyhow::ensure!(made, "{name:?} would be outside {}", folder.display());
    }
    Ok(())
}

/// A file that is not whole yet, beside its place; it goes when it is dropped.
pub(super) struct Beside {
    pub(super) file: File,
    path: Option<PathBuf>,
}

impl Beside {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let mut attempt = 0;
        loop {
            let path = folder.join(format!(".atoll-{}-{attempt}.part", std::process::id()));
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { file, path: Some(path) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS => {
                    attempt += 1
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn publish(mut self, target: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            std::fs::rename(path, target)?;
            self.path = None;
        }
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _gone = std::fs::remove_file(path);
        }
    }
}
