//! An archive as Docker takes it: what names its parts there is written anew, since what a stranger wrote could give any name on the
//! host to his image.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use tar::{Archive, Header};

use crate::Refused;
use crate::archive::written_out;
use crate::layout::{self, Found, LayerPlace, Place};
use crate::source::{Packing, Section};

/// Block of a tar, in bytes.
const BLOCK: u64 = 512;
/// What tells an image with layers from a root file system.
const MARKS: [&[u8]; 2] = [b"oci-layout", b"manifest.json"];

/// An archive, told by what it holds.
#[derive(Debug)]
pub struct ForDocker(Form);

#[derive(Debug)]
enum Form {
    Root,
    Image(Found),
}

impl ForDocker {
    /// The archive, a regular file, in a form whose parts can be read where they are: itself, or where it is an image that is compressed
    /// as a whole, a file without a name in the folder, of at most twice `max_bytes`.
    ///
    /// # Errors
    /// When it is malformed or too large, or cannot be written there.
    pub fn readable(input: File, folder: &OwnedFd, max_bytes: u64) -> Result<File, Refused> {
        let whole = Section::whole(&input).map_err(Refused::Unreadable)?;
        let packing = Packing::of(&whole).map_err(Refused::Unreadable)?;
        let is_packed = matches!(packing, Packing::Gzip | Packing::Zstd);
        if is_packed && is_marked(packing.open(whole.clone()).map_err(Refused::Unreadable)?) {
            return written_out(packing, &whole, folder, max_bytes);
        }
        Ok(input)
    }

    /// Looks what the archive holds, a regular file.
    ///
    /// # Errors
    /// When it is malformed, or is an image whose archive is compressed as a whole: see [`Self::readable`].
    pub fn of(input: &File) -> Result<Self, Refused> {
        let whole = Section::whole(input).map_err(Refused::Unreadable)?;
        match Packing::of(&whole).map_err(Refused::Unreadable)? {
            Packing::Plain => Ok(Self(layout::find(input)?.map_or(Form::Root, Form::Image))),
            Packing::Other => Err(Refused::Compressed),
            packing if is_marked(packing.open(whole).map_err(Refused::Unreadable)?) => {
                Err(Refused::NoImage("an image for Docker must not be compressed as a whole"))
            }
            _ => Ok(Self(Form::Root)),
        }
    }

    /// Whether it is one with layers, to be loaded, and not a root file system, to be imported.
    #[must_use]
    pub fn has_layers(&self) -> bool {
        matches!(self.0, Form::Image(_))
    }

    /// The same archive in Docker's form, plain; an image with layers gets the name `tag`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open<'a>(&'a self, input: &'a File, tag: &str) -> Result<Box<dyn Read + 'a>, Refused> {
        let whole = Section::whole(input).map_err(Refused::Unreadable)?;
        match &self.0 {
            Form::Root => {
                Packing::of(&whole).and_then(|packing| packing.open(whole)).map_err(Refused::Unreadable)
            }
            Form::Image(found) => {
                let places = found.layers.iter().map(LayerPlace::present).collect::<Result<Vec<_>, _>>()?;
                Ok(Box::new(saved(input, found, &places, tag).map_err(Refused::Unreadable)?))
            }
        }
    }
}

/// Whether the names in a tar are those of an image with layers.
fn is_marked(plain: impl Read) -> bool {
    let mut archive = Archive::new(plain);
    let Ok(entries) = archive.entries() else { return false };
    entries.map_while(Result::ok).any(|entry| {
        let path = entry.path_bytes();
        MARKS.contains(&path.strip_prefix(b"./").unwrap_or(&path))
    })
}

/// What `docker save` writes, of the image that was found.
fn saved<'a>(input: &'a File, found: &'a Found, places: &[Place], tag: &str) -> io::Result<Joined<'a>> {
    let layer_name = |number: usize| format!("{number}/layer.tar");
    let layers: Vec<String> = (0..found.layers.len()).map(layer_name).collect();
    let config = format!("{}.json", atoll_oci::digest_of(&found.config));
    let list = serde_json::json!([{"Config": config, "RepoTags": [tag], "Layers": layers}]);
    let mut whole = Joined::default();
    let list = serde_json::to_vec(&list)?;
    let length = list.len() as u64;
    whole.add("manifest.json", length, io::Cursor::new(list))?;
    whole.add(&config, found.config.len() as u64, &found.config[..])?;
    for (name, place) in layers.iter().zip(places) {
        whole.add(name, place.length, Section::new(input, place.start, place.length))?;
    }
    whole.0.push_back(Box::new(io::repeat(0).take(2 * BLOCK)));
    Ok(whole)
}

