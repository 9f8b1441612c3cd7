//! Images from Dockerfiles.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{
    AuditScope, BuildError, BuildOrder, BuildProgress, BuildSource, ImageBuilder, ImageRecord, RegistryError,
    Role,
};
use atoll_types::{
    ErrorCode, ImageBuilds, ImageDigest, ImageName, ImageReference, Network, SandboxTemplate, UserId,
};
use parking_lot::Mutex;

use crate::image_pull::registry_error;
use crate::{Caller, Engine, EngineError};

/// Builds at once, of all users: each may use as much memory and as many processors as a large sandbox.
const BUILDS_MAX: usize = 4;
/// Builds at once of one user.
const BUILDS_PER_USER_MAX: usize = 1;
/// Longest time that the setting may give a build: the broker has no more patience.
pub const BUILD_TIME_MAX: Duration = Duration::from_secs(6 * 3_600);

/// The builds under way, by user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Builds(Arc<Mutex<HashMap<UserId, usize>>>);

/// The place of one; free again when it is dropped.
#[derive(Debug)]
struct Place {
    builds: Builds,
    user: UserId,
}

impl Builds {
    fn begin(&self, user: &UserId) -> Result<Place, EngineError> {
        let mut under_way = self.0.lock();
        let of_user = under_way.get(user).copied().unwrap_or_default();
        if of_user >= BUILDS_PER_USER_MAX {
            return Err(too_many("another build of yours is under way: wait until it has ended"));
        }
        if under_way.values().sum::<usize>() >= BUILDS_MAX {
            return Err(too_many(format!("{BUILDS_MAX} builds are under way: try again when one has ended")));
        }
        under_way.insert(user.clone(), of_user + 1);
        Ok(Place { builds: self.clone(), user: user.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.builds.0.lock();
        if let Some(of_user) = under_way.get_mut(&self.user) {
            *of_user -= 1;
            if *of_user == 0 {
                under_way.remove(&self.user);
            }
        }
    }
}

fn too_many(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorCode::TooManyBuilds, message)
}

impl Engine {
    /// Whether the caller may build an image of this name here.
    ///
    /// # Errors
    /// `forbidden` where the operator does not let it be done, `runtime_unavailable` where nothing is there that builds, or a name that is
    /// not the caller's to give.
    pub async fn may_build(&self, caller: &Caller, name: &ImageName) -> Result<(), EngineError> {
        let refused = match (self.inner.settings.image_builds, caller.role) {
            (ImageBuilds::Off, _) => Some("no images are built here (the setting imageBuilds)"),
            (ImageBuilds::Admin, Role::User) => {
                Some("only admins build images here (the setting imageBuilds)")
            }
            (ImageBuilds::Admin, Role::Admin) | (ImageBuilds::All, _) => None,
        };
        if let Some(why) = refused {
            return Err(EngineError::new(ErrorCode::Forbidden, why));
        }
        self.builder()?;
        self.may_name(caller, name).await.map(drop)
    }

    fn builder(&self) -> Result<&Arc<dyn ImageBuilder>, EngineError> {
        self.inner.ports.builder.as_ref().ok_or_else(|| {
            let why = "images are built by Docker, which is not set up here: install Docker Engine (dockerHost), or import the image";
            EngineError::new(ErrorCode::RuntimeUnavailable, why)
        })
    }

