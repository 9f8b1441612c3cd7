//! What builds make in Docker, and its removal: by label, whether the build ended or whoever began it is gone.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use atoll_broker_protocol::{Failure, FailureKind};
use bollard::models::ImageSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder,
};
use parking_lot::Mutex;

use crate::fail::{asked, failure, unless};
use crate::names;
use crate::requests::Broker;

/// Builds at once. serve has a bound of its own, which is lower.
const BUILDS_MAX: usize = 8;
/// Looks that must find nothing, after a build that was given up: Docker may be about to begin its next step.
const LOOKS: usize = 3;
/// Time between two of them.
const LOOK_PAUSE: Duration = Duration::from_millis(300);
/// Longest chain of looks.
const LOOKS_MAX: usize = 60;
/// Layers of an image are removed from the top; Docker takes those below along.
const ROUNDS_MAX: usize = 200;

/// The builds under way, by id.
#[derive(Debug, Default)]
pub(crate) struct Builds(Mutex<HashSet<String>>);

/// The place of one; nothing of it is swept away while this lives.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    builds: &'a Builds,
    id: String,
}

impl Builds {
    pub(crate) fn begin(&self) -> Result<Place<'_>, Failure> {
        let random = getrandom::u64().map_err(|error| failure(FailureKind::System, error.to_string()))?;
        let id = format!("{random:016x}");
        let mut under_way = self.0.lock();
        if under_way.len() >= BUILDS_MAX {
            let text = format!("{BUILDS_MAX} images are being built: try again when one is done");
            return Err(failure(FailureKind::TooManyBuilds, text));
        }
        under_way.insert(id.clone());
        Ok(Place { builds: self, id })
    }

    fn has(&self, id: &str) -> bool {
        self.0.lock().contains(id)
    }
}

impl Place<'_> {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.builds.0.lock().remove(&self.id);
    }
}

/// Which build has made what has these labels.
fn build_of(labels: &HashMap<String, String>) -> Option<&str> {
    // What is made of a built image has its labels too, and one that says which sandbox it is.
    let is_sandbox = labels.get(names::SANDBOX).is_some_and(|sandbox| !sandbox.is_empty());
    labels.get(names::BUILD).map(String::as_str).filter(|build| !build.is_empty() && !is_sandbox)
}

impl Broker {
    /// Removes what is left of a build. Where it was given up, Docker may not have noticed it yet.
    pub(crate) async fn clean(&self, id: &str, ended: bool) -> Result<(), Failure> {
        let is_of_it = |build: &str| build == id;
        let (mut looks, mut clean) = (0, 0);
        let wanted = if ended { 1 } else { LOOKS };
        while clean < wanted {
            if looks == LOOKS_MAX {
                return Err(failure(FailureKind::System, "Docker does not end it"));
            }
            if looks > 0 {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            looks += 1;
            let containers = self.remove_containers(&is_of_it).await?;
            let images = self.remove_built(&is_of_it).await?;
            clean = if containers + images == 0 { clean + 1 } else { 0 };
        }
        Ok(())
    }

    /// Removes what is left of builds that nobody waits for.
    pub(crate) async fn sweep_builds(&self) -> Result<(), Failure> {
        let is_left = |build: &str| !self.builds.has(build);
        self.remove_containers(&is_left).await?;
        self.remove_built(&is_left).await.map(drop)
    }

    /// Ends and removes containers of builds; how many there were.
    async fn remove_containers(&self, is_doomed: &(dyn Fn(&str) -> bool + Sync)) -> Result<usize, Failure> {
        let docker = self.daemon.docker().await?;
        let filters = names::filter(self.daemon.installation());
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let all = asked(docker.list_containers(Some(options))).await?;
        let doomed =
            all.into_iter().filter(|one| one.labels.as_ref().and_then(build_of).is_some_and(is_doomed));
        let mut count = 0;
        for id in doomed.filter_map(|one| one.id) {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            let removed = docker.remove_container(&id, Some(options)).await;
            asked(async { unless(&[404, 409], removed) }).await?;
            count += 1;
        }
        Ok(count)
    }

    /// Removes images that builds have made on their way, and the last; how many there were.
    async fn remove_built(&self, is_doomed: &(dyn Fn(&str) -> bool + Sync)) -> Result<usize, Failure> {
        let docker = self.daemon.docker().await?;
        let mut count = 0;
        for _ in 0..ROUNDS_MAX {
            let options = ListImagesOptionsBuilder::default().all(true).build();
            let all = asked(docker.list_images(Some(options))).await?;
            let tops = self.tops(&all, is_doomed);
            if tops.is_empty() {
                break;
            }
            for name in tops {
                let options = RemoveImageOptionsBuilder::default().build();
                let removed = docker.remove_image(&name, Some(options), None).await;
                asked(async { unless(&[404, 409], removed) }).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Those of no other image's layers, by tag where they have one.
    fn tops(&self, all: &[ImageSummary], is_doomed: &(dyn Fn(&str) -> bool + Sync)) -> Vec<String> {
        let installation = self.daemon.installation();
        let has_label = |image: &ImageSummary| {
            image.labels.get(names::INSTALLATION).is_some_and(|label| label == installation.as_str())
                && build_of(&image.labels).is_some_and(is_doomed)
        };
        // The last step takes the labels away: then the tag tells, or what it was made of.
        let labelled: HashSet<&str> =
            all.iter().filter(|image| has_label(image)).map(|image| image.id.as_str()).collect();
        let parents: HashSet<&str> = all.iter().map(|image| image.parent_id.as_str()).collect();
        let mut names = Vec::new();
        for image in all.iter().filter(|image| !parents.contains(image.id.as_str())) {
            let tags = image.repo_tags.iter().filter(|tag| !tag.contains("<none>"));
            let mut others = false;
            for tag in tags {
                match names::build_of_tag(installation, tag) {
                    Some(build) if is_doomed(build) => names.push(tag.clone()),
                    _ => others = true,
                }
            }
            let ours = has_label(image) || labelled.contains(image.parent_id.as_str());
            if ours && !others && !names.iter().any(|name| image.repo_tags.contains(name)) {
                names.push(image.id.clone());
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_of_which_build_it_is() {
        let labels = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(build_of(&labels(&[(names::BUILD, "x"), (names::SANDBOX, "")])), Some("x"));
        assert_eq!(build_of(&labels(&[(names::BUILD, "")])), None);
        assert_eq!(build_of(&labels(&[(names::BUILD, "x"), (names::SANDBOX, "s")])), None);
        assert_eq!(build_of(&labels(&[])), None);
    }

    #[test]
    fn so_many_at_once() {
        let builds = Builds::default();
        let places: Vec<_> = (0..BUILDS_MAX).map(|_| builds.begin().unwrap()).collect();
        assert!(builds.has(places[0].id()));
        assert_eq!(builds.begin().unwrap_err().kind, FailureKind::TooManyBuilds);
        drop(places);
        assert!(builds.begin().is_ok());
    }
}
