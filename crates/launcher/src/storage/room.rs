//! Room: how much there is, when to grow, when to refuse.

use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, fallocate, fstat, fstatvfs};

use super::ioctl;
use super::{Kind, Storage};
use crate::report::{At, Step, StepError, log};

/// What is left to the host, in bytes: its logs and databases must go on when sandboxes want all there is.
pub(super) const RESERVE_BYTES: u64 = 2 << 30;

/// Below this much free room creates are refused, in bytes: what runs already needs it.
const FULL_BYTES: u64 = 256 << 20;

/// Below this much free room on the host creates are refused too, in bytes, however much is free in the image: the
/// records and logs of what runs already are on the host, and each exec may log 64 MiB.
const HOST_FULL_BYTES: u64 = 256 << 20;

/// The image grows when less than this is free in it, in bytes: more than sandboxes write between two looks.
const GROW_BELOW_BYTES: u64 = 2 << 30;

/// How far it grows at once, in bytes.
const GROW_BYTES: u64 = 4 << 30;

/// Room of the storage, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// What sandboxes can still use, growth included.
    pub(crate) free_bytes: u64,
    /// Its size, growth included.
    pub(crate) total_bytes: u64,
    /// Whether creates are refused.
    pub(crate) full: bool,
}

/// Free bytes of the host's file system.
pub(super) fn host_free_bytes(host: &OwnedFd) -> Result<u64, StepError> {
    let stat = fstatvfs(host).at(Step::MakePool)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl Storage {
    /// What may still be written beside the storage, on the host's own file system, in bytes.
    pub(crate) fn host_room(&self) -> Result<u64, StepError> {
        Ok(host_free_bytes(&self.host)?.saturating_sub(HOST_FULL_BYTES))
    }

    /// Looks at the room.
    pub(crate) fn room(&self) -> Result<Room, StepError> {
        let stat = fstatvfs(&self.pool).at(Step::OpenLayer)?;
        let (free, total) =
            (stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize));
        let host_free = host_free_bytes(&self.host)?;
        let (growth, reserve) = match &self.kind {
            Kind::Btrfs { image: Some(_), .. } => (host_free.saturating_sub(RESERVE_BYTES), 0),
            Kind::Btrfs { image: None, .. } | Kind::Plain => (0, RESERVE_BYTES),
        };
        let free_bytes = free.saturating_add(growth).saturating_sub(reserve);
        let full = free_bytes < FULL_BYTES || host_free < HOST_FULL_BYTES;
        Ok(Room { free_bytes, total_bytes: total.saturating_add(growth), full })
    }

    /// Grows the image where its free room runs short and the host has some to give. Room is taken from the host
    /// before it is used: a write inside the image can never fail because the host's disk is full.
    pub(crate) fn grow_if_short(&self) {
        let Kind::Btrfs { image: Some(image), .. } = &self.kind else { return };
        let Ok(stat) = fstatvfs(&self.pool) else { return };
        if stat.f_bavail.saturating_mul(stat.f_frsize) >= GROW_BELOW_BYTES {
            return;
        }
        let grown = (|| {
            let spare = host_free_bytes(&self.host)?.saturating_sub(RESERVE_BYTES);
            let bytes = GROW_BYTES.min(spare);
            if bytes < FULL_BYTES {
                return Ok(());
            }
            let size = u64::try_from(fstat(&image.file).at(Step::GrowPool)?.st_size).unwrap_or(0);
            fallocate(&image.file, FallocateFlags::empty(), size, bytes).at(Step::GrowPool)?;
            ioctl::refresh_loop(&image.device).at(Step::GrowPool)?;
            ioctl::resize_to_device(&self.pool).at(Step::GrowPool)
        })();
        if let Err(error) = grown {
            let error: StepError = error;
            log(&error.to_string());
        }
    }
}
