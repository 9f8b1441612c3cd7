//! Exports: the root of an image is packed into a file of serve's, by the confined helper that unpacks images.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use atoll_launcher_protocol::{Answer, Failure, FailureKind};
use atoll_types::ImageDigest;
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fstat, openat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Server;
use super::connection::Waiter;
use super::import::{IMAGE_BYTES_MAX, IMPORT_TIME, IMPORTS_MAX, read_result, shown};
use super::workers::Task;
use crate::clock::now;
use crate::house::DIRECTORY;
use crate::import::{self, Cage, Job, Work};
use crate::report::{At, Step, StepError, failure};

/// An export under way.
#[derive(Debug)]
pub(super) struct Export {
    waiter: Waiter,
    /// The image, which stays until it is over.
    pub(super) digest: ImageDigest,
    result: OwnedFd,
    /// It may take less than it was allowed: the disk has no more room.
    short: bool,
    /// When it is given up.
    pub(super) until: Duration,
    /// Its group, to be removed.
    cage: Cage,
}

/// What the helper says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Packed { digest: ImageDigest, diff_id: ImageDigest, bytes: u64 },
    Refused(String),
    TooLarge(String),
    Full(IgnoredAny),
}

impl Server {
    pub(super) fn export(
        &mut self,
        waiter: Waiter,
        digest: &ImageDigest,
        max_bytes: u64,
        descriptors: Vec<OwnedFd>,
    ) {
        if let Err(refusal) = self.begin_export(waiter, digest, max_bytes, descriptors) {
            self.answer(waiter, Err(refusal));
        }
    }

    fn begin_export(
        &mut self,
        waiter: Waiter,
        digest: &ImageDigest,
        max_bytes: u64,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let [file] = <[OwnedFd; 1]>::try_from(descriptors)
            .map_err(|_| failure(FailureKind::Invalid, "an export needs exactly one descriptor"))?;
        let regular = FileType::from_raw_mode(fstat(&file).at(Step::CloneLower)?.st_mode);
        let flags = fcntl_getfl(&file).at(Step::CloneLower)?;
        if regular != FileType::RegularFile || !flags.contains(OFlags::RDWR) {
            return Err(failure(FailureKind::Invalid, "what is to hold the layer is no file to write to"));
        }
        if self.workers.unpackers() >= IMPORTS_MAX {
            return Err(failure(FailureKind::Conflict, "other imports are under way: try again in a moment"));
        }
        let missing = || failure(FailureKind::NotFound, format!("the image {digest} is not here"));
        let root = match openat(
            &self.tools.storage.images,
            format!("{digest}/rootfs"),
            DIRECTORY | OFlags::NOFOLLOW,
            Mode::empty(),
        ) {
            Ok(root) => root,
            Err(Errno::NOENT) => return Err(missing()),
            Err(errno) => return Err(StepError { step: Step::CloneLower, errno }.into()),
        };
        let allowed = max_bytes.min(IMAGE_BYTES_MAX);
        let max_bytes = allowed.min(self.tools.storage.host_room()?);
        Ok(self.start_packer(waiter, digest, &root, &file, max_bytes, max_bytes < allowed)?)
    }

    fn start_packer(
        &mut self,
        waiter: Waiter,
        digest: &ImageDigest,
        root: &OwnedFd,
        file: &OwnedFd,
        max_bytes: u64,
        short: bool,
    ) -> Result<(), StepError> {
        let (result, result_end) = pipe_with(PipeFlags::CLOEXEC).at(Step::MakePipe)?;
        rustix::io::ioctl_fionbio(&result, true).at(Step::MakePipe)?;
        let user_namespace = self.namespaces.get(import::SLOT)?;
        let job = Job { work: Work::Pack, root, file: file.as_fd(), result: result_end.as_fd(), max_bytes };
        let (pidfd, cage) = import::start(&self.tools, user_namespace, &job)?;
        let until = now() + IMPORT_TIME;
        let export = Export { waiter, digest: digest.clone(), result, short, until, cage };
        self.enlist_worker(pidfd, Task::Export(export))
    }

    /// The helper has ended.
    pub(super) fn export_ended(&mut self, export: &Export) {
        export.cage.remove(&self.tools);
        // Its group waits to be collected.
        self.workers.collect_wanted = true;
        let result = told(&read_result(&export.result), export.short);
        self.answer(export.waiter, result);
    }
}

fn told(result: &[u8], short: bool) -> Result<Answer, Failure> {
    let no_room = || failure(FailureKind::DiskFull, "the host's disk has no room for the layer");
    match serde_json::from_slice(result) {
        Ok(Outcome::Packed { digest, diff_id, bytes }) => Ok(Answer::Exported { digest, diff_id, bytes }),
        Ok(Outcome::Full(_)) => Err(no_room()),
        Ok(Outcome::TooLarge(_)) if short => Err(no_room()),
        Ok(Outcome::Refused(reason) | Outcome::TooLarge(reason)) => {
            Err(failure(FailureKind::BadArchive, shown(&reason)))
        }
        Err(_) => Err(failure(FailureKind::System, "the packer was stopped: too slow, or too much memory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_from_a_layer_that_is_too_large() {
        let kind = |line: &str, short| told(line.as_bytes(), short).unwrap_err().kind;
        assert_eq!(kind(r#"{"full": "the layer: no space"}"#, false), FailureKind::DiskFull);
        assert_eq!(kind(r#"{"too_large": "more than 5 bytes"}"#, true), FailureKind::DiskFull);
        assert_eq!(kind(r#"{"too_large": "more than 5 bytes"}"#, false), FailureKind::BadArchive);
        assert_eq!(kind(r#"{"refused": "usr/a: an error"}"#, true), FailureKind::BadArchive);
        assert_eq!(kind("", false), FailureKind::System);
    }
}
