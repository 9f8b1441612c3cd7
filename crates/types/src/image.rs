//! Names of images and of their content.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::input::{InputError, text_input};

text_input!(
    /// Name of an image as people write it: `host`, `nginx:alpine`, `registry.example.com/team/app:1.2`.
    ImageName, "image", "a name such as 'host' or 'debian:12': at most 255 characters of a-z, 0-9, '.', '-', '_', '/', ':', '@', starting with a letter or digit",
    |text| {
        (1..=255).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && !text.contains("..")
            && !text.contains("//")
            && !text.ends_with(['/', ':', '@', '.'])
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/:@".contains(&b))
    }
);

impl ImageName {
    /// The image made of the host's own `/usr`.
    pub const HOST: &str = "host";

    /// Whether this is the host image.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.as_str() == Self::HOST
    }
}

/// Content of an image: the SHA-256 of the archive that it was unpacked from, as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageDigest(String);

impl ImageDigest {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageDigest {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let ok = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(InputError { what: "digest", expected: "64 lower-case hexadecimal digits" })
        }
    }
}

impl TryFrom<String> for ImageDigest {
    type Error = InputError;

    fn try_from(text: String) -> Result<Self, InputError> {
        text.parse()
    }
}

impl From<ImageDigest> for String {
    fn from(digest: ImageDigest) -> Self {
        digest.0
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the root file system of a sandbox comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageSource {
    /// The host's `/usr`, read-only, in a synthetic root.
    Host,
    /// An unpacked image.
    Unpacked(ImageDigest),
}
