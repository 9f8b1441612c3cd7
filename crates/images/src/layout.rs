//! Writes the archive of an OCI image layout. The same image is the same archive, byte for byte.

use std::io::SeekFrom;

use atoll_ports::RegistryError;
use tar::{EntryType, Header};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// Bytes of a block of a tar.
const BLOCK: u64 = 512;

/// An archive that is being written.
#[derive(Debug)]
pub(crate) struct Layout {
    file: File,
}

impl Layout {
    pub(crate) fn new(file: std::fs::File) -> Self {
        Self { file: File::from_std(file) }
    }

    /// Begins a file of so many bytes, which are written next.
    pub(crate) async fn begin(&mut self, name: &str, bytes: u64) -> Result<(), RegistryError> {
        let mut header = Header::new_ustar();
        header.set_path(name).map_err(RegistryError::Failed)?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes);
        header.set_cksum();
        self.write(header.as_bytes()).await
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.file.write_all(bytes).await.map_err(failed)
    }

    /// Ends a file that has so many bytes.
    pub(crate) async fn end(&mut self, bytes: u64) -> Result<(), RegistryError> {
        let padding = (BLOCK - bytes % BLOCK) % BLOCK;
        let zeros = [0; 512];
        self.write(&zeros[..usize::try_from(padding).unwrap_or_default()]).await
    }

    /// A file that is at hand.
    pub(crate) async fn add(&mut self, name: &str, content: &[u8]) -> Result<(), RegistryError> {
        let bytes = content.len() as u64;
        self.begin(name, bytes).await?;
        self.write(content).await?;
        self.end(bytes).await
    }

    /// The whole archive, at its start.
    pub(crate) async fn finish(mut self) -> Result<std::fs::File, RegistryError> {
        self.write(&[0; 1_024]).await?;
        self.file.flush().await.map_err(failed)?;
        self.file.seek(SeekFrom::Start(0)).await.map_err(failed)?;
        Ok(self.file.into_std().await)
    }
}

pub(crate) fn failed(error: std::io::Error) -> RegistryError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => RegistryError::DiskFull,
        _ => RegistryError::Failed(error),
    }
}
