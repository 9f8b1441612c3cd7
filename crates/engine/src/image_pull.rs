//! Images from registries.

use atoll_ports::{AuditScope, ImageRecord, PullProgress, RegistryError};
use atoll_types::{ErrorCode, ImageName, ImageReference, SandboxTemplate};

use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Fetches an image from its registry and gives it a name, as an import does. `progress` is told how far it is.
    ///
    /// # Errors
    /// `registry_denied`, `registry_unavailable`, `registry_busy`, `image_not_found`, `invalid_image`, `disk_full`, or a name
    /// that is not the caller's to give.
    ///
    /// # Cancel safety
    /// Dropped while it fetches, it leaves nothing. What is being unpacked goes on.
    pub async fn image_pull(
        &self,
        caller: &Caller,
        name: ImageName,
        reference: &ImageReference,
        template: SandboxTemplate,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<ImageRecord, EngineError> {
        AuditScope::about(name.as_str());
        self.may_name(caller, &name).await?;
        let bytes_max = self.inner.settings.image_bytes_max;
        let ports = &self.inner.ports;
        let mut known = Some(&*ports.images);
        loop {
            let fetched = ports.registry.fetch(reference, bytes_max, known, progress).await;
            let fetched = fetched.map_err(registry_error)?;
            tracing::info!("fetched the image {reference}: its manifest is sha256:{}", fetched.manifest);
            progress(PullProgress::Unpacking);
            let (name, template) = (name.clone(), template.clone());
            match self.image_import(caller, name, template, fetched.archive).await {
                // A layer that was here went meanwhile with the last image that had it.
                Err(error) if error.code == ErrorCode::InvalidImage && fetched.left_out > 0 => known = None,
                done => return done,
            }
        }
    }
}

pub(crate) fn registry_error(error: RegistryError) -> EngineError {
    let code = match &error {
        RegistryError::NoRegistry(_) => return EngineError::field("reference", error.to_string()),
        RegistryError::NotFound(_) => ErrorCode::ImageNotFound,
        RegistryError::Denied(..) | RegistryError::NotAllowed(..) => ErrorCode::RegistryDenied,
        RegistryError::Unavailable(_) => ErrorCode::RegistryUnavailable,
        RegistryError::Busy { .. } => ErrorCode::RegistryBusy,
        RegistryError::Invalid(_) | RegistryError::TooLarge { .. } => ErrorCode::InvalidImage,
        RegistryError::DiskFull => ErrorCode::DiskFull,
        RegistryError::Failed(_) => {
            return EngineError::new(ErrorCode::Internal, "the image could not be kept").because(error);
        }
    };
    let retry_after_seconds = match &error {
        RegistryError::Busy { retry_after: Some(wait) } => {
            Some(u16::try_from(wait.as_secs()).unwrap_or(u16::MAX))
        }
        _ => None,
    };
    EngineError { retry_after_seconds, ..EngineError::new(code, error.to_string()) }
}
