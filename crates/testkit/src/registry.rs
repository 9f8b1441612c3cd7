//! A registry in memory.

use std::collections::HashMap;
use std::io::{Seek, Write};
use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{Fetched, PullProgress, Registry, RegistryError};
use atoll_types::ImageReference;
use parking_lot::Mutex;

use crate::samples::digest;

/// A registry in memory: the archives of its images.
#[derive(Debug, Clone, Default)]
pub struct FakeRegistry {
    images: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl FakeRegistry {
    /// Has this archive from now on.
    pub fn put(&self, reference: &str, archive: &[u8]) {
        self.images.lock().insert(reference.to_owned(), archive.to_vec());
    }
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn fetch(
        &self,
        reference: &ImageReference,
        bytes_max: u64,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<Fetched, RegistryError> {
        if reference.registry().is_none() {
            return Err(RegistryError::NoRegistry(reference.clone()));
        }
        let bytes = self.images.lock().get(&reference.to_string()).cloned();
        let bytes = bytes.ok_or_else(|| RegistryError::NotFound(reference.clone()))?;
        let total_bytes = bytes.len() as u64;
        if total_bytes > bytes_max {
            return Err(RegistryError::TooLarge { bytes: total_bytes, max: bytes_max });
        }
        progress(PullProgress::Found { layers: 1, total_bytes });
        let mut archive = tempfile::tempfile().map_err(RegistryError::Failed)?;
        archive.write_all(&bytes).map_err(RegistryError::Failed)?;
        archive.rewind().map_err(RegistryError::Failed)?;
        progress(PullProgress::Fetched { bytes: total_bytes, total_bytes });
        Ok(Fetched { archive, manifest: digest('e') })
    }
}