    /// Builds an image and gives it a name, as an import does. `progress` is told what its steps write.
    ///
    /// # Errors
    /// As [`Engine::may_build`]; `invalid_archive`, `invalid_dockerfile`, `build_failed`, `too_many_builds`, `image_not_found`,
    /// `disk_full`, and those of a pull for an image that it begins with.
    ///
    /// # Cancel safety
    /// Dropped while it builds, it leaves nothing but images that it has pulled. What is being unpacked goes on.
    pub async fn image_build(
        &self,
        caller: &Caller,
        name: ImageName,
        source: BuildSource,
        network: Network,
        progress: &(dyn Fn(BuildProgress<'_>) + Send + Sync),
    ) -> Result<ImageRecord, EngineError> {
        AuditScope::about(name.as_str());
        self.may_build(caller, &name).await?;
        let builder = Arc::clone(self.builder()?);
        let _place = self.inner.builds.begin(&caller.user)?;
        let mut images = BTreeMap::new();
        for image in builder.images(&source).await.map_err(build_error)? {
            let digest = self.image_to_build_on(caller, &image, progress).await?;
            images.insert(image, digest);
        }
        let (into, archive) = self.build_file().await?;
        let settings = &self.inner.settings;
        let (time, bytes_max) = (settings.image_build_time, settings.image_bytes_max);
        let order = BuildOrder { images, network, time, bytes_max, into };
        let output = |text: &str| progress(BuildProgress::Output(text));
        builder.build(&source, order, &output).await.map_err(build_error)?;
        progress(BuildProgress::Unpacking);
        self.image_import(caller, name, SandboxTemplate::default(), archive).await
    }

    /// A file without a name, twice: the place of both is the same.
    async fn build_file(&self) -> Result<(File, File), EngineError> {
        let file = self.inner.ports.registry.scratch().await.map_err(registry_error)?;
        let again = file.try_clone().map_err(|error| registry_error(RegistryError::Failed(error)))?;
        Ok((file, again))
    }

    /// The image that a Dockerfile names: one that is here, or the registry's of that reference, which is here from then on.
    async fn image_to_build_on(
        &self,
        caller: &Caller,
        text: &str,
        progress: &(dyn Fn(BuildProgress<'_>) + Send + Sync),
    ) -> Result<ImageDigest, EngineError> {
        let wrong = |why: String| {
            EngineError::new(
                ErrorCode::InvalidDockerfile,
                format!("the Dockerfile names the image '{text}': {why}"),
            )
        };
        if let Ok(name) = text.parse::<ImageName>() {
            if name.is_host() {
                return Err(wrong("it is this machine's own files, of which nothing is built".to_owned()));
            }
            if let Some(image) = self.inner.ports.store.image_get(&name).await? {
                return Ok(image.digest);
            }
        }
        let reference: ImageReference = text
            .parse()
            .map_err(|error: atoll_types::InputError| wrong(format!("it must be {}", error.expected)))?;
        let name = reference.to_name().map_err(|error| wrong(error.to_string()))?;
        progress(BuildProgress::Pulling(text));
        let pulled = self.image_pull(caller, name, &reference, SandboxTemplate::default(), &|_| {}).await;
        pulled.map(|image| image.digest).map_err(|error| {
            let message = format!(
                "the Dockerfile names the image '{text}', which is not here and cannot be pulled: {}",
                error.message
            );
            let code =
                if error.code == ErrorCode::InvalidRequest { ErrorCode::ImageNotFound } else { error.code };
            EngineError { code, message, fields: Vec::new(), ..error }
        })
    }
}

fn build_error(error: BuildError) -> EngineError {
    let code = match &error {
        BuildError::BadContext(_) => ErrorCode::InvalidArchive,
        BuildError::TooLarge(_) => ErrorCode::BodyTooLarge,
        BuildError::BadDockerfile(_) => ErrorCode::InvalidDockerfile,
        BuildError::Failed(_) => ErrorCode::BuildFailed,
        BuildError::TooMany(_) => ErrorCode::TooManyBuilds,
        BuildError::Unsupported(_) => ErrorCode::RuntimeUnavailable,
        BuildError::Runtime(error) => return error.clone().into(),
    };
    EngineError::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_one_place_and_all_have_some() {
        let builds = Builds::default();
        let users: Vec<UserId> = (0..=BUILDS_MAX).map(|_| UserId::random()).collect();
        let first = builds.begin(&users[0]).unwrap();
        assert_eq!(builds.begin(&users[0]).unwrap_err().code, ErrorCode::TooManyBuilds);
        let others: Vec<Place> =
            users[1..BUILDS_MAX].iter().map(|user| builds.begin(user).unwrap()).collect();
        assert_eq!(builds.begin(&users[BUILDS_MAX]).unwrap_err().code, ErrorCode::TooManyBuilds);
        drop(first);
        let last = builds.begin(&users[BUILDS_MAX]).unwrap();
        drop((others, last));
        assert!(builds.0.lock().is_empty());
    }
}
