//! From a sandbox to here.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use atoll_client::{Download, FileAt};
use atoll_types::OutputStream;

use super::place::Place;
use super::{Progress, tree};
use crate::commands::Call;

pub(super) async fn download(from: FileAt<'_>, to: &Place, call: &Call) -> anyhow::Result<()> {
    let found = call.client.file_stat(from).await?;
    // A link is followed, as cp does with what it is given.
    let is_directory = match found.kind.as_str() {
        "directory" => true,
        "symlink" => call.client.file_list(from, None).await.is_ok(),
        _ => false,
    };
    match (to, is_directory) {
        (Place::Local(to), false) => {
            let target = target(from, to)?;
            let mut content = call.client.file_read(from).await?;
            let mode = if found.kind == "file" { found.mode } else { "0644".to_owned() };
            write(&mut content, &target, &mode, call).await
        }
        (Place::Local(to), true) => {
            let archive = call.client.archive_get(from).await?;
            let target = target(from, to)?;
            tree::unpacked(archive, target, Progress::new(call.printer, None)).await
        }
        (_, false) => print(call.client.file_read(from).await?, call).await,
        (_, true) => print(call.client.archive_get(from).await?, call).await,
    }
}

/// The path of the copy: in `to`, where that is a directory, under the name that it has in the sandbox.
fn target(from: FileAt<'_>, to: &Path) -> anyhow::Result<PathBuf> {
    if !to.is_dir() {
        return Ok(to.to_owned());
    }
    let name = from.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match name {
        // All that is in the home or the root goes right into it.
        "" | "." | ".." => Ok(to.to_owned()),
        name => {
            anyhow::ensure!(!name.contains('\0'), "a name cannot have a NUL in it");
            Ok(to.join(name))
        }
    }
}

/// Writes a file here: whole, or not at all.
async fn write(content: &mut Download, target: &Path, mode: &str, call: &Call) -> anyhow::Result<()> {
    let shown = target.display();
    anyhow::ensure!(!target.is_dir(), "{shown} is a directory");
    let mut progress = Progress::new(call.printer, content.length());
    if target.exists() && !target.is_file() {
        // A pipe or a device: it is written to.
        let mut file = std::fs::File::options()
            .write(true)
            .open(target)
            .with_context(|| format!("cannot open {shown}"))?;
        while let Some(piece) = content.next().await? {
            file.write_all(&piece).with_context(|| format!("cannot write {shown}"))?;
            progress.add(piece.len());
        }
        return Ok(());
    }
    let folder =
        target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut beside =
        tree::Beside::new(folder).with_context(|| format!("cannot write in {}", folder.display()))?;
    while let Some(piece) = content.next().await? {
        beside.file.write_all(&piece).with_context(|| format!("cannot write {shown}"))?;
        progress.add(piece.len());
    }
    let bits = u32::from_str_radix(mode, 8).unwrap_or(0o644) & 0o777;
    beside.file.set_permissions(std::fs::Permissions::from_mode(bits))?;
    beside.publish(target).with_context(|| format!("cannot write {shown}"))
}

async fn print(mut content: Download, call: &Call) -> anyhow::Result<()> {
    while let Some(piece) = content.next().await? {
        call.printer.bytes(OutputStream::Stdout, &piece)?;
    }
    Ok(())
}
