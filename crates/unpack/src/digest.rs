//! The archive's digest, which names the image.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};

use atoll_oci::hexadecimal;
use sha2::{Digest, Sha256};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// SHA-256 of the whole file, as lower-case hexadecimal digits; leaves it at its start.
///
/// # Errors
/// When it cannot be read.
pub fn of(mut file: &File) -> Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => hash.update(&chunk[..read]),
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(hexadecimal(&hash.finalize()))
}