/// One reader after the other.
#[derive(Default)]
struct Joined<'a>(VecDeque<Box<dyn Read + 'a>>);

impl<'a> Joined<'a> {
    fn add(&mut self, name: &str, length: u64, content: impl Read + 'a) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_mode(0o644);
        header.set_size(length);
        header.set_cksum();
        self.0.push_back(Box::new(io::Cursor::new(header.as_bytes().to_vec())));
        self.0.push_back(Box::new(content));
        self.0.push_back(Box::new(io::repeat(0).take(length.next_multiple_of(BLOCK) - length)));
        Ok(())
    }
}

impl Read for Joined<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(first) = self.0.front_mut() {
            match first.read(buffer)? {
                0 if !buffer.is_empty() => drop(self.0.pop_front()),
                read => return Ok(read),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn tar(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut made = tar::Builder::new(Vec::new());
        for (name, content) in parts {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            made.append_data(&mut header, name, *content).unwrap();
        }
        made.into_inner().unwrap()
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn whole(archive: &ForDocker, file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        archive.open(file, "ours:tag").unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_root_file_system_stays_what_it_is() {
        let bytes = tar(&[("bin/sh", b"x"), ("etc/manifest.json", b"[]")]);
        let plain = file(&bytes);
        let archive = ForDocker::of(&plain).unwrap();
        assert!(!archive.has_layers());
        assert_eq!(whole(&archive, &plain), bytes);
        let packed = file(&zstd::encode_all(&bytes[..], 1).unwrap());
        let archive = ForDocker::of(&packed).unwrap();
        assert!(!archive.has_layers());
        assert_eq!(whole(&archive, &packed), bytes);
    }

    #[test]
    fn an_image_gets_our_name_and_no_other() {
        let list = br#"[{"Config":"c.json","RepoTags":["debian:12"],"Layers":["a/layer.tar"]}]"#;
        let parts: [(&str, &[u8]); 5] = [
            ("manifest.json", list),
            ("repositories", br#"{"debian":{"12":"a"}}"#),
            ("c.json", b"{}"),
            ("a/layer.tar", &[7; 700]),
            ("a/VERSION", b"1.0"),
        ];
        let plain = file(&tar(&parts));
        let archive = ForDocker::of(&plain).unwrap();
        assert!(archive.has_layers());
        let bytes = whole(&archive, &plain);
        assert!(!String::from_utf8_lossy(&bytes).contains("debian"));
        let mut read = Archive::new(&bytes[..]);
        let found: Vec<(String, Vec<u8>)> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.path().unwrap().display().to_string(), content)
            })
            .collect();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let config = format!("{}.json", atoll_oci::digest_of(b"{}"));
        assert_eq!(names, ["manifest.json", &config, "0/layer.tar"]);
        assert_eq!(found[2].1, [7; 700]);
        let list: serde_json::Value = serde_json::from_slice(&found[0].1).unwrap();
        assert_eq!((&list[0]["RepoTags"][0], &list[0]["Config"]), (&"ours:tag".into(), &config.into()));
    }

    #[test]
    fn one_that_is_compressed_as_a_whole_is_written_out_and_others_are_not() {
        let list = br#"[{"Config":"c.json","Layers":["a/layer.tar"]}]"#;
        let parts: [(&str, &[u8]); 3] =
            [("manifest.json", list), ("c.json", b"{}"), ("a/layer.tar", &[7; 700])];
        let plain = tar(&parts);
        let folder = tempfile::tempdir().unwrap();
        let within: OwnedFd = File::open(folder.path()).unwrap().into();
        let packed = file(&zstd::encode_all(&plain[..], 1).unwrap());
        assert!(ForDocker::of(&packed).is_err());
        let readable = ForDocker::readable(packed, &within, 1 << 20).unwrap();
        assert!(ForDocker::of(&readable).unwrap().has_layers());
        assert_eq!(whole(&ForDocker::of(&readable).unwrap(), &readable), {
            let plain = file(&plain);
            whole(&ForDocker::of(&plain).unwrap(), &plain)
        });
        let root = zstd::encode_all(&tar(&[("bin/sh", b"x")])[..], 1).unwrap();
        let same = ForDocker::readable(file(&root), &within, 1 << 20).unwrap();
        assert_eq!(same.metadata().unwrap().len(), root.len() as u64);
        let bomb = tar(&[("manifest.json", list), ("much", &vec![0; 80 << 20])]);
        let bomb = file(&zstd::encode_all(&bomb[..], 1).unwrap());
        assert!(matches!(ForDocker::readable(bomb, &within, 1 << 20), Err(Refused::TooLarge(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
