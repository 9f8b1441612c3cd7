//! Imports: an archive is unpacked by a confined helper into a folder that becomes an image when it is whole.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use atoll_launcher_protocol::{Answer, Failure, FailureKind};
use atoll_types::{ImageConfig, ImageDigest};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::Server;
use super::connection::Waiter;
use super::layered::{Layered, Looked};
use super::workers::Task;
use crate::clock::now;
use crate::house::{DIRECTORY, make_dir};
use crate::import::{self, Cage, Job, Work};
use crate::report::{At, Step, StepError, failure};
use crate::storage::UNFINISHED;

/// Imports and exports at once: each reads and writes as fast as the disk goes.
pub(super) const IMPORTS_MAX: usize = 2;

/// How long one may take.
pub(super) const IMPORT_TIME: Duration = Duration::from_secs(600);

/// Largest image, in bytes of its files.
pub(super) const IMAGE_BYTES_MAX: u64 = 64 << 30;

/// Longest reason of a refusal, in characters: a sentence with the start of a path.
const REASON_CHARS_MAX: usize = 200;
/// Longest result that is read from the unpacker, in bytes: it parses what strangers made. What an image says of itself is in
/// it. A pipe holds more, so the unpacker need not wait until somebody reads; and a packet to serve has room for it.
const RESULT_BYTES_MAX: usize = 48 << 10;

/// Folder of an import in which the unpacker looks at the archive.
pub(super) const LOOK: &str = "look";

/// An import under way.
#[derive(Debug)]
pub(super) struct Import {
    waiter: Waiter,
    /// Name of the folders among the images and the layers.
    pub(super) folder: String,
    archive: OwnedFd,
    /// Bytes that it may still take.
    pub(super) max_bytes: u64,
    /// It may take less than it was allowed: the disk has no more room.
    pub(super) short: bool,
    /// When it is given up.
    pub(super) until: Duration,
    stage: Stage,
    run: Option<Run>,
}

/// What is being done.
#[derive(Debug)]
enum Stage {
    /// It is looked which layers there are.
    Look,
    /// All is unpacked at once: a root file system, or there are no snapshots here.
    Whole,
    /// One layer after the other.
    Layers(Box<Layered>),
}

/// The unpacker at work.
#[derive(Debug)]
struct Run {
    result: OwnedFd,
    /// Its group, to be removed.
    cage: Cage,
}

impl Import {
    /// Layers that are here and that the image will be made of.
    pub(super) fn layers(&self) -> &[ImageDigest] {
        match &self.stage {
            Stage::Layers(layered) => &layered.keys,
            Stage::Look | Stage::Whole => &[],
        }
    }
}

/// First line of the unpacker: before it has parsed anything.
#[derive(Debug, Deserialize)]
struct Digest {
    digest: ImageDigest,
}

/// Last line of the unpacker.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Unpacked {
        bytes: u64,
        #[serde(default)]
        config: Option<Box<ImageConfig>>,
    },
    Refused(String),
    /// It takes more than it may.
    TooLarge(String),
    /// The disk has no room for it.
    Full(IgnoredAny),
}

/// What the unpacker says when it has looked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Look {
    Looked(Option<Looked>),
}

/// What is recorded of an image.
#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    bytes: u64,
}

impl Server {
    pub(super) fn import(&mut self, waiter: Waiter, max_bytes: u64, descriptors: Vec<OwnedFd>) {
        if let Err(refusal) = self.begin_import(waiter, max_bytes, descriptors) {
            self.answer(waiter, Err(refusal));
        }
    }

