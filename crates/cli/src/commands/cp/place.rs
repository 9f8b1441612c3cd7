//! Places as they are typed.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use atoll_client::FileAt;
use atoll_types::SandboxId;

/// One side of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard input or output.
    Stream,
    /// A path here.
    Local(PathBuf),
    /// A path in a sandbox.
    Remote(Remote),
}

/// A path in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Id or name.
    pub(crate) sandbox: String,
    /// Absolute, or from the home of the user; empty: the home.
    pub(crate) path: String,
}

impl Place {
    pub(super) fn sandbox(&self) -> Option<&str> {
        match self {
            Self::Remote(remote) => Some(&remote.sandbox),
            Self::Stream | Self::Local(_) => None,
        }
    }
}

impl Remote {
    pub(super) fn at<'a>(&'a self, sandbox: &'a SandboxId, user: Option<&'a str>) -> FileAt<'a> {
        FileAt { sandbox, path: if self.path.is_empty() { "." } else { &self.path }, user }
    }
}

impl FromStr for Place {
    type Err = Infallible;

    /// What is before a colon is a sandbox, unless a slash is in it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            _ if text == "-" => Self::Stream,
            Some((sandbox, path)) if !sandbox.is_empty() && !sandbox.contains('/') => {
                Self::Remote(Remote { sandbox: sandbox.to_owned(), path: path.to_owned() })
            }
            _ => Self::Local(PathBuf::from(text)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_tells_a_sandbox() {
        let remote = |sandbox: &str, path: &str| {
            Place::Remote(Remote { sandbox: sandbox.to_owned(), path: path.to_owned() })
        };
        for (text, place) in [
            ("box:/etc/hosts", remote("box", "/etc/hosts")),
            ("box:", remote("box", "")),
            ("box:a:b", remote("box", "a:b")),
            ("./a:b", Place::Local("./a:b".into())),
            ("/a:b", Place::Local("/a:b".into())),
            (":a", Place::Local(":a".into())),
            ("file", Place::Local("file".into())),
            ("-", Place::Stream),
        ] {
            assert_eq!(text.parse(), Ok(place));
        }
    }
}
