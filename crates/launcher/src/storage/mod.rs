//! Files of sandboxes and images, below `DIR/native/pool`, which only root can enter:
//!
//! ```text
//! pool/images/<digest>/            an unpacked image: its root is `rootfs`
//! pool/layers/<key>/               a layer over those below it, which images share
//! pool/host                        a link to the root of the host image that new sandboxes get
//! pool/host-<key>/                 the root of the host image, without /usr
//! pool/sandboxes/<id>/state.json   what it was last started with
//! pool/sandboxes/<id>/layer/       its writable layer: `upper` and `work` of the overlay
//! pool/trash/                      removed, to be collected
//! ```
//!
//! The pool is btrfs, so that a layer is a subvolume with a limit: the host's own, or a loop-mounted image file. Where
//! neither can be had it is plain folders, and the disk limit is said to be missing.

mod collect;
mod ioctl;
mod layer;
mod layers;
mod pool;
mod room;

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::house::{House, make_dir};
use crate::report::StepError;

pub(crate) use layer::{clear_dirty, close_layer, is_dirty};
pub(crate) use layers::{LayerMeta, UNFINISHED, chain};

/// What the pool is made of.
#[derive(Debug)]
enum Kind {
    /// btrfs; whether its quotas work, and our image file with its device, if it is ours.
    Btrfs { limits: bool, image: Option<pool::Image> },
    /// Plain folders.
    Plain,
}

/// The storage, opened.
#[derive(Debug)]
pub(crate) struct Storage {
    kind: Kind,
    /// `DIR/native`, for the room of the host's file system.
    host: OwnedFd,
    /// The pool itself.
    pub(crate) pool: OwnedFd,
    /// Sandboxes' folders.
    pub(crate) sandboxes: OwnedFd,
    /// Images' folders.
    pub(crate) images: OwnedFd,
    /// Layers' folders.
    pub(crate) layers: OwnedFd,
    /// Removed folders.
    trash: OwnedFd,
}

impl Storage {
    /// Finds or makes the pool.
    pub(crate) fn open(house: &House, data_dir: &Path) -> Result<Self, StepError> {
        let (kind, pool) = pool::open(&house.native, data_dir)?;
        Ok(Self {
            kind,
            host: house.native.try_clone().map_err(|_| StepError {
                step: crate::report::Step::OpenDataDir,
                errno: rustix::io::Errno::MFILE,
            })?,
            sandboxes: make_dir(&pool, "sandboxes", 0o700)?,
            images: make_dir(&pool, "images", 0o700)?,
            layers: make_dir(&pool, "layers", 0o700)?,
            trash: make_dir(&pool, "trash", 0o700)?,
            pool,
        })
    }

    /// Whether disk limits hold.
    pub(crate) fn has_limits(&self) -> bool {
        matches!(self.kind, Kind::Btrfs { limits: true, .. })
    }
}
