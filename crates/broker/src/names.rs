//! Names and labels of what is Docker's and ours.

use std::collections::HashMap;

use atoll_types::{ImageDigest, InstallationId, RuntimeKind, SandboxId};

/// Says whose a container, volume or network is.
pub(crate) const INSTALLATION: &str = "atoll.installation";
/// Says which sandbox a container is.
pub(crate) const SANDBOX: &str = "atoll.sandbox";
/// Says which runtime a container is of.
pub(crate) const RUNTIME: &str = "atoll.runtime";

/// Says which build has made a container or an image, on its way to another image.
pub(crate) const BUILD: &str = "atoll.build";

/// What Podman puts before a name that has no registry.
const PODMANS: [&str; 2] = ["docker.io/library/", "localhost/"];

/// Name of a sandbox's container.
pub(crate) fn container(sandbox: &SandboxId) -> String {
    format!("sandbox-{sandbox}")
}

/// Name of a sandbox's network.
pub(crate) fn network(sandbox: &SandboxId) -> String {
    format!("net-{sandbox}")
}

/// Repository of the installation's images; the tag is the digest.
pub(crate) fn repository(installation: &InstallationId) -> String {
    format!("atoll-{installation}")
}

/// Name of an image.
pub(crate) fn image(installation: &InstallationId, digest: &ImageDigest) -> String {
    format!("{}:{digest}", repository(installation))
}

/// Name of the image that a build makes, until it is saved.
pub(crate) fn built(installation: &InstallationId, build: &str) -> String {
    format!("{}-build:{build}", repository(installation))
}

/// The build in such a name.
pub(crate) fn build_of_tag<'a>(installation: &InstallationId, tag: &'a str) -> Option<&'a str> {
    tag.strip_prefix(&repository(installation))?.strip_prefix("-build:")
}

/// The digest in the name of an image.
pub(crate) fn digest(installation: &InstallationId, name: &str) -> Option<ImageDigest> {
    let name = PODMANS.iter().find_map(|registry| name.strip_prefix(registry)).unwrap_or(name);
    name.strip_prefix(&repository(installation))?.strip_prefix(':')?.parse().ok()
}

/// What a filter for everything of the installation asks for.
pub(crate) fn filter(installation: &InstallationId) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{INSTALLATION}={installation}")])])
}

/// Labels of a volume.
pub(crate) fn labels(installation: &InstallationId) -> HashMap<String, String> {
    HashMap::from([(INSTALLATION.to_owned(), installation.to_string())])
}

/// Labels of a container of nobody's: also what its image says is not a build's.
pub(crate) fn filler_labels(installation: &InstallationId) -> HashMap<String, String> {
    let mut labels = labels(installation);
    labels.insert(BUILD.to_owned(), String::new());
    labels
}

/// Labels of a sandbox's container.
pub(crate) fn sandbox_labels(
    installation: &InstallationId,
    sandbox: &SandboxId,
    runtime: RuntimeKind,
) -> HashMap<String, String> {
    let mut labels = labels(installation);
    labels.insert(SANDBOX.to_owned(), sandbox.to_string());
    labels.insert(RUNTIME.to_owned(), runtime.as_str().to_owned());
    labels
}

/// Labels of a sandbox's network.
pub(crate) fn network_labels(installation: &InstallationId, sandbox: &SandboxId) -> HashMap<String, String> {
    let mut labels = labels(installation);
    labels.insert(SANDBOX.to_owned(), sandbox.to_string());
    labels
}

/// Which sandbox has a network with these labels, of which it is known that it is the installation's.
pub(crate) fn network_owner(labels: &HashMap<String, String>) -> Option<SandboxId> {
    labels.get(SANDBOX)?.parse().ok()
}

/// Which sandbox of the installation has these labels, and of which runtime it is.
pub(crate) fn owner(
    installation: &InstallationId,
    labels: &HashMap<String, String>,
) -> Option<(SandboxId, RuntimeKind)> {
    if labels.get(INSTALLATION)? != installation.as_str() {
        return None;
    }
    let runtime = labels.get(RUNTIME)?;
    let runtime = RuntimeKind::ALL.into_iter().find(|kind| kind.as_str() == runtime)?;
    Some((labels.get(SANDBOX)?.parse().ok()?, runtime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_whose_it_is() {
        let (ours, theirs) = (InstallationId::random(), InstallationId::random());
        let sandbox = SandboxId::random();
        let labels = sandbox_labels(&ours, &sandbox, RuntimeKind::Gvisor);
        assert_eq!(owner(&ours, &labels), Some((sandbox, RuntimeKind::Gvisor)));
        assert_eq!(owner(&theirs, &labels), None);
        assert_eq!(owner(&ours, &super::labels(&ours)), None);
    }

    #[test]
    fn what_is_built_has_a_name_of_its_own() {
        let ours = InstallationId::random();
        let name = built(&ours, "0123");
        assert_eq!(build_of_tag(&ours, &name), Some("0123"));
        assert_eq!(digest(&ours, &name), None);
        assert_eq!(build_of_tag(&ours, &format!("atoll-{ours}:0123")), None);
    }

    #[test]
    fn an_image_is_known_by_its_name() {
        let ours = InstallationId::random();
        let of: ImageDigest = "a".repeat(64).parse().unwrap();
        for registry in ["", "localhost/", "docker.io/library/"] {
            assert_eq!(digest(&ours, &format!("{registry}{}", image(&ours, &of))).as_ref(), Some(&of));
        }
        assert_eq!(digest(&ours, &format!("evil.example/{}", image(&ours, &of))), None);
        assert_eq!(digest(&ours, "debian:12"), None);
        assert_eq!(digest(&ours, &format!("atoll-{ours}:latest")), None);
    }
}
