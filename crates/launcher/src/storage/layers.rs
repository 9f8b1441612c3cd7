//! Layers that images share: each is a snapshot of those below it with its own files over them, kept as long as an image is made of
//! it. What they have in common is on disk once, as the file system keeps the files of snapshots.

use std::collections::HashSet;
use std::os::fd::OwnedFd;

use atoll_types::ImageDigest;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, statat};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Kind, Storage, ioctl};
use crate::house::DIRECTORY;
use crate::report::{At, Step, StepError};

/// What begins the name of a folder that is being filled.
pub(crate) const UNFINISHED: &str = ".import-";
/// Longest file of ours that is read, in bytes: the names of all layers that an image may have.
const FILE_BYTES_MAX: usize = 64 << 10;
/// Most layers of an image.
const LAYERS_MAX: usize = 512;
/// File of an image that names its layers, from the lowest.
const LAYERS: &str = "layers.json";
/// File of a layer that says what it has.
const META: &str = "meta.json";

/// What is recorded of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerMeta {
    /// Bytes of its own files.
    pub(crate) bytes: u64,
    /// What it counts of what an image may take, in bytes.
    pub(crate) counted: u64,
}

/// The name of a layer over another: made of the SHA-256 of its bytes and the name of what is below, as chains of layers are named
/// everywhere, but of the bytes as they came. Those are known before anybody looks into them. It is no digest of an archive.
pub(crate) fn chain(below: Option<&ImageDigest>, digest: &ImageDigest) -> ImageDigest {
    let below = below.map_or("nothing", ImageDigest::as_str);
    let hash = Sha256::digest(format!("atoll layer {digest} over {below}"));
    let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    // 32 bytes are always a digest.
    text.parse().unwrap_or_else(|_| digest.clone())
}

impl Storage {
    /// Whether layers can be kept one by one: it takes snapshots.
    pub(crate) fn keeps_layers(&self) -> bool {
        matches!(self.kind, Kind::Btrfs { .. })
    }

    /// Makes a subvolume that begins as another, which it shares its files with.
    pub(crate) fn snapshot(
        &self,
        source: &OwnedFd,
        parent: &OwnedFd,
        name: &str,
        bytes: u64,
    ) -> Result<OwnedFd, StepError> {
        ioctl::snapshot_subvolume(source, parent, name).at(Step::MakeLayer)?;
        let volume = openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).at(Step::MakeLayer)?;
        if self.has_limits() {
            ioctl::limit_subvolume(&volume, bytes).at(Step::LimitLayer)?;
        }
        Ok(volume)
    }

    /// The files of a layer with all below it.
    pub(crate) fn layer_root(&self, key: &ImageDigest) -> Result<OwnedFd, StepError> {
        let path = format!("{key}/rootfs");
        openat(&self.layers, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).at(Step::OpenLayer)
    }

    /// What is recorded of a layer; nothing where it is not here.
    pub(crate) fn layer_meta(&self, key: &ImageDigest) -> Option<LayerMeta> {
        read(&self.layers, &format!("{key}/{META}"))
    }

    /// Makes a layer of an unfinished folder; one that came before stays.
    pub(crate) fn keep_layer(
        &self,
        folder: &str,
        key: &ImageDigest,
        meta: LayerMeta,
    ) -> Result<(), StepError> {
        write(&self.layers, &format!("{folder}/{META}"), &meta)?;
        match renameat(&self.layers, folder, &self.layers, key.as_str()) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST | Errno::NOTEMPTY) => self.discard(&self.layers, folder).map(drop),
            Err(errno) => Err(StepError { step: Step::MoveToTrash, errno }),
        }
    }

    /// Writes down what an image is made of, in its folder, before it has its name.
    pub(crate) fn write_layers(&self, folder: &str, keys: &[ImageDigest]) -> Result<(), StepError> {
        write(&self.images, &format!("{folder}/{LAYERS}"), &keys)
    }

    /// What an image is made of, from the lowest layer; nothing where it was unpacked as a whole.
    pub(crate) fn layers_of(&self, image: &ImageDigest) -> Vec<ImageDigest> {
        let mut keys: Vec<ImageDigest> = read(&self.images, &format!("{image}/{LAYERS}")).unwrap_or_default();
        keys.truncate(LAYERS_MAX);
        keys
    }

    /// Takes away the layers that none of these is; whether there were any. What is being filled stays.
    pub(crate) fn discard_layers_but(&self, used: &HashSet<ImageDigest>) -> Result<bool, StepError> {
        let mut any = false;
        let Ok(entries) = Dir::read_from(&self.layers) else { return Ok(false) };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned));
        for name in names {
            if name.parse::<ImageDigest>().is_ok_and(|key| !used.contains(&key)) {
                any |= self.discard(&self.layers, &name)?;
            }
        }
        Ok(any)
    }

    /// Whether a layer is here.
    pub(crate) fn has_layer(&self, key: &ImageDigest) -> bool {
        statat(&self.layers, key.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }
}

fn write(folder: &OwnedFd, path: &str, content: &impl Serialize) -> Result<(), StepError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, path, flags, Mode::from_raw_mode(0o600)).at(Step::WriteState)?;
    let text = serde_json::to_vec(content).map_err(std::io::Error::from).at(Step::WriteState)?;
    let written = rustix::io::write(file, &text).at(Step::WriteState)?;
    if written == text.len() { Ok(()) } else { Err(StepError { step: Step::WriteState, errno: Errno::IO }) }
}

fn read<T: DeserializeOwned>(folder: &OwnedFd, path: &str) -> Option<T> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, path, flags, Mode::empty()).ok()?;
    let mut text = vec![0_u8; FILE_BYTES_MAX];
    let mut length = 0;
    while length < text.len() {
        match rustix::io::read(&file, &mut text[length..]).ok()? {
            0 => break,
            read => length += read,
        }
    }
    serde_json::from_slice(&text[..length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_has_another_name_over_other_layers() {
        let digest = |digit: &str| digit.repeat(64).parse::<ImageDigest>().unwrap();
        let (a, b) = (digest("a"), digest("b"));
        assert_ne!(chain(None, &a), a);
        assert_ne!(chain(Some(&a), &b), chain(Some(&b), &b));
        assert_ne!(chain(Some(&a), &b), chain(Some(&b), &a));
        assert_eq!(chain(Some(&a), &b), chain(Some(&a), &b));
    }
}
