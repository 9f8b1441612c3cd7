//! Where a registry is.

use std::str::FromStr;

use atoll_ports::RegistryError;
use atoll_types::ImageReference;
use reqwest::Url;

/// Text that is no address of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a host, perhaps with a port, such as registry.example.com or localhost:5000")]
pub struct BadAddress;

/// A host, perhaps with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Whether it is this one.
    pub(crate) fn is(&self, host: &str) -> bool {
        self.0 == host
    }
}

impl FromStr for Host {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        // As the first part of a reference it would have to be.
        let reference: ImageReference = format!("{text}/x").parse().map_err(|_| BadAddress)?;
        if reference.registry() == Some(text) { Ok(Self(text.to_owned())) } else { Err(BadAddress) }
    }
}

/// The registry of references that name none: a host, and a part that is put before names of one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRegistry {
    host: String,
    prefix: Option<String>,
}

impl DefaultRegistry {
    /// Whether it is at this host.
    pub(crate) fn is_at(&self, host: &str) -> bool {
        self.host == host
    }
}

impl FromStr for DefaultRegistry {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (host, prefix) = match text.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (text, None),
        };
        let Host(host) = host.parse()?;
        // It has to be a repository where something follows.
        let whole: ImageReference =
            format!("{host}/{}x", prefix.map(|p| format!("{p}/")).unwrap_or_default())
                .parse()
                .map_err(|_| BadAddress)?;
        if whole.tag() != "latest" {
            return Err(BadAddress);
        }
        Ok(Self { host, prefix: prefix.map(str::to_owned) })
    }
}

/// A registry, and a repository in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) repository: String,
    /// Whether it is spoken to without TLS.
    pub(crate) insecure: bool,
}

impl Address {
    pub(crate) fn of(
        reference: &ImageReference,
        default: Option<&DefaultRegistry>,
        insecure: &[Host],
    ) -> Result<Self, RegistryError> {
        let (host, repository) = match (reference.registry(), default) {
            (Some(host), _) => (host, reference.repository().to_owned()),
            (None, None) => return Err(RegistryError::NoRegistry(reference.clone())),
            (None, Some(default)) => (
                default.host.as_str(),
                match &default.prefix {
                    Some(prefix) if !reference.repository().contains('/') => {
                        format!("{prefix}/{}", reference.repository())
                    }
                    Some(_) | None => reference.repository().to_owned(),
                },
            ),
        };
        let insecure = insecure.iter().any(|one| one.is(host));
        Ok(Self { host: host.to_owned(), repository, insecure })
    }

    /// The address of something in the repository.
    pub(crate) fn url(&self, rest: &str) -> Result<Url, RegistryError> {
        let scheme = if self.insecure { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{}/v2/{}/{rest}", self.host, self.repository))
            .map_err(|error| RegistryError::Invalid(format!("no address of a registry: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(reference: &str, default: Option<&str>, insecure: &str) -> Result<String, RegistryError> {
        let default: Option<DefaultRegistry> = default.map(|text| text.parse().unwrap());
        let address =
            Address::of(&reference.parse().unwrap(), default.as_ref(), &[insecure.parse().unwrap()])?;
        Ok(address.url("manifests/1").unwrap().to_string())
    }

    #[test]
    fn tls_is_left_out_only_where_it_is_said() {
        let asked = |reference| url(reference, None, "localhost:5000").unwrap();
        assert_eq!(asked("localhost:5000/a/b:1"), "http://localhost:5000/v2/a/b/manifests/1");
        assert_eq!(asked("localhost:5001/a/b:1"), "https://localhost:5001/v2/a/b/manifests/1");
        assert_eq!(asked("127.0.0.1:5000/a"), "https://127.0.0.1:5000/v2/a/manifests/1");
    }

    #[test]
    fn names_without_a_registry_are_those_of_the_default() {
        let error = url("nginx:alpine", None, "a.example").unwrap_err();
        assert!(error.to_string().contains("REGISTRY/nginx:alpine"), "{error}");
        let asked = |reference, default| url(reference, Some(default), "a.example").unwrap();
        assert_eq!(asked("nginx", "r.example"), "https://r.example/v2/nginx/manifests/1");
        assert_eq!(asked("nginx", "r.example/library"), "https://r.example/v2/library/nginx/manifests/1");
        assert_eq!(asked("team/nginx", "r.example/library"), "https://r.example/v2/team/nginx/manifests/1");
        assert_eq!(asked("s.example/nginx", "r.example/library"), "https://s.example/v2/nginx/manifests/1");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            "a",
            "https://a.example",
            "a.example/",
            "a.example/x:1",
            "user@a.example",
            "a.example/A",
            "a..b",
        ] {
            assert!(bad.parse::<DefaultRegistry>().is_err(), "{bad}");
        }
        assert!("a.example/b".parse::<Host>().is_err());
    }
}
