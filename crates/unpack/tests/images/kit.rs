//! Archives of images, made by hand: good ones, and what a stranger may make of them.

use std::io::Write;
use std::path::Path;

use atoll_unpack::{Refused, Unpacked, unpack};
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn architecture() -> String {
    oci_spec::image::Arch::default().to_string()
}

fn add(builder: &mut Builder<Vec<u8>>, kind: EntryType, path: &str, link: &str, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    // As a hostile archive would: without the library's own checks.
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

/// The tar of what is described: `d folder/`, `l name target`, `h name target`, `c name` (a device), `name content`.
pub(crate) fn tar(lines: &[&str]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match *words.as_slice() {
            ["d", name] => add(&mut builder, EntryType::Directory, name, "", b""),
            ["l", name, to] => add(&mut builder, EntryType::Symlink, name, to, b""),
            ["h", name, to] => add(&mut builder, EntryType::Link, name, to, b""),
            ["c", name] => add(&mut builder, EntryType::Char, name, "", b""),
            [name] => add(&mut builder, EntryType::Regular, name, "", b""),
            [name, content] => add(&mut builder, EntryType::Regular, name, "", content.as_bytes()),
            _ => panic!("{line}"),
        }
    }
    builder.into_inner().unwrap()
}

/// The tar of files with these contents.
pub(crate) fn files(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        add(&mut builder, EntryType::Regular, name, "", content);
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub(crate) fn config(diff_ids: &[String], architecture: &str) -> Vec<u8> {
    let ids: Vec<String> = diff_ids.iter().map(|id| format!("sha256:{id}")).collect();
    let whole = json!({
        "architecture": architecture, "os": "linux",
        "config": {"Env": ["A=1"], "Cmd": ["serve"], "ExposedPorts": {"80/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": ids},
    });
    whole.to_string().into_bytes()
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len(),
    })
}

/// An OCI image layout, as the files in it.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) blobs: Vec<(String, Vec<u8>)>,
    pub(crate) manifest: String,
    pub(crate) index: Value,
}

impl Layout {
    /// Of layers: how they are stored, and what they unpack to.
    pub(crate) fn new(layers: &[(Vec<u8>, Vec<u8>)], architecture: &str) -> Self {
        let diff_ids: Vec<String> = layers.iter().map(|(_, plain)| digest(plain)).collect();
        let config = config(&diff_ids, architecture);
        let layer = |(packed, _): &(Vec<u8>, Vec<u8>)| descriptor("layer.v1.tar+gzip", packed);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("config.v1+json", &config),
            "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let mut one = descriptor("manifest.v1+json", &manifest);
        one["platform"] = json!({"os": "linux", "architecture": architecture});
        let mut blobs = vec![(digest(&manifest), manifest.clone()), (digest(&config), config)];
        blobs.extend(layers.iter().map(|(packed, _)| (digest(packed), packed.clone())));
        Self { blobs, manifest: digest(&manifest), index: json!({"schemaVersion": 2, "manifests": [one]}) }
    }

    /// As its archive.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let blob = |(name, bytes): &(String, Vec<u8>)| (format!("./blobs/sha256/{name}"), bytes.clone());
        let mut all: Vec<_> = self.blobs.iter().map(blob).collect();
        all.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
        all.push(("index.json".to_owned(), self.index.to_string().into_bytes()));
        files(&all)
    }
}

/// An image of plain layers.
pub(crate) fn layered(layers: &[&[&str]]) -> Vec<u8> {
    let plain: Vec<_> = layers.iter().map(|lines| tar(lines)).map(|tar| (tar.clone(), tar)).collect();
    Layout::new(&plain, &architecture()).archive()
}

pub(crate) fn unpack_into(dir: &Path, archive: &[u8], max_bytes: u64) -> Result<Unpacked, Refused> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(archive).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let root = rustix::fs::open(dir, OFlags::DIRECTORY, Mode::empty()).unwrap();
    unpack(&file, &root, max_bytes)
}

/// Everything below a folder: `name`, `name=content`, `name/`, `name->target`.
pub(crate) fn listing(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                found.push(format!("{name}/"));
                walk(&entry.path(), &format!("{name}/"), found);
            } else if kind.is_symlink() {
                found.push(format!("{name}->{}", std::fs::read_link(entry.path()).unwrap().display()));
            } else {
                found.push(format!("{name}={}", std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, "", &mut found);
    found.sort();
    found
}

/// What a good archive unpacks to.
pub(crate) fn unpacked(archive: &[u8]) -> (Vec<String>, Unpacked) {
    let dir = tempfile::tempdir().unwrap();
    let done = unpack_into(dir.path(), archive, 1 << 24).unwrap();
    (listing(dir.path()), done)
}

/// Why an archive is refused.
pub(crate) fn refused(archive: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    unpack_into(dir.path(), archive, 1 << 20).unwrap_err().to_string()
}
