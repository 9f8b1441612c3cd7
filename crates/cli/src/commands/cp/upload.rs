//! From here into a sandbox.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;
use atoll_client::{Client, ClientError, Content, FileAt};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::io::AsyncReadExt;

use super::place::Place;
use super::{Progress, tree};
use crate::commands::Call;

/// Piece in which a file is read and sent, in bytes.
const PIECE_BYTES: usize = 256 << 10;

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
                call.client.file_write(to, None, None, reading(tokio::io::stdin(), call, None)).await?;
            call.printer.data(&written, String::new)?;
            Ok(())
        }
    }
}

async fn file(from: &Path, metadata: &std::fs::Metadata, to: FileAt<'_>, call: &Call) -> anyhow::Result<()> {
    let path = inside(&call.client, to, from).await?;
    let opened =
        tokio::fs::File::open(from).await.with_context(|| format!("cannot open {}", from.display()))?;
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

/// What a reader gives, piece by piece.
fn reading(
    reader: impl tokio::io::AsyncRead + Send + Sync + Unpin + 'static,
    call: &Call,
    length: Option<u64>,
) -> Content {
    let progress = Progress::new(call.printer, length);
    Box::pin(stream::unfold(Some((reader, progress)), async |state| {
        let (mut reader, mut progress) = state?;
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        match (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut piece).await {
            Ok(0) => None,
            Ok(bytes) => {
                progress.add(bytes);
                Some((Ok(Bytes::from(piece)), Some((reader, progress))))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}
