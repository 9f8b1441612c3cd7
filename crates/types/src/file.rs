//! Files of a sandbox, as they are named and described.

use crate::bounds;
use crate::input::InputError;

/// A path inside a sandbox: any bytes but NUL. Absolute, or from the home of the user it is used as. It is resolved inside,
/// by a process with that user's rights; here only its shape counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath(Vec<u8>);

impl FilePath {
    /// A checked path.
    ///
    /// # Errors
    /// When it is empty, longer than [`bounds::PATH_BYTES_MAX`] or has a NUL.
    pub fn new(bytes: Vec<u8>) -> Result<Self, InputError> {
        if bytes.is_empty() || bytes.len() > bounds::PATH_BYTES_MAX || bytes.contains(&0) {
            return Err(InputError { what: "path", expected: "a path of 1 to 4095 bytes without NUL" });
        }
        Ok(Self(bytes))
    }

    /// The user's home.
    #[must_use]
    pub fn home() -> Self {
        Self(b".".to_vec())
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for FilePath {
    type Error = InputError;

    fn try_from(text: String) -> Result<Self, InputError> {
        Self::new(text.into_bytes())
    }
}

/// Rights of a file: twelve bits, as chmod(1) takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(u32);

impl FileMode {
    /// All bits that there are.
    const ALL: u32 = 0o7777;

    /// From bits; what is beyond the twelve is left out.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for FileMode {
    type Error = InputError;

    fn try_from(text: String) -> Result<Self, InputError> {
        let expected = "an octal number such as 0644, at most 7777";
        let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let bits = u32::from_str_radix(&text, 8).ok().filter(|bits| digits && *bits <= Self::ALL);
        bits.map(Self).ok_or(InputError { what: "mode", expected })
    }
}

impl std::fmt::Display for FileMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// Something else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_any_bytes_but_nul() {
        assert!(FilePath::new(b"/a\n\xff/..".to_vec()).is_ok());
        for bytes in [Vec::new(), b"a\0b".to_vec(), vec![b'a'; 4_096]] {
            assert!(FilePath::new(bytes).is_err());
        }
    }

    #[test]
    fn modes_are_octal() {
        for (text, bits) in [("644", 0o644), ("0755", 0o755), ("07777", 0o7777), ("0", 0)] {
            assert_eq!(FileMode::try_from(text.to_owned()).unwrap().bits(), bits);
        }
        for text in ["", "8", "+644", "10000", "000644", "rw-"] {
            assert!(FileMode::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert_eq!(FileMode::from_bits(0o644).to_string(), "0644");
    }
}
