//! An upgrade of the host, made known to the sandboxes that see its `/usr`: each has an overlay of its own over it, which
//! remembers names that it has looked up.

use std::collections::VecDeque;

use atoll_types::{ImageSource, SandboxId};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use super::Server;
use super::table::Phase;
use crate::report::log;
use crate::{host_image, mounts};

/// Sandboxes of one round of the loop: each takes a tenth of a millisecond, and requests wait meanwhile.
const PER_ROUND: usize = 32;

/// What was seen of the host, and who has not been told.
#[derive(Debug, Default)]
pub(super) struct Refreshing {
    /// None before the first look, which tells everybody: nobody looked while there was no launcher.
    generation: Option<u64>,
    due: VecDeque<SandboxId>,
}

impl Refreshing {
    /// Whether somebody waits to be told.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }
}

impl Server {
    /// Looks whether the host was changed. While it is being changed that is so again and again; the last look comes after the
    /// last change.
    pub(super) fn look_at_host(&mut self) {
        let generation = host_image::generation();
        if self.refreshing.generation.replace(generation) == Some(generation) {
            return;
        }
        let sees_host = |entry: &super::Entry| {
            entry.image == Some(ImageSource::Host)
                && matches!(entry.phase, Phase::Running | Phase::Pausing(_))
        };
        let all = self.table.iter().filter(|(_, entry)| sees_host(entry));
        self.refreshing.due = all.map(|(sandbox, _)| sandbox.clone()).collect();
    }

    /// Tells some of those who have not been told.
    pub(super) fn refresh_some(&mut self) {
        for _ in 0..PER_ROUND {
            let Some(sandbox) = self.refreshing.due.pop_front() else { return };
            if let Err(errno) = self.refresh(&sandbox) {
                // It goes on with what it has, and sees the rest when it is restarted.
                log(&format!("sandbox {sandbox}: could not show it the host's new files: {errno}"));
            }
        }
    }

    /// One that has gone, or whose `/usr` an earlier launcher mounted, needs nothing.
    fn refresh(&self, sandbox: &SandboxId) -> rustix::io::Result<()> {
        let Some(state) = self.state(sandbox).filter(|state| state.usr_overlay) else { return Ok(()) };
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, format!("/proc/{}/root", state.process.pid), folder, Mode::empty());
        // First the root, then the look: it was this process's.
        let Some((Ok(root), _)) = Some(root).zip(state.process.open(&self.tools.boot_id)) else {
            return Ok(());
        };
        let beneath = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH;
        mounts::refresh_usr(&openat2(root, "usr", folder, Mode::empty(), beneath)?)
    }
}
