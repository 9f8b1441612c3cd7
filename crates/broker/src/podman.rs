//! Podman, which speaks Docker's API: what of a container's configuration it needs in another form.

use atoll_broker_protocol::StartSandbox;
use bollard::models::{ContainerCreateBody, ResourcesUlimits, SystemVersion};
use rustix::process::{Resource, getrlimit};

/// How Podman is named among the parts of what answers.
const NAME: &str = "Podman Engine";
/// As many processes of one user as Podman allows itself.
const PROCESSES: u64 = 32_768;

/// Whether it is Podman that answers.
pub(crate) fn is(version: &SystemVersion) -> bool {
    version.components.iter().flatten().any(|part| part.name == NAME)
}

/// Podman gives a container more of what it is not told about than some hosts let it, and then nothing starts: it is told, with no more
/// than this program may have.
pub(crate) fn fit(mut body: ContainerCreateBody, start: &StartSandbox) -> ContainerCreateBody {
    let own = |resource| getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = |name: &str, most: u64| {
        let most = i64::try_from(most).ok();
        ResourcesUlimits { name: Some(name.to_owned()), soft: most, hard: most }
    };
    if let Some(host) = &mut body.host_config {
        host.ulimits = Some(vec![
            limit("core", 0),
            limit("nofile", start.limits.open_files.min(own(Resource::Nofile))),
            limit("nproc", PROCESSES.min(own(Resource::Nproc))),
        ]);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_is_told_by_its_parts() {
        let version = |name: &str| {
            let version = serde_json::json!({"Components": [{"Name": name, "Version": "4"}, {"Name": "Conmon", "Version": "2"}]});
            serde_json::from_value::<SystemVersion>(version).unwrap()
        };
        assert!(is(&version("Podman Engine")) && !is(&version("Engine")));
        assert!(!is(&SystemVersion::default()));
    }
}
