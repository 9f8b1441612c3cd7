//! Takes over what an earlier launcher left: sandboxes that run go on, everything else is cleaned up.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use atoll_types::{ImageSource, SandboxId};

use super::table::{Entry, Phase, Process};
use super::{Server, Source};
use crate::host_image;
use crate::report::log;
use crate::sandbox::state::State;
use crate::storage;
use crate::sys;

impl Server {
    pub(super) fn adopt(&mut self) {
        let folders = self.folders();
        for sandbox in &folders {
            if let Some(state) = self.state(sandbox) {
                self.adopt_one(sandbox, &state);
            }
        }
        let groups = self.tools.cgroups.list().into_iter().map(|(sandbox, _)| sandbox);
        let remains: BTreeSet<SandboxId> = groups.chain(self.sockets()).chain(folders).collect();
        for sandbox in remains {
            if !self.table.contains_key(&sandbox) && self.is_remainder(&sandbox) {
                self.begin_end(&sandbox);
                self.advance(&sandbox);
            }
        }
        self.discard_unfinished_imports();
        self.workers.collect_wanted = true;
    }

    fn adopt_one(&mut self, sandbox: &SandboxId, state: &State) {
        let Some((_, pidfd)) = state.process.open(&self.tools.boot_id) else { return };
        let pidfd = sys::raise(pidfd);
        match self.watch(pidfd.as_fd(), Source::Process(sandbox.clone())) {
            Ok(token) => {
                let entry = Entry {
                    uid_slot: Some(state.uid_slot),
                    image: Some(state.image.clone()),
                    process: Some(Process { pidfd, token }),
                    phase: Phase::Running,
                };
                self.table.insert(sandbox.clone(), entry);
            }
            Err(error) => log(&format!("sandbox {sandbox}: {error}")),
        }
    }

    /// Whether something of a sandbox without a process is there that should not be: a group, a socket, or files that
    /// wait to be put on disk. Those of an earlier boot are not: what is missing in them the crash took, and the next
    /// start says so.
    fn is_remainder(&self, sandbox: &SandboxId) -> bool {
        let Ok(Some(folder)) = self.tools.storage.open_folder(sandbox) else { return true };
        let groups = self.tools.cgroups.list().iter().any(|(id, _)| id == sandbox);
        groups
            || self.sockets().contains(sandbox)
            || (storage::is_dirty(&folder) && self.ran_in_this_boot(sandbox))
    }

    /// Whether a sandbox was started last in this boot: then what is not on disk yet is in the kernel's memory. A mark of
    /// an earlier one must stay for the next start to see, though a socket is left and makes an end of it.
    pub(super) fn ran_in_this_boot(&self, sandbox: &SandboxId) -> bool {
        self.state(sandbox).is_some_and(|state| state.process.boot_id == self.tools.boot_id)
    }

    /// Discards the roots of the host image that new sandboxes do not get any more and that none runs on.
    pub(super) fn discard_stale_roots(&self) {
        let mut stale = host_image::stale(&self.tools.storage.pool, &self.tools.host_image);
        if stale.is_empty() {
            return;
        }
        for state in self.table.keys().filter_map(|sandbox| self.state(sandbox)) {
            match state.root {
                Some(root) => stale.retain(|name| *name != root),
                // A launcher started it that did not say on which: it may be any.
                None if state.image == ImageSource::Host => return,
                None => {}
            }
        }
        for name in stale {
            if let Err(error) = self.tools.storage.discard(&self.tools.storage.pool, &name) {
                log(&error.to_string());
            }
        }
    }

    /// Images and layers that were being unpacked when the launcher died: their helpers died with it.
    fn discard_unfinished_imports(&mut self) {
        let storage = &self.tools.storage;
        for place in [&storage.images, &storage.layers] {
            let Ok(entries) = rustix::fs::Dir::read_from(place) else { continue };
            let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned));
            for name in names.filter(|name| name.starts_with(storage::UNFINISHED)) {
                if let Err(error) = storage.discard(place, &name) {
                    log(&error.to_string());
                }
            }
        }
        self.discard_unused_layers();
    }
}
