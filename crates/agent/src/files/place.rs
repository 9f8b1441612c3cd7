//! From a path of the request to a directory that is held open and a name in it.
//!
//! Links on the way are the user's own: this process has its rights and its view of the world. The last part of a path is
//! never followed by accident, since it is used beneath the open directory with `NOFOLLOW`.

use std::os::fd::OwnedFd;

use atoll_agent_protocol::v1::FileErrorKind as Kind;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::failure::Stop;

/// Longest path, in bytes: the kernel's PATH_MAX less its NUL.
const PATH_BYTES_MAX: usize = 4_095;
/// Most links that the last part of a path may lead through: the kernel's own bound.
const LINKS_MAX: usize = 40;

/// A name in a directory that is held open.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) parent: OwnedFd,
    pub(super) name: Vec<u8>,
}

pub(super) fn check(path: &[u8]) -> Result<(), Stop> {
    if path.is_empty() || path.contains(&0) {
        return Err(Stop::new(Kind::BadPath, "the path is empty or has a NUL in it"));
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(Errno::NAMETOOLONG.into());
    }
    Ok(())
}

/// A relative path that is not there is meant from the root, if it is there.
pub(super) fn from_home_or_root(path: Vec<u8>) -> Vec<u8> {
    let exists = |path: &[u8]| statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    if path.starts_with(b"/") || exists(&path) {
        return path;
    }
    let rooted = [b"/", path.as_slice()].concat();
    if exists(&rooted) { rooted } else { path }
}

/// The directory part, and the last part.
fn split(path: &[u8]) -> Result<(&[u8], &[u8]), Stop> {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let path = path.get(..end).unwrap_or_default();
    let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.split_at(slash + 1),
        None => (&b"."[..], path),
    };
    if name.is_empty() || name == b"." || name == b".." {
        return Err(Stop::new(Kind::BadPath, "the path must end with a name"));
    }
    Ok((parent, name))
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The place of a path whose directory is there. The last part is not followed.
pub(super) fn find(path: &[u8]) -> Result<Place, Stop> {
    let (parent, name) = split(path)?;
    Ok(Place { parent: openat(CWD, parent, DIRECTORY, Mode::empty())?, name: name.to_vec() })
}

/// The same; directories that are missing are made.
pub(super) fn find_or_make(path: &[u8]) -> Result<Place, Stop> {
    let (parent, name) = split(path)?;
    let directory = match openat(CWD, parent, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => make(parent)?,
        other => other?,
    };
    Ok(Place { parent: directory, name: name.to_vec() })
}

/// The place where a file is written: where a link leads, with directories made on the way.
pub(super) fn find_to_write(path: &[u8]) -> Result<Place, Stop> {
    let mut place = find_or_make(path)?;
    for _ in 0..LINKS_MAX {
        let target = match readlinkat(&place.parent, place.name.as_slice(), Vec::new()) {
            Ok(target) => target.into_bytes(),
            // No link, or nothing.
            Err(Errno::INVAL | Errno::NOENT) => return Ok(place),
            Err(errno) => return Err(errno.into()),
        };
        let (parent, name) = split(&target)?;
        let parent = openat(&place.parent, parent, DIRECTORY, Mode::empty())?;
        place = Place { parent, name: name.to_vec() };
    }
    Err(Errno::LOOP.into())
}

/// Makes a directory with those above it.
pub(super) fn make(path: &[u8]) -> Result<OwnedFd, Stop> {
    let mut at: OwnedFd =
        openat(CWD, if path.starts_with(b"/") { "/" } else { "." }, DIRECTORY, Mode::empty())?;
    for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        match mkdirat(&at, part, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            // What is there already may be in a directory where nothing can be made.
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) if is_there(&at, part) => {}
            Err(errno) => return Err(errno.into()),
        }
        at = openat(&at, part, DIRECTORY, Mode::empty())?;
    }
    Ok(at)
}

fn is_there(at: &OwnedFd, name: &[u8]) -> bool {
    statat(at, name, AtFlags::empty()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_end_with_a_name() {
        assert_eq!(split(b"/a/b//").unwrap(), (&b"/a/"[..], &b"b"[..]));
        assert_eq!(split(b"a").unwrap(), (&b"."[..], &b"a"[..]));
        assert_eq!(split(b"/a").unwrap(), (&b"/"[..], &b"a"[..]));
        for path in [&b"/"[..], b"", b".", b"a/..", b"a/./", b"//"] {
            assert!(matches!(split(path), Err(Stop::Failed(failure)) if failure.kind == Kind::BadPath));
        }
    }

    #[test]
    fn long_paths_and_nuls_are_refused() {
        assert!(check(&[b'a'; 4_096]).is_err() && check(b"a\0b").is_err() && check(b"").is_err());
        assert!(check(b"a\n\xff").is_ok());
    }
}
