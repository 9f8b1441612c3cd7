//! Imports: an archive is unpacked by a confined helper into a folder that becomes an image when it is whole.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use atoll_launcher_protocol::{Answer, Failure, FailureKind};
use atoll_types::{ImageConfig, ImageDigest};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat, renameat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::Server;
use super::connection::Waiter;
use super::workers::Task;
use crate::clock::now;
use crate::house::make_dir;
use crate::import::{self, Cage};
use crate::report::{At, Step, StepError, failure};

/// Imports at once: each reads and writes as fast as the disk goes.
const IMPORTS_MAX: usize = 2;

/// How long one may take.
const IMPORT_TIME: Duration = Duration::from_secs(600);

/// Largest image, in bytes of its files.
const IMAGE_BYTES_MAX: u64 = 64 << 30;

/// Longest reason of a refusal, in characters: a sentence with the start of a path.
const REASON_CHARS_MAX: usize = 200;
/// Longest result that is read from the unpacker, in bytes: it parses what strangers made. What an image says of itself is in
/// it. A pipe holds more, so the unpacker need not wait until somebody reads; and a packet to serve has room for it.
const RESULT_BYTES_MAX: usize = 48 << 10;

/// An import under way.
#[derive(Debug)]
pub(super) struct Import {
    waiter: Waiter,
    /// Name of the folder among the images.
    folder: String,
    result: OwnedFd,
    /// It may take less than it was allowed: the disk has no more room.
    short: bool,
    /// When it is given up.
    pub(super) until: Duration,
    /// Its group, to be removed.
    cage: Cage,
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
        if self.workers.imports().count() >= IMPORTS_MAX {
            return Err(failure(FailureKind::Conflict, "other imports are under way: try again in a moment"));
        }
        let room = self.tools.storage.room()?;
        if room.full {
            return Err(failure(FailureKind::DiskFull, "the reserve of the storage is touched"));
        }
        let allowed = max_bytes.min(IMAGE_BYTES_MAX);
        // What is running keeps what it needs to go on: a disk is never filled by an image.
        let max_bytes = allowed.min(room.free_bytes);
        let folder = format!(".import-{}", atoll_types::SandboxId::random());
        let made = self.start_unpacker(waiter, &folder, &archive, max_bytes, max_bytes < allowed);
        if made.is_err() {
            self.tools.storage.discard(&self.tools.storage.images, &folder)?;
            self.workers.collect_wanted = true;
        }
        Ok(made?)
    }

    fn start_unpacker(
        &mut self,
        waiter: Waiter,
        folder: &str,
        archive: &OwnedFd,
        max_bytes: u64,
        short: bool,
    ) -> Result<(), StepError> {
        let dir = make_dir(&self.tools.storage.images, folder, 0o700)?;
        // The limit of the volume is a second fence: blocks and names take room beside the bytes that are counted.
        let root = self.tools.storage.make_volume(&dir, "rootfs", max_bytes.saturating_mul(2))?;
        let (result, result_end) = pipe_with(PipeFlags::CLOEXEC).at(Step::MakePipe)?;
        rustix::io::ioctl_fionbio(&result, true).at(Step::MakePipe)?;
        let user_namespace = self.namespaces.get(import::SLOT)?;
        let (pidfd, cage) = import::start(
            &self.tools,
            user_namespace,
            &root,
            archive.as_fd(),
            result_end.as_fd(),
            max_bytes,
        )?;
        let until = now() + IMPORT_TIME;
        let import = Import { waiter, folder: folder.to_owned(), result, short, until, cage };
        self.enlist_worker(pidfd, Task::Import(import))
    }

    /// The unpacker has ended.
    pub(super) fn import_ended(&mut self, import: Import) {
        import.cage.remove(&self.tools);
        let mut text = vec![0_u8; RESULT_BYTES_MAX];
        let mut length = 0;
        while length < text.len()
            && let Ok(read @ 1..) = rustix::io::read(&import.result, &mut text[length..])
        {
            length += read;
        }
        match self.keep_image(&import, &text[..length]) {
            // It is answered when it is on disk.
            Ok(answer) => self.workers.to_sync.push((import.waiter, answer)),
            Err(reason) => self.answer(import.waiter, Err(reason)),
        }
        if let Err(error) = self.tools.storage.discard(&self.tools.storage.images, &import.folder) {
            crate::report::log(&error.to_string());
        }
        self.workers.collect_wanted = true;
    }

    fn keep_image(&self, import: &Import, result: &[u8]) -> Result<Answer, Failure> {
        let stopped =
            || failure(FailureKind::BadArchive, "the unpacker was stopped: too slow, or too much memory");
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
        write_meta(images, &import.folder, bytes)?;
        renameat(images, &*import.folder, images, digest.as_str()).at(Step::MoveToTrash)?;
        Ok(Answer::Imported { digest, bytes, config })
    }
}

fn refusal(line: &[u8], short: bool) -> Failure {
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
fn shown(reason: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    reason.chars().take(REASON_CHARS_MAX).map(plain).collect()
}

fn write_meta(images: &OwnedFd, folder: &str, bytes: u64) -> Result<(), StepError> {
    let path = format!("{folder}/meta.json");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(images, path, flags, Mode::from_raw_mode(0o600)).at(Step::WriteState)?;
    let text = serde_json::to_vec(&Meta { bytes }).map_err(std::io::Error::from).at(Step::WriteState)?;
    let written = rustix::io::write(file, &text).at(Step::WriteState)?;
    if written == text.len() { Ok(()) } else { Err(StepError { step: Step::WriteState, errno: Errno::IO }) }
}

fn image_bytes(images: &OwnedFd, digest: &ImageDigest) -> Option<u64> {
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