    fn begin_import(
        &mut self,
        waiter: Waiter,
        max_bytes: u64,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let [archive] = <[OwnedFd; 1]>::try_from(descriptors)
            .map_err(|_| failure(FailureKind::Invalid, "an import needs exactly one descriptor"))?;
        let stat = fstat(&archive).at(Step::CloneLower)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(failure(FailureKind::Invalid, "the archive is not a regular file"));
        }
        if self.workers.unpackers() >= IMPORTS_MAX {
            return Err(failure(FailureKind::Conflict, "other imports are under way: try again in a moment"));
        }
        let room = self.tools.storage.room()?;
        if room.full {
            return Err(failure(FailureKind::DiskFull, "the reserve of the storage is touched"));
        }
        let allowed = max_bytes.min(IMAGE_BYTES_MAX);
        // What is running keeps what it needs to go on: a disk is never filled by an image.
        let max_bytes = allowed.min(room.free_bytes);
        let folder = format!("{UNFINISHED}{}", atoll_types::SandboxId::random());
        let stage = if self.tools.storage.keeps_layers() { Stage::Look } else { Stage::Whole };
        let (short, until) = (max_bytes < allowed, now() + IMPORT_TIME);
        let import = Import { waiter, folder, archive, max_bytes, short, until, stage, run: None };
        Ok(self.unpack(import)?)
    }

    /// Lets the unpacker do what is next. Where that fails nothing is left.
    fn unpack(&mut self, mut import: Import) -> Result<(), StepError> {
        let folder = import.folder.clone();
        let started = match self.start_unpacker(&import) {
            Ok((pidfd, run)) => {
                import.run = Some(run);
                self.enlist_worker(pidfd, Task::Import(import))
            }
            Err(error) => Err(error),
        };
        if started.is_err() {
            self.abandon(&folder);
        }
        started
    }

    fn start_unpacker(&mut self, import: &Import) -> Result<(OwnedFd, Run), StepError> {
        let (result, result_end) = pipe_with(PipeFlags::CLOEXEC).at(Step::MakePipe)?;
        rustix::io::ioctl_fionbio(&result, true).at(Step::MakePipe)?;
        let (root, work) = self.root_to_fill(import)?;
        let user_namespace = self.namespaces.get(import::SLOT)?;
        let job = Job {
            work,
            root: &root,
            file: import.archive.as_fd(),
            result: result_end.as_fd(),
            max_bytes: import.max_bytes,
        };
        let (pidfd, cage) = import::start(&self.tools, user_namespace, &job)?;
        Ok((pidfd, Run { result, cage }))
    }

    fn root_to_fill(&self, import: &Import) -> Result<(OwnedFd, Work), StepError> {
        let storage = &self.tools.storage;
        // The limit of the volume is a second fence: blocks and names take room beside the bytes that are counted.
        let limit = import.max_bytes.saturating_mul(2);
        let image = || make_dir(&storage.images, &import.folder, 0o700);
        match &import.stage {
            Stage::Look => Ok((make_dir(&image()?, LOOK, 0o755)?, Work::Look)),
            Stage::Whole => Ok((storage.make_volume(&image()?, "rootfs", limit)?, Work::Unpack)),
            Stage::Layers(layered) => {
                let work = layered.work().ok_or(StepError { step: Step::CloneLower, errno: Errno::NOENT })?;
                let folder = make_dir(&storage.layers, &import.folder, 0o700)?;
                let root = match layered.keys.last() {
                    Some(below) => storage.snapshot(&storage.layer_root(below)?, &folder, "rootfs", limit)?,
                    None => storage.make_volume(&folder, "rootfs", limit)?,
                };
                Ok((root, work))
            }
        }
    }

    /// Takes away what an import has made that is no image and no layer of one.
    fn abandon(&mut self, folder: &str) {
        let storage = &self.tools.storage;
        for place in [&storage.images, &storage.layers] {
            if let Err(error) = storage.discard(place, folder) {
                crate::report::log(&error.to_string());
            }
        }
        self.workers.collect_wanted = true;
        self.discard_unused_layers();
    }

    /// The unpacker has ended.
    pub(super) fn import_ended(&mut self, mut import: Import) {
        let (waiter, folder) = (import.waiter, import.folder.clone());
        let result = import.run.take().map(|run| {
            run.cage.remove(&self.tools);
            read_result(&run.result)
        });
        match self.import_goes_on(&mut import, &result.unwrap_or_default()) {
            Ok(None) => {
                if let Err(error) = self.unpack(import) {
                    self.answer(waiter, Err(error.into()));
                }
                return;
            }
            // It is answered when it is on disk.
            Ok(Some(answer)) => self.workers.to_sync.push((waiter, answer)),
            Err(reason) => self.answer(waiter, Err(reason)),
        }
        drop(import);
        self.abandon(&folder);
    }

    /// Goes on after what the unpacker said: the answer, where nothing is left to do.
    fn import_goes_on(&self, import: &mut Import, result: &[u8]) -> Result<Option<Answer>, Failure> {
        match std::mem::replace(&mut import.stage, Stage::Whole) {
            Stage::Whole => self.keep_image(import, result).map(Some),
            Stage::Look => {
                let line = result.split(|byte| *byte == b'\n').next().filter(|line| !line.is_empty());
                let line = line.ok_or_else(stopped)?;
                let Ok(Look::Looked(looked)) = serde_json::from_slice(line) else {
                    return Err(refusal(line, import.short));
                };
                let Some(looked) = looked else { return Ok(None) };
                let mut layered = Box::new(Layered::new(looked)?);
                let done = self.next_layer(import, &mut layered)?;
                import.stage = Stage::Layers(layered);
                Ok(done)
            }
            Stage::Layers(mut layered) => {
                let done = self.layer_unpacked(import, &mut layered, result)?;
                import.stage = Stage::Layers(layered);
                Ok(done)
            }
        }
    }

    fn keep_image(&self, import: &Import, result: &[u8]) -> Result<Answer, Failure> {
        let mut lines = result.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let first = lines.next().ok_or_else(stopped)?;
        let digest = match serde_json::from_slice::<Digest>(first) {
            Ok(first) => first.digest,
            Err(_) => return Err(refusal(first, import.short)),
        };
        let last = lines.next().ok_or_else(stopped)?;
        let Ok(Outcome::Unpacked { bytes, config }) = serde_json::from_slice(last) else {
            return Err(refusal(last, import.short));
        };
        let checked = config.map(|config| config.checked()).transpose();
        let config =
            checked.map_err(|error| failure(FailureKind::BadArchive, error.to_string()))?.map(Box::new);
        let images = &self.tools.storage.images;
        if let Some(bytes) = image_bytes(images, &digest) {
            // The same archive was imported before; what was unpacked now goes.
            return Ok(Answer::Imported { digest, bytes, config });
        }
        if let Ok(folder) = openat(images, &*import.folder, DIRECTORY, Mode::empty()) {
            // What the first look was made in.
            let _none = unlinkat(&folder, LOOK, AtFlags::REMOVEDIR);
        }
        write_meta(images, &import.folder, bytes)?;
        renameat(images, &*import.folder, images, digest.as_str()).at(Step::MoveToTrash)?;
        Ok(Answer::Imported { digest, bytes, config })
    }
}

