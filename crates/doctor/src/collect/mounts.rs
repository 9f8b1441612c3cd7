//! Mounts below the data folder.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::collect::Place;
use crate::world::World;

/// Where the launcher names the router.
const ROUTERS: &str = "/run/netns";

/// A mount, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) point: PathBuf,
    /// Type of its file system.
    pub(crate) kind: String,
}

/// All mounts of this namespace.
pub(crate) fn read() -> io::Result<Vec<Mount>> {
    Ok(parse(&std::fs::read("/proc/self/mountinfo")?))
}

fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let point = unescape(fields.nth(4)?);
    // Optional fields of unknown number, ended by a hyphen.
    fields.by_ref().find(|field| *field == b"-")?;
    let kind = String::from_utf8(fields.next()?.to_vec()).ok()?;
    Some(Mount { point: OsString::from_vec(point).into(), kind })
}

/// The kernel writes space, tab, newline and backslash as `\` and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let octal =
            after.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal.filter(|_| *first == b'\\') {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

pub(crate) fn collect(place: &Place, mounts: &[Mount], world: &mut World) {
    let pool = place.path.join("native/pool");
    for mount in mounts.iter().filter(|mount| mount.point.starts_with(&place.path)) {
        if mount.point == pool && mount.kind == "btrfs" && world.pool_mount.is_none() {
            world.pool_mount = Some(pool.clone());
        } else if mount.point != place.path {
            // The data folder itself may be a disk of its own.
            world.stray_mounts.push(mount.point.clone());
        }
    }
    // Named after the installation, as `ip netns` names them; without a process they live by the mount alone.
    let ours = place.group_name();
    let router = Path::new(ROUTERS).join(&ours);
    let named = mounts.iter().filter(|mount| mount.kind == "nsfs" && !mount.point.starts_with(&place.path));
    let ours = named.map(|mount| &mount.point).filter(|point| is_named_after(point, &ours));
    let (routers, others) = ours.cloned().partition(|point| *point == router);
    (world.router, world.network_namespaces) = (Vec::into_iter(routers).next(), others);
    // Inner ones first, as they must be removed.
    world.stray_mounts.reverse();
}

/// Whether the name is the installation's own, alone or with more behind a hyphen.
fn is_named_after(point: &Path, ours: &str) -> bool {
    let rest = point.file_name().and_then(OsStr::to_str).and_then(|name| name.strip_prefix(ours));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_ours_alone_or_before_a_hyphen() {
        let ours = |point: &str| is_named_after(Path::new(point), "atoll-x");
        assert!(ours("/run/netns/atoll-x") && ours("/run/netns/atoll-x-1"));
        assert!(!ours("/run/netns/atoll-xy") && !ours("/run/netns/other") && !ours("/atoll-x/net"));
    }

    #[test]
    fn odd_names_and_optional_fields_are_read() {
        let text = b"31 23 7:1 / /a\\040b/c\\134 rw shared:9 master:1 - btrfs /dev/loop0 rw\n\
                     32 23 0:5 / /proc rw - proc proc rw\n";
        let mount = |point: &str, kind: &str| Mount { point: point.into(), kind: kind.into() };
        assert_eq!(parse(text), [mount("/a b/c\\", "btrfs"), mount("/proc", "proc")]);
    }
}
