//! Paths of an archive.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Longest path, in bytes, and deepest.
const PATH_BYTES_MAX: usize = 4_095;
const DEPTH_MAX: usize = 256;

/// A path that no root file system has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It climbs.
    #[error("a path holds '..'")]
    Climbs,
    /// It is longer or deeper than the kernel or good sense allow.
    #[error("a path is too long or too deep")]
    TooLong,
    /// It has a NUL or a name that is too long.
    #[error("a path has an impossible name in it")]
    Impossible,
}

/// A path relative to the root, without dots; empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// The folders on the way.
    pub(crate) parent: PathBuf,
    /// The last part; empty for the root.
    pub(crate) last: Vec<u8>,
}

/// Reads a path of an archive, absolute or not.
pub(crate) fn parse(bytes: &[u8]) -> Result<Name, BadName> {
    if bytes.len() > PATH_BYTES_MAX {
        return Err(BadName::TooLong);
    }
    let mut parts: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err(BadName::Climbs);
    }
    if parts.len() > DEPTH_MAX {
        return Err(BadName::TooLong);
    }
    if parts.iter().any(|part| part.len() > 255 || part.contains(&0)) {
        return Err(BadName::Impossible);
    }
    let last = parts.pop().unwrap_or_default().to_vec();
    Ok(Name { parent: parts.into_iter().map(OsStr::from_bytes).collect(), last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_relative() {
        let name = parse(b"./usr//bin/env").unwrap();
        assert_eq!((name.parent.to_str().unwrap(), &*name.last), ("usr/bin", &b"env"[..]));
        assert_eq!(parse(b"/etc").unwrap().parent, PathBuf::new());
        assert_eq!(parse(b"./").unwrap().last, b"");
    }

    #[test]
    fn hostile_paths_are_refused() {
        assert_eq!(parse(b"../etc/passwd"), Err(BadName::Climbs));
        assert_eq!(parse(b"a/../../b"), Err(BadName::Climbs));
        assert_eq!(parse(&[b'a'; 5_000]), Err(BadName::TooLong));
        assert_eq!(parse(&b"a/".repeat(300)), Err(BadName::TooLong));
        assert_eq!(parse(b"a\0b"), Err(BadName::Impossible));
        assert_eq!(parse(&[b'a'; 300]), Err(BadName::Impossible));
    }
}