/// What is said of an unpacker that said nothing.
pub(super) fn stopped() -> Failure {
    failure(FailureKind::BadArchive, "the unpacker was stopped: too slow, or too much memory")
}

/// What an unpacker that has ended said.
pub(super) fn read_result(result: &OwnedFd) -> Vec<u8> {
    let mut text = vec![0_u8; RESULT_BYTES_MAX];
    let mut length = 0;
    while length < text.len()
        && let Ok(read @ 1..) = rustix::io::read(result, &mut text[length..])
    {
        length += read;
    }
    text.truncate(length);
    text
}

pub(super) fn refusal(line: &[u8], short: bool) -> Failure {
    match serde_json::from_slice(line) {
        Ok(Outcome::TooLarge(_)) if short => no_room(),
        Ok(Outcome::Full(_)) => no_room(),
        Ok(Outcome::Refused(reason) | Outcome::TooLarge(reason)) => {
            failure(FailureKind::BadArchive, shown(&reason))
        }
        Ok(Outcome::Unpacked { .. }) | Err(_) => failure(FailureKind::BadArchive, "the unpacker failed"),
    }
}

fn no_room() -> Failure {
    failure(FailureKind::DiskFull, "the storage has no room for the image")
}

/// What the unpacker says may quote the archive, which strangers made: only what can be shown anywhere, and not much.
pub(super) fn shown(reason: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    reason.chars().take(REASON_CHARS_MAX).map(plain).collect()
}

pub(super) fn write_meta(images: &OwnedFd, folder: &str, bytes: u64) -> Result<(), StepError> {
    let path = format!("{folder}/meta.json");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(images, path, flags, Mode::from_raw_mode(0o600)).at(Step::WriteState)?;
    let text = serde_json::to_vec(&Meta { bytes }).map_err(std::io::Error::from).at(Step::WriteState)?;
    let written = rustix::io::write(file, &text).at(Step::WriteState)?;
    if written == text.len() { Ok(()) } else { Err(StepError { step: Step::WriteState, errno: Errno::IO }) }
}

pub(super) fn image_bytes(images: &OwnedFd, digest: &ImageDigest) -> Option<u64> {
    let path = format!("{digest}/meta.json");
    let file =
        openat(images, path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = [0_u8; 256];
    let length = rustix::io::read(file, &mut text).ok()?;
    serde_json::from_slice::<Meta>(&text[..length]).ok().map(|meta| meta.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_quotes_the_archive_can_be_shown_anywhere() {
        let line = serde_json::json!({"refused": format!("no tar: \u{1b}[2J\u{fffd}\n{}", "x".repeat(999))});
        let failure = refusal(line.to_string().as_bytes(), false);
        assert!(failure.message.starts_with("no tar: ?[2J??xxx"), "{}", failure.message);
        assert_eq!(failure.message.len(), REASON_CHARS_MAX);
    }

    #[test]
    fn a_disk_without_room_is_no_fault_of_the_archive() {
        let kind = |line: &str, short| refusal(line.as_bytes(), short).kind;
        assert_eq!(kind(r#"{"full": "usr/a: no space"}"#, false), FailureKind::DiskFull);
        assert_eq!(kind(r#"{"too_large": "more than 5 bytes"}"#, true), FailureKind::DiskFull);
        assert_eq!(kind(r#"{"too_large": "more than 5 bytes"}"#, false), FailureKind::BadArchive);
        assert_eq!(kind(r#"{"refused": "no tar"}"#, true), FailureKind::BadArchive);
    }
}
