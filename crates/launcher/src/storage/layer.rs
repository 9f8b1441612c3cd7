//! The writable layer of one sandbox.

use std::os::fd::OwnedFd;

use atoll_types::{ImageDigest, SandboxId};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::{Kind, Storage, ioctl};
use crate::house::{DIRECTORY, make_dir};
use crate::report::{At, Step, StepError};

/// Where the kernel marks that an overlay with `volatile` was mounted on this layer, in the layer: it is there while
/// the overlay is, and stays when the files may not be what was written last.
const VOLATILE_MARK: [(&str, AtFlags); 3] = [
    ("work/work/incompat/volatile/dirty", AtFlags::empty()),
    ("work/work/incompat/volatile", AtFlags::REMOVEDIR),
    ("work/work/incompat", AtFlags::REMOVEDIR),
];

/// What a layer may hold beyond its limit while it is not running, in bytes: a full one must be able to start, which
/// makes a few folders, so that its owner can make room.
const START_SLACK_BYTES: u64 = 4 << 20;

/// Folders of the overlay in a layer.
const OVERLAY: [&str; 2] = ["upper", "work"];

impl Storage {
    /// Makes the folder and the layer of a sandbox where they are missing, and sets its size; opens the folder.
    pub(crate) fn make_layer(&self, sandbox: &SandboxId, disk_bytes: u64) -> Result<OwnedFd, StepError> {
        let folder = make_dir(&self.sandboxes, sandbox.as_str(), 0o700)?;
        let layer = self.make_volume(&folder, "layer", disk_bytes.saturating_add(START_SLACK_BYTES))?;
        for name in OVERLAY {
            // `upper` becomes the root of the sandbox: everybody inside may enter it.
            make_dir(&layer, name, 0o755)?;
        }
        Ok(folder)
    }

    /// Sets the size of a layer that runs now to exactly its limit.
    pub(crate) fn limit_layer(&self, sandbox: &SandboxId, disk_bytes: u64) -> Result<(), StepError> {
        if !self.has_limits() {
            return Ok(());
        }
        let path = format!("{sandbox}/layer");
        let layer = openat(&self.sandboxes, path, DIRECTORY, Mode::empty()).at(Step::LimitLayer)?;
        ioctl::limit_subvolume(&layer, disk_bytes).at(Step::LimitLayer)
    }

    /// Makes a subvolume where it is missing, or a plain folder, and limits it.
    pub(crate) fn make_volume(&self, parent: &OwnedFd, name: &str, bytes: u64) -> Result<OwnedFd, StepError> {
        if let Kind::Btrfs { .. } = self.kind {
            match ioctl::create_subvolume(parent, name) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(StepError { step: Step::MakeLayer, errno }),
            }
        }
        let volume = make_dir(parent, name, 0o755)?;
        if self.has_limits() {
            ioctl::limit_subvolume(&volume, bytes).at(Step::LimitLayer)?;
        }
        Ok(volume)
    }

    /// Opens the folder of a sandbox; `None` where there is none.
    pub(crate) fn open_folder(&self, sandbox: &SandboxId) -> Result<Option<OwnedFd>, StepError> {
        match openat(&self.sandboxes, sandbox.as_str(), DIRECTORY, Mode::empty()) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(StepError { step: Step::OpenLayer, errno }),
        }
    }

    /// Whether an image is unpacked here.
    pub(crate) fn has_image(&self, digest: &ImageDigest) -> bool {
        statat(&self.images, digest.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Takes a sandbox's folder away, to be removed later; one that is gone is fine.
    pub(crate) fn discard_sandbox(&self, sandbox: &SandboxId) -> Result<bool, StepError> {
        self.discard(&self.sandboxes, sandbox.as_str())
    }

    /// Takes a folder of the pool away, to be removed later; whether there was one.
    pub(crate) fn discard(&self, parent: &OwnedFd, name: &str) -> Result<bool, StepError> {
        match renameat(parent, name, &self.trash, format!("{}-{}", name, SandboxId::random())) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(StepError { step: Step::MoveToTrash, errno }),
        }
    }
}

/// Opens the layer in a sandbox's folder.
fn open_layer(folder: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    openat(folder, "layer", DIRECTORY, Mode::empty())
}

/// Whether the layer was not closed since its overlay was mounted last.
pub(crate) fn is_dirty(folder: &OwnedFd) -> bool {
    open_layer(folder)
        .is_ok_and(|layer| statat(&layer, VOLATILE_MARK[1].0, AtFlags::SYMLINK_NOFOLLOW).is_ok())
}

/// Removes the mark, without which the kernel mounts no overlay on the layer again.
pub(crate) fn clear_dirty(folder: &OwnedFd) -> Result<(), StepError> {
    let layer = open_layer(folder).at(Step::ClearDirty)?;
    for (path, flags) in VOLATILE_MARK {
        match unlinkat(&layer, path, flags) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(StepError { step: Step::ClearDirty, errno }),
        }
    }
    Ok(())
}

/// Puts the layer's files on disk, then removes the mark. Slow: for a helper process.
pub(crate) fn close_layer(folder: &OwnedFd) -> Result<(), StepError> {
    let layer = openat(folder, "layer", DIRECTORY | OFlags::RDONLY, Mode::empty()).at(Step::OpenLayer)?;
    rustix::fs::syncfs(&layer).at(Step::ClearDirty)?;
    clear_dirty(folder)
}
