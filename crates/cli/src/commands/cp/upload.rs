//! From here into a sandbox.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;
use atoll_client::{Client, ClientError, Content, FileAt};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::place::Place;
use super::{Progress, tree};
use crate::commands::Call;

/// Piece in which a file is read and sent, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that are read before they can be sent.
const PIECES_AHEAD: usize = 3;

pub(super) async fn upload(from: &Place, to: FileAt<'_>, call: &Call) -> anyhow::Result<()> {
    match from {
        Place::Local(from) => {
            let shown = from.display();
            let metadata = std::fs::metadata(from).with_context(|| format!("cannot read {shown}"))?;
            if metadata.is_dir() {
                directory(from, to, call).await
            } else {
                file(from, &metadata, to, call).await
            }
        }
        _ => {
            let written =
                call.client.file_write(to, None, None, reading(std::io::stdin(), call, None)).await?;
            call.printer.data(&written, String::new)?;
            Ok(())
        }
    }
}

async fn file(from: &Path, metadata: &std::fs::Metadata, to: FileAt<'_>, call: &Call) -> anyhow::Result<()> {
    let path = inside(&call.client, to, from).await?;
    let opened = std::fs::File::open(from).with_context(|| format!("cannot open {}", from.display()))?;
    let length = metadata.is_file().then_some(metadata.len());
    let mode = format!("{:04o}", metadata.permissions().mode() & 0o777);
    let content = reading(opened, call, length);
    let written = call.client.file_write(FileAt { path: &path, ..to }, Some(&mode), length, content).await?;
    call.printer.data(&written, String::new)?;
    Ok(())
}

async fn directory(from: &Path, to: FileAt<'_>, call: &Call) -> anyhow::Result<()> {
    let path = inside(&call.client, to, from).await?;
    let mut progress = Progress::new(call.printer, None);
    let archive = tree::packed(from.to_owned())
        .map(move |piece| piece.inspect(|piece: &Bytes| progress.add(piece.len())));
    let unpacked = call.client.archive_put(FileAt { path: &path, ..to }, Box::pin(archive)).await?;
    call.printer.data(&unpacked, String::new)?;
    Ok(())
}

/// The path of the copy: in `to`, where that is a directory, under the name that it has here.
async fn inside(client: &Client, to: FileAt<'_>, from: &Path) -> anyhow::Result<String> {
    let is_directory = to.path.ends_with('/') || is_directory(client, to).await?;
    if !is_directory {
        return Ok(to.path.to_owned());
    }
    let whole = std::fs::canonicalize(from).with_context(|| format!("cannot read {}", from.display()))?;
    let name = whole.file_name().context("the root has no name: give the whole path of the copy")?;
    let name = name.to_str().context("a name here is no UTF-8: give the whole path of the copy")?;
    Ok(format!("{}/{name}", to.path.trim_end_matches('/')))
}

async fn is_directory(client: &Client, at: FileAt<'_>) -> anyhow::Result<bool> {
    match client.file_stat(at).await {
        Ok(file) if file.kind == "symlink" => match client.file_list(at, None).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code(), Some("not_directory" | "file_not_found")) => Ok(false),
            Err(error) => Err(error.into()),
        },
        Ok(file) => Ok(file.kind == "directory"),
        Err(ClientError::Api(error)) if error.code == "file_not_found" => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What a reader gives, piece by piece: a thread reads ahead while others are sent.
fn reading(reader: impl AsFd + Send + 'static, call: &Call, length: Option<u64>) -> Content {
    let mut progress = Progress::new(call.printer, length);
    let (send, receive) = mpsc::channel(PIECES_AHEAD);
    // It ends with what it reads, or once nobody wants more.
    std::thread::spawn(move || {
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = match rustix::io::read(&reader, spare_capacity(&mut piece)) {
                Ok(0) => break,
                Ok(_) => Ok(Bytes::from(piece)),
                Err(Errno::INTR) => continue,
                Err(errno) => Err(errno.into()),
            };
            let failed = read.is_err();
            if send.blocking_send(read).is_err() || failed {
                break;
            }
        }
    });
    Box::pin(stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive))).inspect(
        move |piece| {
            if let Ok(piece) = piece {
                progress.add(piece.len());
            }
        },
    ))
}
