//! Images layer by layer: one that is here already, over the same layers, is not unpacked again.

use std::collections::{HashMap, HashSet};

use atoll_launcher_protocol::{Answer, Failure, FailureKind, ImageSize};
use atoll_types::{ImageConfig, ImageDigest};
use rustix::fs::{AtFlags, openat, renameat, unlinkat};
use serde::Deserialize;

use super::Server;
use super::import::{self, Import, image_bytes, stopped, write_meta};
use crate::house::DIRECTORY;
use crate::import::Work;
use crate::report::{At, Step, StepError, failure, log};
use crate::storage::{LayerMeta, chain};

/// What the unpacker has found in an archive.
#[derive(Debug, Deserialize)]
pub(super) struct Looked {
    config: Box<ImageConfig>,
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
struct Layer {
    digest: ImageDigest,
    diff_id: ImageDigest,
    /// First byte, and length.
    place: Option<(u64, u64)>,
}

/// The line with which a layer ends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Layer(LayerMeta),
}

#[derive(Debug, Deserialize)]
struct Digest {
    digest: ImageDigest,
}

/// An image that is made layer by layer.
#[derive(Debug)]
pub(super) struct Layered {
    looked: Looked,
    /// Names of its layers that are here, from the lowest.
    pub(super) keys: Vec<ImageDigest>,
    /// Bytes of their files.
    bytes: u64,
}

impl Layered {
    pub(super) fn new(looked: Looked) -> Result<Self, Failure> {
        let wrong = |error: atoll_types::InputError| failure(FailureKind::BadArchive, error.to_string());
        let looked = Looked { config: Box::new(looked.config.checked().map_err(wrong)?), ..looked };
        Ok(Self { looked, keys: Vec::new(), bytes: 0 })
    }

    fn next(&self) -> Option<&Layer> {
        self.looked.layers.get(self.keys.len())
    }

    /// What the unpacker is to do next.
    pub(super) fn work(&self) -> Option<Work> {
        let layer = self.next()?;
        let (start, length) = layer.place?;
        Some(Work::Layer {
            number: self.keys.len() + 1,
            start,
            length,
            digest: layer.digest.clone(),
            diff_id: layer.diff_id.clone(),
        })
    }

    /// Notes the next layer, which is here by this name; what is left of the bytes that the image may take.
    fn take(&mut self, key: ImageDigest, meta: LayerMeta, left: u64) -> Result<u64, Failure> {
        self.keys.push(key);
        self.bytes = self.bytes.saturating_add(meta.bytes);
        let too_large = || failure(FailureKind::BadArchive, "the image's layers take more than is allowed");
        left.checked_sub(meta.counted).ok_or_else(too_large)
    }
}

impl Server {
    /// Goes on after what the unpacker said of a layer: the answer, where that was the last.
    pub(super) fn layer_unpacked(
        &self,
        import: &mut Import,
        layered: &mut Layered,
        result: &[u8],
    ) -> Result<Option<Answer>, Failure> {
        let mut lines = result.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let first = lines.next().ok_or_else(stopped)?;
        let Ok(Digest { digest }) = serde_json::from_slice(first) else {
            return Err(import::refusal(first, import.short));
        };
        let last = lines.next().ok_or_else(stopped)?;
        let Ok(Outcome::Layer(meta)) = serde_json::from_slice(last) else {
            return Err(import::refusal(last, import.short));
        };
        if layered.next().is_none_or(|layer| layer.digest != digest) {
            return Err(failure(FailureKind::BadArchive, "a layer is not the one that the image names"));
        }
        let key = chain(layered.keys.last(), &digest);
        self.tools.storage.keep_layer(&import.folder, &key, meta)?;
        import.max_bytes = layered.take(key, meta, import.max_bytes)?;
        self.next_layer(import, layered)
    }

