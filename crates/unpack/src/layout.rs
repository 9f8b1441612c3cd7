//! Finds the image in an archive: an OCI image layout, or what `docker save` writes. Told by what the archive holds, not by
//! its name. Every document is bounded before it is read, and checked against its digest where one is named.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

use atoll_oci::{DOCUMENT_BYTES_MAX, INDEXES_MAX, LAYERS_MAX, choose, digest_of, is_index, sha256};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde::Deserialize;
use tar::{Archive, EntryType};

use crate::Refused;
use crate::names;
use crate::source::Section;

/// Most files of an archive that holds an image: its layers, with what old versions of Docker put beside each. An archive
/// with more is a root file system.
const PARTS_MAX: usize = 10_000;
/// Links from a layer to the same one elsewhere, one after the other, at most.
const LINKS_MAX: usize = 8;
/// Where the parts of a layout are.
const BLOBS: &str = "blobs/sha256/";
/// A part of the archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// A layer, and what it is said to be.
#[derive(Debug)]
pub(crate) struct LayerPlace {
    /// None where the archive leaves it out, as one that is there already.
    pub(crate) place: Option<Place>,
    /// SHA-256 of the packed bytes, where it is named.
    pub(crate) digest: Option<String>,
}

impl LayerPlace {
    /// Where it is, where it must be.
    pub(crate) fn present(&self) -> Result<Place, Refused> {
        let name = || format!("{BLOBS}{}", self.digest.as_deref().unwrap_or_default());
        self.place.ok_or_else(|| Refused::Missing(name()))
    }
}

/// An image in the archive.
#[derive(Debug)]
pub(crate) struct Found {
    /// SHA-256 of its manifest, where it has one.
    pub(crate) manifest: Option<String>,
    /// Its configuration, as bytes.
    pub(crate) config: Vec<u8>,
    /// From the lowest.
    pub(crate) layers: Vec<LayerPlace>,
}

#[derive(Debug)]
enum Part {
    File(Place),
    Link(String),
}

