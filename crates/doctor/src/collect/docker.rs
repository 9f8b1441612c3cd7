//! What Docker holds of the installation: whatever carries its label, and images of its own repository.

use std::io;

use serde_json::Value;

use crate::collect::Place;
use crate::docker::{Docker, encoded, filter};
use crate::world::{InDocker, Thing, World};

/// Says which sandbox a container or a network is of.
const SANDBOX: &str = "atoll.sandbox";

const PODMANS: [&str; 2] = ["docker.io/library/", "localhost/"];

pub(crate) fn collect(place: &Place, world: &mut World) -> io::Result<()> {
    let Some(docker) = Docker::of(place)? else { return Ok(()) };
    let held = held(place, &docker);
    world.docker =
        Some(held.unwrap_or_else(|error| InDocker { away: Some(error.to_string()), ..InDocker::default() }));
    Ok(())
}

fn held(place: &Place, docker: &Docker) -> io::Result<InDocker> {
    let ours = filter("label", &format!("atoll.installation={}", place.installation));
    let containers = docker.list(&format!("/containers/json?all=1&filters={ours}"))?;
    let networks = docker.list(&format!("/networks?filters={ours}"))?;
    let volumes = docker.list(&format!("/volumes?filters={ours}"))?;
    // An image of a root file system carries no label of ours; its name does.
    let repository = place.group_name();
    let images = docker.list(&format!("/images/json?filters={}", filter("reference", &repository)))?;
    Ok(InDocker {
        away: None,
        containers: things(&containers, "Id", "Names"),
        networks: things(&networks, "Id", "Name"),
        volumes: things(volumes.get("Volumes").unwrap_or(&Value::Null), "Name", "Name"),
        images: tags(&images, &repository),
    })
}

fn things(list: &Value, id: &str, name: &str) -> Vec<Thing> {
    let one = |one: &Value| {
        let text = |key: &str| {
            let value = one.get(key)?;
            value.as_str().or_else(|| value.get(0)?.as_str()).map(str::to_owned)
        };
        let label = one.get("Labels").and_then(|labels| labels.get(SANDBOX)?.as_str());
        let name = text(name).unwrap_or_default().trim_start_matches('/').to_owned();
        Some(Thing { id: text(id)?, name, sandbox: label.and_then(|label| label.parse().ok()) })
    };
    list.as_array().into_iter().flatten().filter_map(one).collect()
}

/// Tags of the installation's repository, without its name.
fn tags(list: &Value, repository: &str) -> Vec<String> {
    let all = list.as_array().into_iter().flatten().filter_map(|image| image.get("RepoTags")?.as_array());
    let all = all.flatten().filter_map(Value::as_str);
    // Podman puts a registry before a name that has none.
    let plain = all.map(|tag| PODMANS.iter().find_map(|registry| tag.strip_prefix(registry)).unwrap_or(tag));
    plain.filter_map(|tag| tag.strip_prefix(repository)?.strip_prefix(':')).map(str::to_owned).collect()
}

/// Removes a container with its processes and its own volumes.
pub(crate) fn remove_container(place: &Place, id: &str) -> io::Result<()> {
    remove(place, &format!("/containers/{}?force=1&v=1", encoded(id)))
}

pub(crate) fn remove_network(place: &Place, id: &str) -> io::Result<()> {
    remove(place, &format!("/networks/{}", encoded(id)))
}

pub(crate) fn remove_volume(place: &Place, name: &str) -> io::Result<()> {
    remove(place, &format!("/volumes/{}", encoded(name)))
}

/// Removes the name of an image, and with the last name the image.
pub(crate) fn remove_image(place: &Place, tag: &str) -> io::Result<()> {
    remove(place, &format!("/images/{}:{}", place.group_name(), encoded(tag)))
}

fn remove(place: &Place, path: &str) -> io::Result<()> {
    Docker::of(place)?.map_or(Ok(()), |docker| docker.remove(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_lists_is_told_by_id_name_and_sandbox() {
        let list = serde_json::json!([
            {"Id": "1", "Names": ["/sandbox-aaaaaaaaaaaa"], "Labels": {"atoll.sandbox": "aaaaaaaaaaaa"}},
            {"Id": "2", "Names": ["/x"], "Labels": {"atoll.sandbox": "../x"}},
            {"Id": "3", "Names": [], "Labels": null},
            {"Names": ["/no-id"]}
        ]);
        let all = things(&list, "Id", "Names");
        let told: Vec<_> =
            all.iter().map(|t| (&*t.id, &*t.name, t.sandbox.as_ref().map(|s| s.as_str()))).collect();
        let first = ("1", "sandbox-aaaaaaaaaaaa", Some("aaaaaaaaaaaa"));
        assert_eq!(told, [first, ("2", "x", None), ("3", "", None)]);
    }

    #[test]
    fn an_image_is_ours_by_its_repository() {
        let list = serde_json::json!([
            {"RepoTags": ["atoll-x:aa", "debian:12"]}, {"RepoTags": null}, {"RepoTags": ["localhost/atoll-x:bb"]},
            {"RepoTags": ["atoll-xy:cc"]}
        ]);
        assert_eq!(tags(&list, "atoll-x"), ["aa", "bb"]);
    }
}
