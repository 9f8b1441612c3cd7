//! What is asked, checked against the launcher's own bounds: serve may be in strange hands.

use std::os::fd::OwnedFd;

use atoll_launcher_protocol::{Answer, Call, Failure, FailureKind, StartSandbox, uid_base};
use atoll_types::{ImageDigest, ImageSource, bounds};

use super::Server;
use super::connection::Waiter;
use super::table::Entry;
use crate::report::failure;

/// Mebibyte, in bytes.
const MIB: u64 = 1 << 20;

impl Server {
    /// Requests that wait for their answer.
    pub(super) fn waiting(&self) -> usize {
        self.table.values().map(Entry::waiting).sum::<usize>() + self.workers.waiting()
    }

    pub(super) fn call(&mut self, waiter: Waiter, call: Call, descriptors: Vec<OwnedFd>) {
        match call {
            Call::Hello { .. } => {}
            Call::Start(request) => self.start(waiter, request),
            Call::Stop { sandbox } => self.end(&sandbox, waiter, false),
            Call::Remove { sandbox } => self.end(&sandbox, waiter, true),
            Call::List { after } => {
                let answer = self.list(after.as_ref());
                self.answer(waiter, Ok(answer));
            }
            Call::Audit { after } => {
                let answer = self.audit(after.as_ref());
                self.answer(waiter, Ok(answer));
            }
            Call::ImportImage { max_bytes } => self.import(waiter, max_bytes, descriptors),
            Call::ExportImage { digest, max_bytes } => self.export(waiter, &digest, max_bytes, descriptors),
            Call::KnownLayers { digests } => {
                let count = self.known_layers(&digests);
                self.answer(waiter, Ok(Answer::KnownLayers { count }));
            }
            Call::ListImages { after } => {
                let answer = self.images(after.as_ref());
                self.answer(waiter, Ok(answer));
            }
            Call::RemoveImage { digest } => {
                let result = self.remove_image(&digest);
                self.answer(waiter, result);
            }
            Call::Storage => {
                let room = self.tools.storage.room().map_err(Failure::from);
                let result = room.map(|room| Answer::Storage {
                    free_bytes: room.free_bytes,
                    total_bytes: room.total_bytes,
                    full: room.full,
                });
                self.answer(waiter, result);
            }
            Call::Pause { sandbox } => self.pause(&sandbox, waiter),
            Call::Resume { sandbox } => {
                let result = self.resume(&sandbox);
                self.answer(waiter, result);
            }
            Call::Usage { sandbox } => {
                let result = self.usage(&sandbox);
                self.answer(waiter, result);
            }
            Call::Dial { sandbox, port } => self.dial(waiter, &sandbox, port),
            Call::DialAgent { process, socket } => self.dial_agent(waiter, process, &socket),
            Call::GuardBridges => {
                let result = self.guard_bridges();
                self.answer(waiter, result);
            }
        }
    }

    fn remove_image(&mut self, digest: &ImageDigest) -> Result<Answer, Failure> {
        let wanted = ImageSource::Unpacked(digest.clone());
        if self.image_in_use(&wanted) {
            return Err(failure(FailureKind::Conflict, format!("a sandbox still uses the image {digest}")));
        }
        if self.workers.exports(digest) {
            return Err(failure(FailureKind::Conflict, format!("the image {digest} is being packed")));
        }
        if self.tools.storage.discard(&self.tools.storage.images, digest.as_str())? {
            self.workers.collect_wanted = true;
            self.discard_unused_layers();
        }
        Ok(Answer::Done)
    }
}

/// Checks a start against the launcher's own bounds.
pub(super) fn check(request: &StartSandbox) -> Result<(), Failure> {
    let limits = &request.limits;
    let memory = bounds::MEMORY_MIB_MIN * MIB..=bounds::MEMORY_MIB_MAX * MIB;
    let disk = bounds::DISK_MIB_MIN * MIB..=bounds::DISK_MIB_MAX * MIB;
    let wrong = if uid_base(request.uid_slot).is_none() {
        "the uid slot"
    } else if !memory.contains(&limits.memory_bytes) {
        "the memory limit"
    } else if !disk.contains(&limits.disk_bytes) {
        "the disk limit"
    } else if !(bounds::CPU_MILLIS_MIN..=bounds::CPU_MILLIS_MAX).contains(&limits.cpu_millis) {
        "the CPU limit"
    } else if !(bounds::PIDS_MIN..=bounds::PIDS_MAX).contains(&limits.pids) {
        "the limit of processes"
    } else if !(16..=bounds::OPEN_FILES).contains(&limits.open_files) {
        "the limit of open files"
    } else if limits.bandwidth_mbit > bounds::BANDWIDTH_MBIT_MAX {
        "the limit of the network"
    } else {
        return Ok(());
    };
    Err(failure(FailureKind::Invalid, format!("{wrong} is out of bounds")))
}

#[cfg(test)]
mod tests {
    use atoll_types::{Capabilities, Limits, Network, SandboxId};

    use super::*;

    fn request() -> StartSandbox {
        StartSandbox {
            sandbox: SandboxId::random(),
            uid_slot: 0,
            image: ImageSource::Host,
            limits: Limits::default(),
            network: Network::None,
            capabilities: Capabilities::Standard,
            read_only_root: false,
        }
    }

    #[test]
    fn the_default_is_within_bounds() {
        assert!(check(&request()).is_ok());
    }

    #[test]
    fn each_bound_holds() {
        let wrong: [fn(&mut StartSandbox); 7] = [
            |r| r.uid_slot = 4_000,
            |r| r.limits.memory_bytes = u64::MAX,
            |r| r.limits.disk_bytes = 1,
            |r| r.limits.cpu_millis = 0,
            |r| r.limits.pids = u32::MAX,
            |r| r.limits.open_files = u64::MAX,
            |r| r.limits.bandwidth_mbit = u32::MAX,
        ];
        for change in wrong {
            let mut request = request();
            change(&mut request);
            assert_eq!(check(&request).unwrap_err().kind, FailureKind::Invalid);
        }
    }
}
