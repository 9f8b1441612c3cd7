//! The data folder: layers, images, sockets, logs. Opened beneath its descriptor, without following links.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use atoll_types::{ImageDigest, SandboxId};
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::collect::{Place, processes};
use crate::world::{Process, Root, World};

/// Longest state file of a sandbox, in bytes.
const STATE_BYTES_MAX: u64 = 4 << 10;

/// Longest list of an image's layers, in bytes.
const LAYERS_BYTES_MAX: u64 = 64 << 10;

/// `f_type` of btrfs.
const BTRFS_MAGIC: u64 = 0x9123_683E;

/// A folder below the data folder; none where there is none.
pub(crate) fn open(parent: impl AsFd, path: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = parent.as_fd().try_clone_to_owned()?;
    // Step by step, so that no link is followed on the way either.
    for name in path.split('/') {
        folder = match openat(&folder, name, flags, Mode::empty()) {
            Ok(inner) => inner,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    Ok(Some(folder))
}

/// Names in a folder below the data folder, with their paths; nothing where there is no folder.
fn names(place: &Place, path: &str) -> io::Result<Vec<PathBuf>> {
    let Some(folder) = open(&place.root, path)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            found.push(Path::new(path).join(OsStr::from_bytes(name)));
        }
    }
    found.sort();
    Ok(found)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

pub(crate) fn collect(place: &Place, world: &mut World) -> io::Result<()> {
    for path in names(place, "run/agents")? {
        match file_name(&path).strip_suffix(".sock").and_then(|id| id.parse::<SandboxId>().ok()) {
            Some(id) => world.sandboxes.entry(id).or_default().socket = true,
            None => world.unknown.push(path),
        }
    }
    for path in names(place, "serve/exec-logs")? {
        // Other names are serve's own affair.
        if let Ok(id) = file_name(&path).parse::<SandboxId>() {
            world.sandboxes.entry(id).or_default().exec_logs = true;
        }
    }
    for path in names(place, "native/pool/sandboxes")? {
        match file_name(&path).parse::<SandboxId>() {
            Ok(id) => collect_sandbox(place, id, world)?,
            Err(_) => world.unfinished.push(path),
        }
    }
    for path in names(place, "native/pool/images")? {
        match file_name(&path).parse() {
            Ok(digest) => drop(world.images.insert(digest)),
            Err(_) => world.unfinished.push(path),
        }
    }
    collect_layers(place, world)?;
    world.trash = names(place, "native/pool/trash")?;
    world.plain_pool = is_plain(place)?;
    collect_roots(place, world)?;
    Ok(())
}

/// Layers that images are made of. One that none is made of belongs to an import under way, or goes with the next start.
fn collect_layers(place: &Place, world: &mut World) -> io::Result<()> {
    let mut used: BTreeSet<ImageDigest> = BTreeSet::new();
    for image in &world.images {
        let path = format!("native/pool/images/{}", image.as_str());
        used.extend(open(&place.root, &path)?.and_then(|folder| read_layers(&folder)).unwrap_or_default());
    }
    for path in names(place, "native/pool/layers")? {
        let is_used = file_name(&path).parse().is_ok_and(|key: ImageDigest| used.contains(&key));
        if !is_used {
            world.unfinished.push(path);
        }
    }
    Ok(())
}

fn read_layers(folder: &OwnedFd) -> Option<Vec<ImageDigest>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, "layers.json", flags, Mode::empty()).ok()?;
    let mut text = Vec::new();
    File::from(file).take(LAYERS_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Roots of the host image. Without the link that an older launcher did not make, none is known to be stale.
fn collect_roots(place: &Place, world: &mut World) -> io::Result<()> {
    let Some(pool) = open(&place.root, "native/pool")? else { return Ok(()) };
    let Ok(current) = rustix::fs::readlinkat(&pool, "host", Vec::new()) else { return Ok(()) };
    for path in names(place, "native/pool")? {
        let name = file_name(&path);
        if name.starts_with("host-") && name.as_bytes() != current.to_bytes() {
            world.stale_roots.insert(name.to_owned());
        }
    }
    Ok(())
}

/// Whether the pool is there, and not btrfs. The folder under a pool that is not mounted holds nothing.
fn is_plain(place: &Place) -> io::Result<bool> {
    let Some(pool) = open(&place.root, "native/pool")? else { return Ok(false) };
    let used = !names(place, "native/pool")?.is_empty();
    let kind = rustix::fs::fstatfs(&pool)?.f_type;
    Ok(used && u64::try_from(kind).is_ok_and(|kind| kind != BTRFS_MAGIC))
}

fn collect_sandbox(place: &Place, id: SandboxId, world: &mut World) -> io::Result<()> {
    let folder = open(&place.root, &format!("native/pool/sandboxes/{id}"))?;
    let traces = world.sandboxes.entry(id).or_default();
    traces.files = true;
    if let Some((slot, root, process)) = folder.and_then(|folder| read_state(&folder)) {
        traces.uid_slot = Some(slot);
        traces.root = root;
        // It is in no group of ours for a moment after its birth.
        traces.processes.extend(process);
    }
    Ok(())
}

/// The slot, the root, and the first process if it is still there.
fn read_state(folder: &OwnedFd) -> Option<(u32, Root, Option<Process>)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, "state.json", flags, Mode::empty()).ok()?;
    let mut text = Vec::new();
    File::from(file).take(STATE_BYTES_MAX).read_to_end(&mut text).ok()?;
    let state: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let slot = u32::try_from(state.get("uid_slot")?.as_u64()?).ok()?;
    let root = match state.get("root").and_then(serde_json::Value::as_str) {
        Some(name) => Root::Host(name.to_owned()),
        None if state.get("image").is_some_and(|image| image == "host") => Root::SomeHost,
        None => Root::Other,
    };
    Some((slot, root, state.get("process").and_then(first_process)))
}

fn first_process(process: &serde_json::Value) -> Option<Process> {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    if process.get("boot_id")?.as_str()? != boot_id.trim() {
        return None;
    }
    let pid = i32::try_from(process.get("pid")?.as_i64()?).ok()?;
    let start_time = process.get("start_time")?.as_u64()?;
    processes::identity(pid).filter(|now| now.start_time == start_time)
}
