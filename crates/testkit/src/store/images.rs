//! Images.

use atoll_ports::{ImageRecord, Page, StoreError};
use atoll_types::{ImageDigest, ImageSource};

use super::Tables;
use super::page::page;

impl Tables {
    pub(super) fn image_put(&mut self, image: &ImageRecord) -> Result<(), StoreError> {
        self.owner_exists(&image.owner)?;
        self.images.insert(image.name.clone(), image.clone());
        Ok(())
    }

    pub(super) fn image_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ImageRecord>, StoreError> {
        let all = self.images.values().cloned().collect();
        let key = |i: &ImageRecord| i.name.to_string();
        page("i", all, key, Clone::clone, |text| Some(text.to_owned()), cursor, limit)
    }

    pub(super) fn image_digest_used(&self, digest: &ImageDigest) -> bool {
        let source = ImageSource::Unpacked(digest.clone());
        self.images.values().any(|i| i.digest == *digest)
            || self.sandboxes.values().any(|s| s.spec.source == source)
    }
}
