//! The records for the doctor.
//!
//! The database belongs to serve, which faces the network: root does not open it. The doctor starts itself once more,
//! as the user that owns it, and reads what that process prints.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use atoll_doctor::{LostSecrets, Recorded, Records};
use atoll_ports::SandboxRecord;
use atoll_store::{Reader, SealedBy};
use atoll_types::{Desired, ImageDigest, ImageSource, Observed, RuntimeKind, SandboxId};
use serde::{Deserialize, Serialize};

use crate::printer::Printer;

/// Folder of serve and its database in the data folder.
const SERVE_FOLDER: &str = "serve";
const DATABASE: &str = "atoll.db";
/// Ids of the master keys that the server has.
const MASTER_KEYS: &str = "master-keys";
/// Longest list of records in bytes: a hundred bytes for each of more sandboxes than there are ranges of user ids.
const RECORDS_BYTES_MAX: u64 = 64 << 20;

/// What the other process prints.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Printed {
    sandboxes: Vec<PrintedSandbox>,
    images: Vec<ImageDigest>,
    lost_secrets: Vec<PrintedSecrets>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PrintedSecrets {
    key: String,
    secrets: u64,
    environments: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PrintedSandbox {
    id: SandboxId,
    uid_slot: u32,
    running: bool,
}

/// What has a record; nothing where serve has never run.
pub(super) fn read(data_dir: &Path) -> anyhow::Result<Records> {
    // The reader starts in another folder.
    let data_dir =
        fs::canonicalize(data_dir).with_context(|| format!("cannot find {}", data_dir.display()))?;
    let folder = data_dir.join(SERVE_FOLDER);
    let owner = match fs::symlink_metadata(&folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Records::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {}", folder.display())),
    };
    let mut child = Command::new("/proc/self/exe")
        .args(["doctor", "--records", "--data-dir"])
        .arg(&data_dir)
        .env_clear()
        .current_dir("/")
        .gid(owner.gid())
        .uid(owner.uid())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the reader of the records")?;
    let mut text = Vec::new();
    let output = child.stdout.take().context("the reader has no output")?;
    output.take(RECORDS_BYTES_MAX).read_to_end(&mut text).context("cannot hear the reader of the records")?;
    let status = child.wait().context("cannot wait for the reader of the records")?;
    anyhow::ensure!(status.success(), "the reader of the records failed: {status}");
    let printed: Printed = serde_json::from_slice(&text).context("the records are malformed")?;
    let recorded = |s: PrintedSandbox| (s.id, Recorded { uid_slot: s.uid_slot, running: s.running });
    Ok(Records {
        sandboxes: printed.sandboxes.into_iter().map(recorded).collect(),
        images: printed.images.into_iter().collect(),
        lost_secrets: printed.lost_secrets.into_iter().map(lost).collect(),
    })
}

/// Prints what has a record.
pub(super) fn print(data_dir: &Path, printer: Printer) -> anyhow::Result<ExitCode> {
    let folder = data_dir.join(SERVE_FOLDER);
    // Nothing has a record only where the folder is there and the database is not: a mistake here would make everything a
    // leak.
    fs::symlink_metadata(&folder).with_context(|| format!("cannot look at {}", folder.display()))?;
    let database = folder.join(DATABASE);
    let printed = match fs::symlink_metadata(&database) {
        Err(error) if error.kind() == ErrorKind::NotFound => Printed::default(),
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(query(&database, &folder.join(MASTER_KEYS)))?
        }
    };
    printer.data(&printed, || serde_json::to_string(&printed).unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}

fn lost(PrintedSecrets { key, secrets, environments }: PrintedSecrets) -> LostSecrets {
    LostSecrets { key, secrets, environments }
}

async fn query(database: &Path, master_keys: &Path) -> anyhow::Result<Printed> {
    let reader = Reader::open(database).await?;
    let sandboxes = reader.sandboxes().await?;
    let mut images: Vec<_> = reader.images().await?.into_iter().map(|image| image.digest).collect();
    // A sandbox keeps the image that it was made of, also when its name is gone or stands for another.
    images.extend(sandboxes.iter().filter_map(|sandbox| digest(&sandbox.spec.source)));
    let prepared = reader.prepared().await?;
    images.extend(prepared.iter().filter_map(|prepared| digest(&prepared.source)));
    // One that is made ahead is being made or removed at any time: that it does not run means nothing.
    let prepared =
        prepared.iter().map(|p| PrintedSandbox { id: p.id.clone(), uid_slot: p.uid_slot, running: false });
    // What the server had at its last start, by ids that tell nothing of the keys.
    let here = fs::read_to_string(master_keys).unwrap_or_default();
    let sealed = reader.sealed_by().await?.into_iter();
    let lost = sealed.filter(|sealed| !here.lines().any(|id| id == sealed.key));
    let lost_secrets =
        lost.map(|SealedBy { key, secrets, environments }| PrintedSecrets { key, secrets, environments });
    Ok(Printed {
        sandboxes: sandboxes.iter().map(printed).chain(prepared).collect(),
        images,
        lost_secrets: lost_secrets.collect(),
    })
}

fn digest(source: &ImageSource) -> Option<ImageDigest> {
    match source {
        ImageSource::Unpacked(digest) => Some(digest.clone()),
        ImageSource::Host => None,
    }
}

fn printed(record: &SandboxRecord) -> PrintedSandbox {
    // Of Docker's sandboxes nothing is seen here: the server looks after them. One that is paused has its agent too.
    let up = record.spec.runtime == RuntimeKind::Native
        && matches!(record.observed, Observed::Running | Observed::Paused)
        && matches!(record.desired, Desired::Running | Desired::Paused);
    PrintedSandbox {
        id: record.id.clone(),
        uid_slot: record.uid_slot,
        running: up && record.operation.is_none(),
    }
}
