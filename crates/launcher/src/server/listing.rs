//! What there really is: from the table, the folders, the groups and the sockets, not from any record.

use std::collections::BTreeMap;
use std::str::FromStr;

use atoll_launcher_protocol::{Answer, Found, Remains};
use atoll_types::{ImageDigest, ImageSource, SandboxId};
use rustix::fs::Dir;

use super::Server;
use super::table::Phase;
use crate::sandbox::state;

/// Sandboxes or images of one answer: well within a packet.
const PAGE: usize = 256;

impl Server {
    /// A page of sandboxes after one.
    pub(super) fn list(&self, after: Option<&SandboxId>) -> Answer {
        let (page, more) = page(self.look(), after);
        let found = |remains: Remains| {
            let (running, paused) = self.running_and_paused(&remains);
            let uid_slot = self.uid_slot(&remains.sandbox);
            Found { running, uid_slot, paused, sandbox: remains.sandbox }
        };
        Answer::Sandboxes { sandboxes: page.into_iter().map(found).collect(), more }
    }

    /// A page of everything after one.
    pub(super) fn audit(&self, after: Option<&SandboxId>) -> Answer {
        let (mut remains, more) = page(self.look(), after);
        for one in &mut remains {
            (one.process, one.paused) = self.running_and_paused(one);
        }
        let trash = self.tools.cgroups.trash().saturating_add(self.tools.storage.trash_count());
        Answer::Audit { remains, more, trash }
    }

    /// A page of images after one. What is being unpacked has no digest for its name yet.
    pub(super) fn images(&self, after: Option<&ImageDigest>) -> Answer {
        let mut all = self.image_digests();
        all.sort();
        let mut rest = all.into_iter().filter(|digest| after.is_none_or(|after| digest > after));
        let digests: Vec<ImageDigest> = rest.by_ref().take(PAGE).collect();
        let more = rest.next().is_some();
        let sizes = self.image_sizes(&digests);
        Answer::Images { digests, sizes, more }
    }

    /// Images whose files are here, in no order.
    pub(super) fn image_digests(&self) -> Vec<ImageDigest> {
        ids(&self.tools.storage.images, "")
    }

    /// Whether any sandbox, running or not, is made of an image.
    pub(super) fn image_in_use(&self, image: &ImageSource) -> bool {
        self.table.values().any(|entry| entry.image.as_ref() == Some(image))
            || self.folders().iter().any(|id| self.state(id).is_some_and(|state| state.image == *image))
    }

    /// Ids that have a folder.
    pub(super) fn folders(&self) -> Vec<SandboxId> {
        ids(&self.tools.storage.sandboxes, "")
    }

    /// Ids whose agent's socket is there.
    pub(super) fn sockets(&self) -> Vec<SandboxId> {
        ids(&self.tools.house.agents, ".sock")
    }

    /// What was recorded of a sandbox.
    pub(super) fn state(&self, sandbox: &SandboxId) -> Option<state::State> {
        state::read(&self.tools.storage.open_folder(sandbox).ok()??)
    }

    /// Whether it has an agent that lives, and whether the rest of it is frozen. An agent that dies while the rest is frozen ends
    /// only when that can be ended, and no event tells: what is left is no sandbox that could be resumed.
    fn running_and_paused(&self, one: &Remains) -> (bool, bool) {
        let paused = one.process && self.is_paused(&one.sandbox);
        let dead = paused && self.state(&one.sandbox).is_some_and(|state| state.process.is_ending());
        (one.process && !dead, paused && !dead)
    }

    fn uid_slot(&self, sandbox: &SandboxId) -> Option<u32> {
        let held = self.table.get(sandbox).and_then(|entry| entry.uid_slot);
        held.or_else(|| self.state(sandbox).map(|state| state.uid_slot))
    }

    fn look(&self) -> BTreeMap<SandboxId, Remains> {
        let mut all: BTreeMap<SandboxId, Remains> = BTreeMap::new();
        let none = |sandbox: &SandboxId| Remains {
            sandbox: sandbox.clone(),
            process: false,
            cgroups: 0,
            socket: false,
            files: false,
            paused: false,
        };
        for (sandbox, entry) in &self.table {
            let lives = entry.process.is_some()
                && matches!(entry.phase, Phase::Running | Phase::Starting(_) | Phase::Pausing(_));
            all.entry(sandbox.clone()).or_insert_with(|| none(sandbox)).process = lives;
        }
        for (sandbox, count) in self.tools.cgroups.list() {
            all.entry(sandbox.clone()).or_insert_with(|| none(&sandbox)).cgroups = count;
        }
        for sandbox in self.sockets() {
            all.entry(sandbox.clone()).or_insert_with(|| none(&sandbox)).socket = true;
        }
        for sandbox in self.folders() {
            all.entry(sandbox.clone()).or_insert_with(|| none(&sandbox)).files = true;
        }
        all
    }
}

fn page(all: BTreeMap<SandboxId, Remains>, after: Option<&SandboxId>) -> (Vec<Remains>, bool) {
    let mut rest = all.into_values().filter(|remains| after.is_none_or(|after| remains.sandbox > *after));
    let page: Vec<Remains> = rest.by_ref().take(PAGE).collect();
    (page, rest.next().is_some())
}

fn ids<T: FromStr>(folder: &std::os::fd::OwnedFd, suffix: &str) -> Vec<T> {
    let Ok(entries) = Dir::read_from(folder) else { return Vec::new() };
    let id = |name: &std::ffi::CStr| name.to_str().ok()?.strip_suffix(suffix)?.parse().ok();
    entries.filter_map(|entry| id(entry.ok()?.file_name())).collect()
}
