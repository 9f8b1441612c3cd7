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

/// What a layer says of those below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whiteout<'a> {
    /// The folder has nothing of what was in it.
    Everything,
    /// This is not there any more.
    One(&'a [u8]),
    /// Something that another union file system keeps for itself.
    Own,
}

/// What a name of a layer says of those below it, where it is such a name.
pub(crate) fn whiteout(name: &Name) -> Result<Option<Whiteout<'_>>, BadName> {
    let own = |part: &[u8]| part.starts_with(b".wh..wh.");
    if name.parent.iter().any(|part| own(part.as_bytes())) {
        return Ok(Some(Whiteout::Own));
    }
    match name.last.strip_prefix(b".wh.") {
        None => Ok(None),
        Some(b".wh..opq") => Ok(Some(Whiteout::Everything)),
        Some(hidden) if hidden.starts_with(b".wh.") => Ok(Some(Whiteout::Own)),
        Some(b"" | b"." | b"..") => Err(BadName::Impossible),
        Some(hidden) => Ok(Some(Whiteout::One(hidden))),
    }
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
    fn whiteouts_are_told_from_files() {
        let cases: [(&[u8], _); 7] = [
            (b"usr/bin", Ok(None)),
            (b"usr/.wh.bin", Ok(Some(Whiteout::One(b"bin")))),
            (b"usr/.wh..wh..opq", Ok(Some(Whiteout::Everything))),
            (b".wh..wh.plnk", Ok(Some(Whiteout::Own))),
            (b".wh..wh.plnk/1.2", Ok(Some(Whiteout::Own))),
            (b"usr/.wh...", Err(BadName::Impossible)),
            (b"usr/.wh.", Err(BadName::Impossible)),
        ];
        for (path, expected) in cases {
            assert_eq!(whiteout(&parse(path).unwrap()), expected, "{}", String::from_utf8_lossy(path));
        }
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