    /// Passes by the layers that are here: the answer, where all are.
    pub(super) fn next_layer(
        &self,
        import: &mut Import,
        layered: &mut Layered,
    ) -> Result<Option<Answer>, Failure> {
        while let Some(layer) = layered.next() {
            let key = chain(layered.keys.last(), &layer.digest);
            let Some(meta) = self.tools.storage.layer_meta(&key) else {
                if layer.place.is_none() {
                    let why = format!(
                        "the archive is cut off or incomplete: blobs/sha256/{} is missing",
                        layer.digest
                    );
                    return Err(failure(FailureKind::BadArchive, why));
                }
                return Ok(None);
            };
            import.max_bytes = layered.take(key, meta, import.max_bytes)?;
        }
        self.keep_layered(import, layered).map(Some)
    }

    /// Makes the image of its layers, which are all here. It has the name of the last: the same layers are the same image.
    fn keep_layered(&self, import: &Import, layered: &mut Layered) -> Result<Answer, Failure> {
        let storage = &self.tools.storage;
        let digest = layered.keys.last().ok_or_else(stopped)?.clone();
        let (bytes, config) = (layered.bytes, Some(layered.looked.config.clone()));
        if image_bytes(&storage.images, &digest).is_some() {
            return Ok(Answer::Imported { digest, bytes, config });
        }
        let made = || -> Result<(), StepError> {
            let folder = openat(&storage.images, &*import.folder, DIRECTORY, rustix::fs::Mode::empty())
                .at(Step::MakeFolder)?;
            // What the first look was made in.
            let _gone = unlinkat(&folder, import::LOOK, AtFlags::REMOVEDIR);
            storage.snapshot(&storage.layer_root(&digest)?, &folder, "rootfs", u64::MAX)?;
            storage.write_layers(&import.folder, &layered.keys)?;
            write_meta(&storage.images, &import.folder, bytes)?;
            renameat(&storage.images, &*import.folder, &storage.images, digest.as_str()).at(Step::MoveToTrash)
        };
        made()?;
        Ok(Answer::Imported { digest, bytes, config })
    }

    /// Removes the layers that no image is made of any more, nor one that is being made.
    pub(super) fn discard_unused_layers(&mut self) {
        if !self.tools.storage.keeps_layers() {
            return;
        }
        let images = self.image_digests();
        let mut used: HashSet<ImageDigest> =
            images.iter().flat_map(|image| self.tools.storage.layers_of(image)).collect();
        used.extend(self.workers.imported_layers().cloned());
        match self.tools.storage.discard_layers_but(&used) {
            Ok(any) => self.workers.collect_wanted |= any,
            Err(error) => log(&error.to_string()),
        }
    }

    /// How many of these layers are here over each other, from the lowest.
    pub(super) fn known_layers(&self, digests: &[ImageDigest]) -> u32 {
        let mut below: Option<ImageDigest> = None;
        let mut known = 0;
        for digest in digests {
            let key = chain(below.as_ref(), digest);
            if !self.tools.storage.has_layer(&key) {
                break;
            }
            known += 1;
            below = Some(key);
        }
        known
    }

    /// What images take alone and together with others.
    pub(super) fn image_sizes(&self, images: &[ImageDigest]) -> Vec<ImageSize> {
        let storage = &self.tools.storage;
        let all: HashMap<ImageDigest, Vec<ImageDigest>> = self
            .image_digests()
            .into_iter()
            .map(|image| (image.clone(), storage.layers_of(&image)))
            .collect();
        let mut uses: HashMap<&ImageDigest, u32> = HashMap::new();
        for key in all.values().flatten() {
            *uses.entry(key).or_default() += 1;
        }
        let size = |image: &ImageDigest| {
            let keys = all.get(image).map(Vec::as_slice).unwrap_or_default();
            if keys.is_empty() {
                let unique_bytes = image_bytes(&storage.images, image).unwrap_or(0);
                return ImageSize { shared_bytes: 0, unique_bytes };
            }
            let mut size = ImageSize { shared_bytes: 0, unique_bytes: 0 };
            for key in keys {
                let bytes = storage.layer_meta(key).map_or(0, |meta| meta.bytes);
                let shared = uses.get(key).is_some_and(|uses| *uses > 1);
                *(if shared { &mut size.shared_bytes } else { &mut size.unique_bytes }) += bytes;
            }
            size
        };
        images.iter().map(size).collect()
    }
}
