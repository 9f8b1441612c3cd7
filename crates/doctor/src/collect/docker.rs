//! What Docker holds of the installation: whatever carries its label, and images of its own repository.

use std::collections::HashSet;
use std::io;

use serde_json::Value;

use crate::collect::Place;
use crate::docker::{Docker, encoded, filter};
use crate::world::{InDocker, Thing, World};

/// Says which sandbox a container or a network is of.
const SANDBOX: &str = "atoll.sandbox";

/// Says which build has made something.
const BUILD: &str = "atoll.build";

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
        built: built(&docker.list("/images/json?all=1")?, &place.installation.to_string()),
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
        let sandbox = label.and_then(|label| label.parse().ok());
        Some(Thing { id: text(id)?, name, sandbox, is_build: build(one).is_some() })
    };
    list.as_array().into_iter().flatten().filter_map(one).collect()
}

/// Which build has made what is listed.
fn build(one: &Value) -> Option<&str> {
    let label = |name: &str| one.get("Labels")?.get(name)?.as_str();
    let is_sandbox = label(SANDBOX).is_some_and(|sandbox| !sandbox.is_empty());
    label(BUILD).filter(|build| !build.is_empty() && !is_sandbox)
}

/// Images that builds of the installation made and have left: those that no other is made of. What is below goes with them.
fn built(list: &Value, installation: &str) -> Vec<String> {
    let all: Vec<&Value> = list.as_array().into_iter().flatten().collect();
    let text = |one: &Value, key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_ours = |one: &Value| {
        let whose = one.get("Labels").and_then(|labels| labels.get("atoll.installation")?.as_str());
        whose == Some(installation) && build(one).is_some()
    };
    let ours: HashSet<String> = all.iter().filter(|one| is_ours(one)).map(|one| text(one, "Id")).collect();
    let parents: HashSet<String> = all.iter().map(|one| text(one, "ParentId")).collect();
    let before = format!("atoll-{installation}-build:");
    let mut left = Vec::new();
    for one in all.into_iter().filter(|one| !parents.contains(&text(one, "Id"))) {
        let tags =
            one.get("RepoTags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let tags: Vec<&str> = tags.filter(|tag| !tag.contains("<none>")).collect();
        left.extend(tags.iter().filter(|tag| tag.starts_with(&before)).map(|tag| (*tag).to_owned()));
        // The last step of a build takes the labels away.
        if tags.is_empty() && (is_ours(one) || ours.contains(&text(one, "ParentId"))) {
            left.push(text(one, "Id"));
        }
    }
    left
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

/// Removes an image of a build, and what it alone was made of.
pub(crate) fn remove_built(place: &Place, name: &str) -> io::Result<()> {
    remove(place, &format!("/images/{}", encoded(name)))
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
    fn what_builds_have_left_is_told_by_label_tag_and_what_it_is_made_of() {
        let label = |build: &str| serde_json::json!({"atoll.installation": "x", "atoll.build": build});
        let list = serde_json::json!([
            {"Id": "base", "RepoTags": ["atoll-x:aa"], "ParentId": ""},
            {"Id": "below", "RepoTags": null, "ParentId": "base", "Labels": label("1")},
            {"Id": "top", "RepoTags": ["<none>:<none>"], "ParentId": "below", "Labels": label("1")},
            {"Id": "other", "RepoTags": [], "ParentId": "", "Labels": {"atoll.installation": "y", "atoll.build": "1"}},
            {"Id": "stage", "RepoTags": [], "ParentId": "base", "Labels": label("2")},
            {"Id": "last", "RepoTags": [], "ParentId": "stage", "Labels": label("")},
            {"Id": "tagged", "RepoTags": ["atoll-x-build:3"], "ParentId": "", "Labels": label("")},
            {"Id": "kept", "RepoTags": ["atoll-x:bb"], "ParentId": "", "Labels": label("4")}
        ]);
        assert_eq!(built(&list, "x"), ["top", "last", "atoll-x-build:3"]);
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
