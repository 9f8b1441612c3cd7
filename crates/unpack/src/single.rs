//! One layer at a time, each over what is there: so that layers which several images have are unpacked once.

use std::fs::File;
use std::os::fd::OwnedFd;

use atoll_types::ImageConfig;

use crate::archive::{Filler, same};
use crate::source::{Measured, Packing, Section};
use crate::{Refused, config, layout};

/// What an archive holds that is one of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// What the image says of itself.
    pub config: ImageConfig,
    /// From the lowest.
    pub layers: Vec<LookedLayer>,
}

/// A layer of such an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedLayer {
    /// SHA-256 of its bytes, as the archive says.
    pub digest: String,
    /// SHA-256 of them, decompressed, as the archive says.
    pub diff_id: String,
    /// Its first byte and its length in the archive; none where it is left out.
    pub place: Option<(u64, u64)>,
}

/// Looks for the layers of an archive, which is not changed and of which no layer is read. Nothing where it has none that could
/// be unpacked one by one: it is that of a root file system, is compressed as a whole, or does not name what its layers are.
///
/// # Errors
/// When it is malformed, or for another processor.
pub fn look(input: &File) -> Result<Option<Looked>, Refused> {
    let whole = Section::whole(input).map_err(Refused::Unreadable)?;
    if Packing::of(&whole).map_err(Refused::Unreadable)? != Packing::Plain {
        return Ok(None);
    }
    let Some(found) = layout::find(input)? else { return Ok(None) };
    let (config, diff_ids) = config::read(&found)?;
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (layer, diff_id) in found.layers.iter().zip(diff_ids) {
        let place = layer.place.map(|place| (place.start, place.length));
        let digest = match (&layer.digest, place) {
            (Some(digest), _) => digest.clone(),
            // Where it is not compressed the two are the same.
            (None, Some((start, length)))
                if Packing::of(&Section::new(input, start, length)).map_err(Refused::Unreadable)?
                    == Packing::Plain =>
            {
                diff_id.clone()
            }
            (None, _) => return Ok(None),
        };
        layers.push(LookedLayer { digest, diff_id, place });
    }
    Ok((!layers.is_empty()).then_some(Looked { config, layers }))
}

/// A layer to be unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerJob {
    /// Where it stands in the image, from 1: the first has none below.
    pub number: usize,
    /// Its first byte in the archive.
    pub start: u64,
    /// Its bytes there.
    pub length: u64,
    /// SHA-256 of them, as the archive says.
    pub digest: String,
    /// SHA-256 of the layer, decompressed, as the archive says.
    pub diff_id: String,
    /// Bytes that its files may take.
    pub max_bytes: u64,
}

/// What came of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedLayer {
    /// Bytes of its files.
    pub bytes: u64,
    /// What it counts of what an image may take, in bytes.
    pub counted: u64,
}

impl LayerJob {
    /// SHA-256 of the bytes that are there, before any of them is looked into.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn measure(&self, input: &File) -> Result<String, Refused> {
        let section = Section::new(input, self.start, self.length);
        let digest = Measured::new(section, u64::MAX, true).finish().map_err(Refused::Unreadable)?;
        Ok(digest.unwrap_or_default())
    }

    /// Unpacks the layer over what is in the root, a folder. `found` is what [`Self::measure`] has found.
    ///
    /// # Errors
    /// When it is not what the archive says, malformed, hostile, or beyond a bound, or a file cannot be made. Files made before
    /// that stay.
    pub fn unpack(&self, input: &File, found: String, root: &OwnedFd) -> Result<UnpackedLayer, Refused> {
        let done = self.checked(input, found, root);
        done.map_err(|why| Refused::Layer { number: self.number, why: Box::new(why) })
    }

    fn checked(&self, input: &File, found: String, root: &OwnedFd) -> Result<UnpackedLayer, Refused> {
        let section = Section::new(input, self.start, self.length);
        let packing = Packing::of(&section).map_err(Refused::Unreadable)?;
        if packing == Packing::Plain {
            same("the unpacked layer", found.clone(), &self.diff_id)?;
        }
        same("the layer", found, &self.digest)?;
        let mut filler = Filler::new(root, self.max_bytes);
        filler.root.begin_layer();
        if self.number > 1 {
            filler.root.begin_layer();
        }
        let plain = filler.layer_entries(section, packing, packing != Packing::Plain)?;
        if packing != Packing::Plain {
            same("the unpacked layer", plain, &self.diff_id)?;
        }
        let (bytes, counted) = (filler.done.bytes, filler.counted);
        filler.root.finish();
        Ok(UnpackedLayer { bytes, counted })
    }
}