/// What the archive holds, by name.
#[derive(Debug)]
struct Parts<'a> {
    file: &'a File,
    bytes: u64,
    parts: HashMap<String, Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutMark {
    image_layout_version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

/// The image that the archive holds; nothing where it is no archive of an image.
pub(crate) fn find(file: &File) -> Result<Option<Found>, Refused> {
    let Some(parts) = Parts::of(file)? else { return Ok(None) };
    if parts.marked() {
        return parts.oci().map(Some);
    }
    match parts.saved() {
        // Blobs without what names them: the rest was cut off.
        None if parts.parts.keys().any(|name| name.starts_with(BLOBS) && digest_in(name).is_some()) => {
            Err(Refused::Missing("index.json".to_owned()))
        }
        None => Ok(None),
        Some(saved) => parts.docker(saved).map(Some),
    }
}

impl<'a> Parts<'a> {
    /// Nothing where the archive cannot be that of an image: also where it is malformed, of which the reader of root file
    /// systems has more to say.
    fn of(file: &'a File) -> Result<Option<Self>, Refused> {
        let section = Section::whole(file).map_err(Refused::Unreadable)?;
        let bytes = file.metadata().map_err(Refused::Unreadable)?.len();
        let mut archive = Archive::new(section);
        let mut parts = HashMap::new();
        let Ok(entries) = archive.entries_with_seek() else { return Ok(None) };
        for entry in entries {
            let Ok(entry) = entry else { return Ok(None) };
            let name = plain_name("", &entry.path_bytes());
            let part = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    Some(Part::File(Place { start: entry.raw_file_position(), length: entry.size() }))
                }
                EntryType::Symlink => {
                    let folder = name
                        .as_deref()
                        .and_then(|name| name.rsplit_once('/'))
                        .map_or("", |(folder, _)| folder);
                    entry.link_name_bytes().and_then(|to| plain_name(folder, &to)).map(Part::Link)
                }
                EntryType::Link => entry.link_name_bytes().and_then(|to| plain_name("", &to)).map(Part::Link),
                EntryType::Directory | EntryType::XGlobalHeader => None,
                _ => return Ok(None),
            };
            if let (Some(name), Some(part)) = (name, part) {
                parts.insert(name, part);
            }
            if parts.len() > PARTS_MAX {
                return Ok(None);
            }
        }
        Ok(Some(Self { file, bytes, parts }))
    }

    fn place(&self, name: &str) -> Result<Place, Refused> {
        let missing = || Refused::Missing(shown(name));
        let mut part = self.parts.get(name);
        for _link in 0..LINKS_MAX {
            match part {
                Some(Part::Link(to)) => part = self.parts.get(to),
                Some(Part::File(place)) if place.start.saturating_add(place.length) <= self.bytes => {
                    return Ok(*place);
                }
                Some(Part::File(_)) | None => return Err(missing()),
            }
        }
        Err(missing())
    }

    fn document(&self, what: &'static str, name: &str) -> Result<Vec<u8>, Refused> {
        let place = self.place(name)?;
        if place.length > DOCUMENT_BYTES_MAX {
            return Err(Refused::LongDocument(what));
        }
        let mut bytes = Vec::new();
        let mut section = Section::new(self.file, place.start, place.length);
        section.read_to_end(&mut bytes).map_err(Refused::Unreadable)?;
        Ok(bytes)
    }

    /// A document that is named by its digest.
    fn blob(&self, what: &'static str, digest: &str) -> Result<Vec<u8>, Refused> {
        let bytes = self.document(what, &format!("{BLOBS}{digest}"))?;
        check(what, &bytes, digest)?;
        Ok(bytes)
    }

    fn marked(&self) -> bool {
        let mark = self.document("layout", "oci-layout").ok();
        let mark = mark.and_then(|bytes| serde_json::from_slice::<LayoutMark>(&bytes).ok());
        mark.is_some_and(|mark| mark.image_layout_version.starts_with("1."))
            && self.parts.contains_key("index.json")
    }

    fn saved(&self) -> Option<Vec<Saved>> {
        let saved: Vec<Saved> = serde_json::from_slice(&self.document("list", "manifest.json").ok()?).ok()?;
        (!saved.is_empty()).then_some(saved)
    }

    fn oci(&self) -> Result<Found, Refused> {
        let mut index = self.document("index", "index.json")?;
        for _index in 0..INDEXES_MAX {
            let parsed = ImageIndex::from_reader(&*index).map_err(malformed("index"))?;
            let chosen = choose(parsed.manifests())?;
            let digest = sha256(chosen).map_err(document("index"))?;
            if !is_index(chosen.media_type()) {
                return self.manifest(digest);
            }
            index = self.blob("index", digest)?;
        }
        Err(Refused::NoImage("its indexes name each other"))
    }

    fn manifest(&self, digest: &str) -> Result<Found, Refused> {
        let bytes = self.blob("manifest", digest)?;
        let manifest = ImageManifest::from_reader(&*bytes).map_err(malformed("manifest"))?;
        if manifest.layers().len() > LAYERS_MAX {
            return Err(Refused::Layers);
        }
        let layer = |layer: &Descriptor| {
            let digest = sha256(layer).map_err(document("manifest"))?;
            let place = self.place(&format!("{BLOBS}{digest}")).ok();
            Ok(LayerPlace { place, digest: Some(digest.to_owned()) })
        };
        Ok(Found {
            manifest: Some(digest.to_owned()),
            config: self.blob("configuration", sha256(manifest.config()).map_err(document("manifest"))?)?,
            layers: manifest.layers().iter().map(layer).collect::<Result<_, Refused>>()?,
        })
    }

    fn docker(&self, saved: Vec<Saved>) -> Result<Found, Refused> {
        let [saved] = <[Saved; 1]>::try_from(saved).map_err(|_| atoll_oci::NotChosen::Several)?;
        if saved.layers.len() > LAYERS_MAX {
            return Err(Refused::Layers);
        }
        let name = |text: &str| plain_name("", text.as_bytes()).ok_or_else(|| Refused::Missing(shown(text)));
        let config = self.document("configuration", &name(&saved.config)?)?;
        if let Some(digest) = digest_in(&saved.config) {
            check("configuration", &config, digest)?;
        }
        let layer = |path: &String| Ok(LayerPlace { place: Some(self.place(&name(path)?)?), digest: None });
        Ok(Found {
            manifest: None,
            config,
            layers: saved.layers.iter().map(layer).collect::<Result<_, Refused>>()?,
        })
    }
}

fn check(what: &'static str, bytes: &[u8], wanted: &str) -> Result<(), Refused> {
    let found = digest_of(bytes);
    if found == wanted {
        return Ok(());
    }
    Err(Refused::Digest { what: format!("the {what}"), found, wanted: wanted.to_owned() })
}

pub(crate) fn malformed(what: &'static str) -> impl FnOnce(oci_spec::OciSpecError) -> Refused {
    document(what)
}

/// A document that is wrong in this way.
fn document<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Refused {
    move |error| Refused::Document { what, why: shown(&error.to_string()) }
}

/// The digest that a file is named by: `<digits>.json`, or the last part of a path.
fn digest_in(path: &str) -> Option<&str> {
    let last = path.rsplit('/').next()?;
    let digits = last.strip_suffix(".json").unwrap_or(last);
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digits.len() == 64 && digits.bytes().all(hexadecimal)).then_some(digits)
}

/// A path within the archive, without dots; nothing where it leads outside or is no text.
fn plain_name(folder: &str, path: &[u8]) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in std::str::from_utf8(path).ok()?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let name = parts.join("/");
    names::parse(name.as_bytes()).is_ok().then_some(name).filter(|name| !name.is_empty())
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(150).collect()
}
