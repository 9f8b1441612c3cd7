//! Where an image is to be had.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::input::InputError;
use crate::{ImageDigest, ImageName};

/// What is fetched where neither a tag nor a digest is given.
const USUAL_TAG: &str = "latest";
/// Longest repository and tag, in characters, as registries have them.
const REPOSITORY_CHARS_MAX: usize = 200;
const TAG_CHARS_MAX: usize = 128;

/// Where an image is to be had: `[REGISTRY/]REPOSITORY[:TAG][@sha256:DIGEST]`. A first part with a dot or a port, or that is
/// `localhost`, is a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<ImageDigest>,
}

impl ImageReference {
    /// Host, perhaps with a port, of the registry; none where it names none.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// Name within the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Tag; not what counts where there is a digest.
    #[must_use]
    pub fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or(USUAL_TAG)
    }

    /// Digest of its manifest or index.
    #[must_use]
    pub const fn digest(&self) -> Option<&ImageDigest> {
        self.digest.as_ref()
    }

    /// The name that the image gets where none is asked for: the reference as it was given.
    ///
    /// # Errors
    /// When it is too long for one.
    pub fn to_name(&self) -> Result<ImageName, InputError> {
        self.to_string().parse()
    }
}

fn is_registry(part: &str) -> bool {
    let host = part.split(':').next().unwrap_or_default();
    host == "localhost" || part.contains(':') || host.contains('.')
}

fn good_registry(part: &str) -> bool {
    let (host, port) = part.split_once(':').unwrap_or((part, "443"));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    part.len() <= 255 && host.split('.').all(label) && port.parse::<std::num::NonZeroU16>().is_ok()
}

fn good_repository(text: &str) -> bool {
    let part = |part: &str| {
        let word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().is_some_and(word)
            && bytes.last().is_some_and(word)
            && bytes.iter().all(|b| word(b) || b"._-".contains(b))
            && !part.contains("..")
    };
    text.len() <= REPOSITORY_CHARS_MAX && text.split('/').all(part)
}

fn good_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=TAG_CHARS_MAX).contains(&text.len())
        && word(text.as_bytes()[0])
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

impl FromStr for ImageReference {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let wrong = || InputError {
            what: "reference",
            expected: "an image such as registry.example.com/team/app:1.2, perhaps with @sha256: and 64 digits",
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digits = digest.strip_prefix("sha256:").ok_or_else(wrong)?;
                (name, Some(digits.parse::<ImageDigest>().map_err(|_| wrong())?))
            }
            None => (text, None),
        };
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(first.to_owned()), rest),
            Some(_) | None => (None, name),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository.to_owned(), Some(tag.to_owned())),
            None => (rest.to_owned(), None),
        };
        let good = registry.as_deref().is_none_or(good_registry)
            && good_repository(&repository)
            && tag.as_deref().is_none_or(good_tag);
        if good { Ok(Self { registry, repository, tag, digest }) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for ImageReference {
    type Error = InputError;

    fn try_from(text: String) -> Result<Self, InputError> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@sha256:{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let cases = [
            ("nginx", None, "nginx", "latest"),
            ("nginx:alpine", None, "nginx", "alpine"),
            ("team/app", None, "team/app", "latest"),
            ("localhost/app", Some("localhost"), "app", "latest"),
            ("127.0.0.1:5000/team/app:1.2", Some("127.0.0.1:5000"), "team/app", "1.2"),
            ("registry.example.com/a/b/c", Some("registry.example.com"), "a/b/c", "latest"),
        ];
        for (text, registry, repository, tag) in cases {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!(
                (reference.registry(), reference.repository(), reference.tag()),
                (registry, repository, tag)
            );
            assert_eq!(
                (reference.to_string(), reference.to_name().unwrap().as_str()),
                (text.to_owned(), text)
            );
        }
        let digest = format!("a.example/b:1@sha256:{}", "c".repeat(64));
        let reference: ImageReference = digest.parse().unwrap();
        assert_eq!(reference.digest().unwrap().as_str(), "c".repeat(64));
        assert_eq!(reference.to_string(), digest);
    }

    #[test]
    fn what_leads_elsewhere_is_no_reference() {
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a:",
            "a:b:c",
            "a.example/",
            "a@sha256:1",
            "a@md5:x",
            "a b",
            "a/../b",
            "..",
            "a?x=1",
            "a#b",
            "a%2e",
            "user@a.example/b",
            "a.example:0/b",
            "a.example:x/b",
            "-a.example/b",
            "a.example/-b",
            "http://a.example/b",
            "a..example/b",
            "[::1]:5000/a",
            "a:-b",
            "a.example\\b/c",
            "a/b:\u{e9}",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
    }
}
