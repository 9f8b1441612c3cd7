//! The port of registries.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{Fetched, Images, Outgoing, PullProgress, PushProgress, Pushed, Registry, RegistryError};
use atoll_types::ImageReference;
use reqwest::Client;
use reqwest::redirect::{Attempt, Policy};
use tokio::sync::Semaphore;

use crate::address::{Address, DefaultRegistry, Host};
use crate::outside::{Allowed, Outside};
use crate::session::{PUSH, Session};
use crate::{Patience, credentials, fetch, layout, outside, push};

/// Fetches at once: as many as are unpacked at once.
const FETCHES_MAX: usize = 2;
/// Redirects of one request, one after the other.
const REDIRECTS_MAX: usize = 5;

/// How registries are used.
#[derive(Debug)]
pub struct Options {
    /// Folder of archives under way. They have no name in it.
    pub spool: OwnedFd,
    /// Registry of references that name none.
    pub default: Option<DefaultRegistry>,
    /// Registries that are spoken to without TLS. They may be used wherever they are.
    pub insecure: Vec<Host>,
    /// Which others may be used.
    pub allowed: Allowed,
    /// File with credentials, as Docker writes it.
    pub auth_file: Option<PathBuf>,
    /// How long and how often something is tried.
    pub patience: Patience,
}

/// Registries of images.
#[derive(Debug)]
pub struct Registries {
    options: Options,
    permits: Semaphore,
}

impl Registries {
    /// Those of these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, permits: Semaphore::new(FETCHES_MAX) }
    }

    /// A client for one image. It reads this system's certificates, which takes longer than a start of serve should, and which may be
    /// other ones by the next image. Unless the registry is trusted, it connects to nothing inside.
    async fn client(&self, trusted: bool) -> Result<Client, RegistryError> {
        let silence = self.options.patience.silence;
        let made = tokio::task::spawn_blocking(move || {
            let builder = || {
                let builder = Client::builder()
                    .user_agent(concat!("atoll/", env!("CARGO_PKG_VERSION")))
                    .connect_timeout(silence)
                    .redirect(Policy::custom(move |attempt| redirect(attempt, trusted)));
                if trusted { builder } else { builder.dns_resolver(Arc::new(Outside::new())) }
            };
            // A system without any knows no registry with TLS, and says so when one is asked; those without it are used all the same.
            builder().build().or_else(|_none| builder().tls_certs_only([]).build())
        });
        let made = made.await.map_err(|error| RegistryError::Failed(error.into()))?;
        made.map_err(|error| RegistryError::Unavailable(format!("cannot set up TLS: {error}")))
    }

    /// Whether the operator has named a registry; an error where it may not be used.
    async fn trusts(&self, address: &Address) -> Result<bool, RegistryError> {
        let options = &self.options;
        let default = options.default.as_ref().is_some_and(|default| default.is_at(&address.host));
        let named = options.insecure.iter().chain(&options.allowed.named).any(|host| host.is(&address.host));
        if default || named {
            return Ok(true);
        }
        let refused = |why: String| Err(RegistryError::NotAllowed(why));
        if !options.allowed.public {
            return refused(format!("{} is not in the setting registries", address.host));
        }
        match outside::check(&address.url("")?).await {
            Ok(()) => Ok(false),
            Err(inner) => refused(inner.to_string()),
        }
    }

    fn address(&self, reference: &ImageReference) -> Result<Address, RegistryError> {
        Address::of(reference, self.options.default.as_ref(), &self.options.insecure)
    }

    async fn credentials(
        &self,
        address: &Address,
    ) -> Result<Option<credentials::Credentials>, RegistryError> {
        match &self.options.auth_file {
            Some(file) => credentials::of(file, &address.host, self.options.patience.silence).await,
            None => Ok(None),
        }
    }

    /// What is done within the time that a whole image may take.
    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let whole = self.options.patience.whole;
        match tokio::time::timeout(whole, work).await {
            Ok(done) => done,
            Err(_) => Err(RegistryError::Unavailable(format!("it took more than {} s", whole.as_secs()))),
        }
    }

    async fn spooled(&self) -> Result<std::fs::File, RegistryError> {
        let spool = format!("/proc/self/fd/{}", self.options.spool.as_raw_fd());
        let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(spool)).await;
        made.map_err(|error| RegistryError::Failed(error.into()))?.map_err(layout::failed)
    }
}

/// To a place without TLS leads only a place without TLS, and to one inside only a registry that is trusted.
fn redirect(attempt: Attempt<'_>, trusted: bool) -> reqwest::redirect::Action {
    let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error("too many redirects");
    }
    if !trusted && !outside::may_be_asked(attempt.url()) {
        return attempt.error("a redirect to an address of a private network");
    }
    match attempt.url().scheme() {
        "https" => attempt.follow(),
        "http" if !secure => attempt.follow(),
        _ => attempt.error("a redirect to a place without TLS"),
    }
}

#[async_trait]
impl Registry for Registries {
    async fn fetch(
        &self,
        reference: &ImageReference,
        bytes_max: u64,
        known: Option<&dyn Images>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<Fetched, RegistryError> {
        let options = &self.options;
        let address = self.address(reference)?;
        let trusted = self.trusts(&address).await?;
        let _permit = self.permits.acquire().await;
        let credentials = self.credentials(&address).await?;
        let (file, http) = (self.spooled().await?, self.client(trusted).await?);
        let mut session = Session::new(&http, address, trusted, reference, credentials, options.patience);
        // What it has written so far has no name, and goes with it.
        self.in_time(fetch::fetch(&mut session, file, bytes_max, known, progress)).await
    }

    async fn scratch(&self) -> Result<std::fs::File, RegistryError> {
        self.spooled().await
    }

    async fn may_push(&self, reference: &ImageReference) -> Result<(), RegistryError> {
        if reference.digest().is_some() {
            return Err(RegistryError::Invalid(
                "an image is pushed under a tag: leave the digest out of the reference".to_owned(),
            ));
        }
        self.trusts(&self.address(reference)?).await.map(drop)
    }

    async fn push(
        &self,
        reference: &ImageReference,
        image: Outgoing,
        progress: &(dyn Fn(PushProgress) + Send + Sync),
    ) -> Result<Pushed, RegistryError> {
        let address = self.address(reference)?;
        let trusted = self.trusts(&address).await?;
        let _permit = self.permits.acquire().await;
        let credentials = if image.with_credentials { self.credentials(&address).await? } else { None };
        let http = self.client(trusted).await?;
        let mut session =
            Session::new(&http, address, trusted, reference, credentials, self.options.patience);
        session.actions = PUSH;
        let pushed = self.in_time(push::push(&mut session, &image, progress)).await;
        pushed.map_err(|error| match error {
            RegistryError::Denied(reference, _) if !image.with_credentials => RegistryError::Denied(
                reference,
                "only an administrator pushes with the credentials of registryAuthFile".to_owned(),
            ),
            RegistryError::NotFound(reference) => {
                RegistryError::Denied(reference, "it knows no such repository".to_owned())
            }
            other => other,
        })
    }
}
