//! Images.

use std::collections::HashMap;
use std::fs::File;

use atoll_ports::{AuditScope, ImageRecord, ImageSize, ImagesError, Page, Role, RuntimeError};
use atoll_types::{ErrorCode, ImageConfig, ImageDigest, ImageName, ImageSource, SandboxTemplate};

use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Unpacks an archive and gives it a name; `template` is laid over what the image says of itself. An image of that name is
    /// replaced. Sandboxes made of the old one keep it.
    ///
    /// # Errors
    /// `invalid_image`, `disk_full`, or a name that is kept for the host's image.
    pub async fn image_import(
        &self,
        caller: &Caller,
        name: ImageName,
        template: SandboxTemplate,
        archive: File,
    ) -> Result<ImageRecord, EngineError> {
        self.may_name(caller, &name).await?;
        let (engine, caller) = (self.clone(), caller.clone());
        AuditScope::about(name.as_str());
        let work = async move { engine.import_now(&caller, name, template, archive).await };
        self.inner.operations.run_detached("import image", AuditScope::carry(work)).await?
    }

    /// Whether the caller may give this name, and what has it now.
    pub(crate) async fn may_name(
        &self,
        caller: &Caller,
        name: &ImageName,
    ) -> Result<Option<ImageRecord>, EngineError> {
        if name.is_host() {
            return Err(EngineError::field(
                "name",
                "must not be 'host': that name is kept for the host's own system",
            ));
        }
        let old = self.inner.ports.store.image_get(name).await?;
        if old.as_ref().is_some_and(|o| o.owner != caller.user) && caller.role != Role::Admin {
            return Err(EngineError::new(
                ErrorCode::Forbidden,
                "another user's image has this name: choose another",
            ));
        }
        Ok(old)
    }

    async fn import_now(
        &self,
        caller: &Caller,
        name: ImageName,
        template: SandboxTemplate,
        archive: File,
    ) -> Result<ImageRecord, EngineError> {
        let store = &self.inner.ports.store;
        let old = self.may_name(caller, &name).await?;
        let _until_recorded = self.inner.image_content.read().await;
        let imported = self.inner.ports.images.import(archive, self.inner.settings.image_bytes_max).await;
        let imported = imported.map_err(image_error)?;
        let own = imported.config.as_ref().map(ImageConfig::defaults).unwrap_or_default();
        let image = ImageRecord {
            name,
            digest: imported.digest,
            size_bytes: imported.size_bytes,
            template: template
                .over(own)
                .map_err(|e| EngineError::field(e.what, format!("must be {}", e.expected)))?,
            config: imported.config,
            owner: caller.user.clone(),
            created_at: self.inner.ports.clock.now(),
        };
        if let Err(error) = store.image_put(&image).await {
            // Without a name nobody would ever remove it.
            if let Err(left) = self.drop_content(&image).await {
                tracing::warn!("the content {} of an import that failed is left: {left}", image.digest);
            }
            return Err(error.into());
        }
        if let Some(old) = old.filter(|o| o.digest != image.digest) {
            self.drop_content(&old).await?;
        }
        Ok(image)
    }

    /// All images, by name.
    ///
    /// # Errors
    /// A malformed cursor.
    pub async fn image_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ImageRecord>, EngineError> {
        Ok(self.inner.ports.store.image_list(cursor, limit).await?)
    }

    /// What the images on the node take, alone and together; nothing of those of which it is not known.
    pub async fn image_sizes(&self) -> HashMap<ImageDigest, ImageSize> {
        self.inner.ports.images.sizes().await.unwrap_or_default()
    }

    /// Removes a name, and the content once nothing uses it.
    ///
    /// # Errors
    /// `image_not_found`, `forbidden` for another user's, `image_in_use` while a sandbox is made of it.
    pub async fn image_delete(&self, caller: &Caller, name: &ImageName) -> Result<(), EngineError> {
        let (engine, caller, name) = (self.clone(), caller.clone(), name.clone());
        let work = async move { engine.delete_image_now(&caller, &name).await };
        self.inner.operations.run_detached("delete image", AuditScope::carry(work)).await?
    }

    async fn delete_image_now(&self, caller: &Caller, name: &ImageName) -> Result<(), EngineError> {
        let store = &self.inner.ports.store;
        if name.is_host() {
            let text = "'host' is this machine's own /usr: there is nothing to remove";
            return Err(EngineError::new(ErrorCode::Forbidden, text));
        }
        let Some(image) = store.image_get(name).await? else {
            return Err(EngineError::new(
                ErrorCode::ImageNotFound,
                "there is no such image: 'atoll image ls' shows them",
            ));
        };
        if image.owner != caller.user && caller.role != Role::Admin {
            return Err(EngineError::new(ErrorCode::Forbidden, "this image was imported by somebody else"));
        }
        if self.stands_on(&image) {
            return Err(EngineError::new(
                ErrorCode::ImageInUse,
                "a sandbox still uses this image, running or not: delete it first",
            ));
        }
        store.image_delete(name).await?;
        self.drop_content(&image).await
    }

    /// Whether a sandbox was made of this image by this name.
    fn stands_on(&self, image: &ImageRecord) -> bool {
        let source = ImageSource::Unpacked(image.digest.clone());
        self.inner.records.all().iter().any(|r| r.spec.image == image.name && r.spec.source == source)
    }

    /// Removes content without a record, as when serve died between the two. While an import is under way its own has none
    /// yet: then the next pass looks.
    pub(crate) async fn remove_unowned_images(&self) -> Result<(), EngineError> {
        let Ok(_alone) = self.inner.image_content.try_write() else { return Ok(()) };
        let images = &self.inner.ports.images;
        for digest in images.list().await.map_err(image_error)? {
            if self.inner.ports.store.image_digest_used(&digest).await? {
                continue;
            }
            tracing::info!("removing the image content {digest}: no record owns it");
            match images.remove(&digest).await {
                Ok(()) | Err(ImagesError::InUse) => {}
                Err(error) => return Err(image_error(error)),
            }
        }
        Ok(())
    }

    /// Removes the content that a sandbox was the last to stand for: its name stands for another by now. What fails is left to
    /// the next pass, as is what an import under way may be about to name.
    pub(crate) async fn left_by(&self, source: Option<ImageSource>) {
        let Some(ImageSource::Unpacked(digest)) = source else { return };
        let Ok(_alone) = self.inner.image_content.try_write() else { return };
        if let Err(error) = self.drop_unused(&digest).await {
            tracing::warn!("the image content {digest} is not removed yet: {error}");
        }
    }

    /// Removes content that neither a name nor a sandbox stands for.
    async fn drop_content(&self, image: &ImageRecord) -> Result<(), EngineError> {
        self.drop_unused(&image.digest).await
    }

    async fn drop_unused(&self, digest: &ImageDigest) -> Result<(), EngineError> {
        if self.inner.ports.store.image_digest_used(digest).await? {
            return Ok(());
        }
        match self.inner.ports.images.remove(digest).await {
            Ok(()) | Err(ImagesError::InUse) => Ok(()),
            Err(error) => Err(image_error(error)),
        }
    }
}

pub(crate) fn image_error(error: ImagesError) -> EngineError {
    match error {
        ImagesError::BadArchive(why) => EngineError::new(ErrorCode::InvalidImage, why),
        ImagesError::InUse => EngineError::new(ErrorCode::ImageInUse, "a sandbox still uses this image"),
        ImagesError::Runtime(error @ RuntimeError::ImageMissing) => {
            EngineError::new(ErrorCode::ImageNotFound, error.to_string())
        }
        ImagesError::Runtime(error) => error.into(),
    }
}
