//! Which image of several is this host's.

use oci_spec::image::{Arch, Descriptor, MediaType, Os};

/// Index of Docker's, with the same fields.
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// What builders put beside an image to say how it was built.
const ATTESTATION: &str = "vnd.docker.reference.type";
/// Platforms that are shown at most, and characters of them.
const SHOWN_MAX: usize = 8;
const SHOWN_CHARS_MAX: usize = 150;

/// Why none of an index is this host's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotChosen {
    /// There is nothing in it.
    #[error("its index is empty")]
    Empty,
    /// Several could be it.
    #[error("it holds several images")]
    Several,
    /// All are made for others.
    #[error("the image is made for {found}; this host runs {wanted}")]
    Platform {
        /// What they are made for.
        found: String,
        /// What one would have to be made for.
        wanted: String,
    },
}

/// Whether what is named is an index, which names others.
#[must_use]
pub fn is_index(media: &MediaType) -> bool {
    match media {
        MediaType::ImageIndex => true,
        MediaType::Other(other) => other == DOCKER_INDEX,
        _ => false,
    }
}

/// Whether an image that is made for these runs on this host.
///
/// # Errors
/// [`NotChosen::Platform`] when it does not.
pub fn runs_here(os: &Os, architecture: &Arch) -> Result<(), NotChosen> {
    if *os == Os::Linux && *architecture == Arch::default() {
        return Ok(());
    }
    Err(foreign(&format!("{os}/{architecture}")))
}

fn foreign(found: &str) -> NotChosen {
    let found = found.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect();
    NotChosen::Platform { found, wanted: format!("linux/{}", Arch::default()) }
}

/// The one that this host runs. One that names no platform is taken where none names this host's.
///
/// # Errors
/// When there is none, or more than one.
pub fn choose(manifests: &[Descriptor]) -> Result<&Descriptor, NotChosen> {
    let attests =
        |one: &Descriptor| one.annotations().as_ref().is_some_and(|all| all.contains_key(ATTESTATION));
    let images: Vec<&Descriptor> = manifests.iter().filter(|one| !attests(one)).collect();
    let here = |one: &&Descriptor| {
        one.platform().as_ref().is_some_and(|p| runs_here(p.os(), p.architecture()).is_ok())
    };
    let mut fit: Vec<&Descriptor> = images.iter().copied().filter(here).collect();
    if fit.is_empty() {
        fit = images.iter().copied().filter(|one| one.platform().is_none()).collect();
    }
    if fit.len() > 1 {
        // Of several for one architecture, the one that every processor of it runs.
        let plain = |one: &&Descriptor| one.platform().as_ref().is_some_and(|p| p.variant().is_none());
        let plain: Vec<&Descriptor> = fit.iter().copied().filter(plain).collect();
        fit = if plain.is_empty() { fit } else { plain };
    }
    fit.dedup_by_key(|one| one.digest().clone());
    match (fit.as_slice(), images.as_slice()) {
        ([one], _) => Ok(one),
        ([_, _, ..], _) => Err(NotChosen::Several),
        ([], []) => Err(NotChosen::Empty),
        ([], _) => Err(foreign(&platforms(&images))),
    }
}

fn platforms(images: &[&Descriptor]) -> String {
    let name =
        |one: &&Descriptor| one.platform().as_ref().map(|p| format!("{}/{}", p.os(), p.architecture()));
    images.iter().filter_map(name).take(SHOWN_MAX).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn index(lines: &[(&str, Option<Value>, Option<&str>)]) -> Vec<Descriptor> {
        let one = |(digit, platform, annotation): &(&str, Option<Value>, Option<&str>)| {
            let mut one = json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1,
                "digest": format!("sha256:{}", digit.repeat(64)),
            });
            if let Some(platform) = platform {
                one["platform"] = platform.clone();
            }
            if let Some(annotation) = annotation {
                one["annotations"] = json!({*annotation: "x"});
            }
            serde_json::from_value(one).unwrap()
        };
        lines.iter().map(one).collect()
    }

    fn chosen(lines: &[(&str, Option<Value>, Option<&str>)]) -> Result<char, NotChosen> {
        choose(&index(lines)).map(|one| one.digest().digest().chars().next().unwrap())
    }

    #[test]
    fn the_one_of_this_host_is_chosen() {
        let here = json!({"os": "linux", "architecture": Arch::default().to_string()});
        let mut old = here.clone();
        old["variant"] = json!("v1");
        let other = json!({"os": "linux", "architecture": "s390x"});
        let windows = json!({"os": "windows", "architecture": Arch::default().to_string()});
        let (a, b) = (("a", Some(here.clone()), None), ("b", Some(other), None));
        assert_eq!(chosen(&[b.clone(), a.clone()]), Ok('a'));
        assert_eq!(chosen(&[("c", Some(old), None), a.clone()]), Ok('a'));
        assert_eq!(chosen(&[("d", None, None), b.clone()]), Ok('d'));
        assert_eq!(chosen(&[("d", None, Some(ATTESTATION)), a.clone()]), Ok('a'));
        assert_eq!(chosen(&[a.clone(), a.clone()]), Ok('a'));
        assert_eq!(chosen(&[a, ("e", Some(here), None)]), Err(NotChosen::Several));
        assert_eq!(chosen(&[]), Err(NotChosen::Empty));
        let none = chosen(&[b, ("f", Some(windows), None)]).unwrap_err().to_string();
        assert!(none.contains("linux/s390x, windows/"), "{none}");
    }
}
