//! Images to registries.

use atoll_ports::{AuditScope, Outgoing, PushProgress, Pushed, RegistryError, Role};
use atoll_types::{ErrorCode, ImageName, ImageReference};

use crate::image::image_error;
use crate::image_pull::registry_error;
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Packs an image into one layer and pushes it to its registry. `progress` is told how far it is.
    ///
    /// # Errors
    /// `image_not_found`, `forbidden` for another user's, `registry_denied`, `registry_unavailable`, `registry_busy`, `disk_full`.
    ///
    /// # Cancel safety
    /// Dropped, it leaves nothing here. In the registry a layer may be left that no manifest names.
    pub async fn image_push(
        &self,
        caller: &Caller,
        name: &ImageName,
        reference: &ImageReference,
        progress: &(dyn Fn(PushProgress) + Send + Sync),
    ) -> Result<Pushed, EngineError> {
        AuditScope::about(name.as_str());
        let ports = &self.inner.ports;
        if name.is_host() {
            return Err(EngineError::new(
                ErrorCode::Forbidden,
                "the image 'host' is this machine's own files: it is never pushed",
            ));
        }
        let Some(image) = ports.store.image_get(name).await? else {
            return Err(EngineError::new(
                ErrorCode::ImageNotFound,
                "there is no such image: 'atoll image ls' shows them",
            ));
        };
        let is_admin = caller.role == Role::Admin;
        if image.owner != caller.user && !is_admin {
            return Err(EngineError::new(ErrorCode::Forbidden, "this image was imported by somebody else"));
        }
        ports.registry.may_push(reference).await.map_err(push_error)?;
        progress(PushProgress::Packing);
        let layer = ports.registry.scratch().await.map_err(registry_error)?;
        let into = layer.try_clone().map_err(|error| registry_error(RegistryError::Failed(error)))?;
        let exported = ports.images.export(&image.digest, into, self.inner.settings.image_bytes_max).await;
        let outgoing = Outgoing {
            layer,
            exported: exported.map_err(image_error)?,
            template: image.template,
            config: image.config,
            // What the operator may write to, not everybody may who may use this server.
            with_credentials: is_admin,
        };
        let pushed = ports.registry.push(reference, outgoing, progress).await.map_err(push_error)?;
        tracing::info!("pushed the image {name} to {reference}: its manifest is sha256:{}", pushed.manifest);
        Ok(pushed)
    }
}

/// What is wrong with the request is no fault of the image.
fn push_error(error: RegistryError) -> EngineError {
    match error {
        RegistryError::Invalid(why) => EngineError::field("reference", why),
        other => registry_error(other),
    }
}
