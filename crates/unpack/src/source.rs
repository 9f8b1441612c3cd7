//! Where bytes come from: parts of the archive, packed or not, counted and hashed on their way.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// A part of a file, read at positions of its own.
#[derive(Debug, Clone)]
pub(crate) struct Section<'a> {
    file: &'a File,
    start: u64,
    length: u64,
    at: u64,
}

impl<'a> Section<'a> {
    pub(crate) fn new(file: &'a File, start: u64, length: u64) -> Self {
        Self { file, start, length, at: 0 }
    }

    pub(crate) fn whole(file: &'a File) -> io::Result<Self> {
        Ok(Self::new(file, 0, file.metadata()?.len()))
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..wanted], self.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Section<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        // Beyond the end is the end: what is said to be there is missing.
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.min(self.length);
        Ok(self.at)
    }
}

/// How bytes are packed, as their first tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
    /// Packed in a way that is not read here.
    Other,
}

impl Packing {
    pub(crate) fn of(section: &Section<'_>) -> io::Result<Self> {
        let mut start = Vec::new();
        section.clone().take(6).read_to_end(&mut start)?;
        Ok(match start.as_slice() {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] | [0xFD, b'7', b'z', b'X', b'Z', ..] => Self::Other,
            _ => Self::Plain,
        })
    }

    /// Reads what is packed.
    pub(crate) fn open<'a>(self, packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        let packed = BufReader::with_capacity(CHUNK, packed);
        Ok(match self {
            Self::Plain | Self::Other => Box::new(packed),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
        })
    }
}

/// Counts and hashes what is read through it, and ends with an error where there is too much.
#[derive(Debug)]
pub(crate) struct Measured<R> {
    inner: R,
    hash: Option<Sha256>,
    left: u64,
    /// Whether there was more than allowed.
    pub(crate) exceeded: bool,
}

impl<R: Read> Measured<R> {
    /// With a hash where one is wanted.
    pub(crate) fn new(inner: R, bytes_max: u64, hashed: bool) -> Self {
        Self { inner, hash: hashed.then(Sha256::new), left: bytes_max, exceeded: false }
    }

    /// Reads what is left, and tells the digest of all, as lower-case hexadecimal digits.
    pub(crate) fn finish(&mut self) -> io::Result<Option<String>> {
        let mut chunk = vec![0; CHUNK];
        while self.read(&mut chunk)? > 0 {}
        Ok(self.hash.take().map(|hash| atoll_oci::hexadecimal(&hash.finalize())))
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            self.exceeded = true;
            return Err(io::Error::other("more than is allowed"));
        };
        self.left = left;
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..read]);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_section_is_read_and_sought_within_its_bounds() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut section = Section::new(&file, 2, 5);
        let mut text = String::new();
        section.read_to_string(&mut text).unwrap();
        assert_eq!(text, "23456");
        assert_eq!(section.seek(SeekFrom::Current(-2)).unwrap(), 3);
        assert_eq!(section.seek(SeekFrom::Start(99)).unwrap(), 5);
        assert_eq!(section.read(&mut [0; 9]).unwrap(), 0);
        section.seek(SeekFrom::Current(-99)).unwrap_err();
    }

    #[test]
    fn more_than_is_allowed_is_an_error_and_not_an_end() {
        let mut measured = Measured::new(&b"12345"[..], 5, true);
        let digest = measured.finish().unwrap().unwrap();
        assert!(digest.starts_with("5994471abb01112a"), "{digest}");
        let mut measured = Measured::new(&b"123456"[..], 5, true);
        measured.finish().unwrap_err();
        assert!(measured.exceeded);
    }
}
