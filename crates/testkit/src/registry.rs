//! A registry in memory.

use std::collections::HashMap;
use std::io::{Seek, Write};
use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{Fetched, Images, Outgoing, PullProgress, PushProgress, Pushed, Registry, RegistryError};
use atoll_types::ImageReference;
use parking_lot::Mutex;

use crate::samples::digest;

/// A registry in memory: the archives of its images.
#[derive(Debug, Clone, Default)]
pub struct FakeRegistry {
    images: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    pushed: Arc<Mutex<Vec<(String, Outgoing)>>>,
}

impl FakeRegistry {
    /// Has this archive from now on.
    pub fn put(&self, reference: &str, archive: &[u8]) {
        self.images.lock().insert(reference.to_owned(), archive.to_vec());
    }

    /// Sends this archive in the place of the one of the reference where its layer, of the digest `aa…`, is known.
    pub fn put_without_layer(&self, reference: &str, archive: &[u8]) {
        self.images.lock().insert(format!("{reference} without"), archive.to_vec());
    }

    /// What was pushed to it since it was asked last, and where.
    #[must_use]
    pub fn pushed(&self) -> Vec<(String, Outgoing)> {
        std::mem::take(&mut *self.pushed.lock())
    }
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn fetch(
        &self,
        reference: &ImageReference,
        bytes_max: u64,
        known: Option<&dyn Images>,
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
        // Its archives have one layer each.
        let left_out = match known {
            Some(images) => images.known_layers(&[digest('a')]).await.unwrap_or(0),
            None => 0,
        };
        let without = self.images.lock().get(&format!("{reference} without")).cloned();
        let bytes = without.filter(|_| left_out > 0).unwrap_or(bytes);
        progress(PullProgress::Found { layers: 1, total_bytes, existing_bytes: 0 });
        let mut archive = tempfile::tempfile().map_err(RegistryError::Failed)?;
        archive.write_all(&bytes).map_err(RegistryError::Failed)?;
        archive.rewind().map_err(RegistryError::Failed)?;
        progress(PullProgress::Fetched { bytes: total_bytes, total_bytes });
        Ok(Fetched { archive, left_out, manifest: digest('e') })
    }

    async fn scratch(&self) -> Result<std::fs::File, RegistryError> {
        tempfile::tempfile().map_err(RegistryError::Failed)
    }

    async fn may_push(&self, reference: &ImageReference) -> Result<(), RegistryError> {
        match reference.registry() {
            None => Err(RegistryError::NoRegistry(reference.clone())),
            Some(_) if reference.digest().is_some() => Err(RegistryError::Invalid("a digest".to_owned())),
            Some(_) => Ok(()),
        }
    }

    async fn push(
        &self,
        reference: &ImageReference,
        image: Outgoing,
        progress: &(dyn Fn(PushProgress) + Send + Sync),
    ) -> Result<Pushed, RegistryError> {
        let bytes = image.exported.bytes;
        progress(PushProgress::Pushed { bytes, total_bytes: bytes });
        self.pushed.lock().push((reference.to_string(), image));
        Ok(Pushed { manifest: digest('f'), bytes })
    }
}
