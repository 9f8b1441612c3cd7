//! The cage of the unpacker: it parses what strangers made, so it sees the folder that it fills and nothing else.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use atoll_launcher_protocol::UID_SLOTS;
use atoll_types::{ImageDigest, Limits, SandboxId};
use rustix::fs::{Gid, Uid};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_thread_groups};

use crate::report::{At, Step, StepError, log};
use crate::sandbox::Tools;
use crate::sys::{self, Cloned};
use crate::{caps, mounts, userns};

/// The range of host ids behind the last sandbox's.
pub(crate) const SLOT: u32 = UID_SLOTS;

const _: () = assert!(userns::first_id(SLOT) as u64 + 65_536 <= 1 << 31);

/// Memory of the unpacker, in bytes, with the pages of the files it writes.
const MEMORY_BYTES: u64 = 256 << 20;

/// Time of a processor that it may use, in seconds: as long as it may take at all.
const CPU_SECONDS: u64 = 600;

/// The control groups of one unpacker, named like a sandbox's.
#[derive(Debug)]
pub(crate) struct Cage(SandboxId);

impl Cage {
    /// Removes the groups, which are empty.
    pub(crate) fn remove(&self, tools: &Tools) {
        for _attempt in 0..20 {
            match tools.cgroups.remove(&self.0) {
                Ok(true) => return,
                // The last process is still being switched out.
                Ok(false) => std::thread::sleep(std::time::Duration::from_millis(1)),
                Err(error) => return log(&error.to_string()),
            }
        }
    }
}

/// What the unpacker is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Fill the root from the archive.
    Unpack,
    /// Say which layers the archive has.
    Look,
    /// Put a layer over what is in the root.
    Layer {
        /// Which, from 1.
        number: usize,
        /// Its first byte in the archive.
        start: u64,
        /// Its bytes there.
        length: u64,
        /// SHA-256 of them, as the archive says.
        digest: ImageDigest,
        /// SHA-256 of them decompressed, as the archive says.
        diff_id: ImageDigest,
    },
    /// Write the root, which stays as it is, into a file.
    Pack,
}

impl Work {
    /// The arguments of the program.
    fn arguments(&self, max_bytes: u64) -> Vec<CString> {
        let bytes = max_bytes.to_string();
        let words = match self {
            Self::Unpack => vec![bytes],
            Self::Look => vec!["look".to_owned()],
            Self::Pack => vec!["pack".to_owned(), bytes],
            Self::Layer { number, start, length, digest, diff_id } => {
                let numbers = [number.to_string(), start.to_string(), length.to_string()];
                let [number, start, length] = numbers;
                vec![
                    "layer".to_owned(),
                    number,
                    start,
                    length,
                    digest.to_string(),
                    diff_id.to_string(),
                    bytes,
                ]
            }
        };
        // No NUL is in any of them.
        let words = std::iter::once("atoll-unpack".to_owned()).chain(words);
        words.map(|word| CString::new(word).unwrap_or_default()).collect()
    }
}

/// One run of the unpacker.
#[derive(Debug, Clone)]
pub(crate) struct Job<'a> {
    /// What it is to do.
    pub(crate) work: Work,
    /// The folder that becomes its root.
    pub(crate) root: &'a OwnedFd,
    /// Its standard input: the archive, or the file of a layer.
    pub(crate) file: BorrowedFd<'a>,
    /// Its standard output.
    pub(crate) result: BorrowedFd<'a>,
    /// Bytes that it may write.
    pub(crate) max_bytes: u64,
}

/// Starts the unpacker.
pub(crate) fn start(
    tools: &Tools,
    user_namespace: BorrowedFd<'_>,
    job: &Job<'_>,
) -> Result<(OwnedFd, Cage), StepError> {
    let cage = Cage(SandboxId::random());
    let limits = Limits { memory_bytes: MEMORY_BYTES, cpu_millis: 1_000, pids: 8, ..Limits::default() };
    tools.cgroups.make(&cage.0)?;
    if let Err(error) = tools.cgroups.limit(&cage.0, &limits) {
        cage.remove(tools);
        return Err(error);
    }
    match sys::clone3(libc::CLONE_NEWPID).at(Step::Clone) {
        Ok(Cloned::Child) => {
            let Err(error) = become_unpacker(tools, &cage, user_namespace, job);
            log(&error.to_string());
            sys::exit_now(1)
        }
        Ok(Cloned::Parent { pidfd, .. }) => Ok((pidfd, cage)),
        Err(error) => {
            cage.remove(tools);
            Err(error)
        }
    }
}

fn become_unpacker(
    tools: &Tools,
    cage: &Cage,
    user_namespace: BorrowedFd<'_>,
    job: &Job<'_>,
) -> Result<Infallible, StepError> {
    sys::reset_signals().at(Step::PlaceDescriptors)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).at(Step::PlaceDescriptors)?;
    for entry in tools.cgroups.workload_entries(&cage.0)? {
        rustix::io::write(&entry, b"0").at(Step::EnterCgroup)?;
    }

    // The folder, through the mapping that makes the unpacker's root its owner, while the host's mounts are in sight.
    let root = mounts::clone_mapped(job.root, user_namespace, job.work == Work::Pack)?;
    let namespaces = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    mounts::enter_stage(tools.stage.as_ref().map_err(Clone::clone)?, namespaces)?;
    mounts::enter_root(&root)?;

    // No cores of what strangers made; a descriptor for each folder on the way, and room.
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, both(0)).at(Step::SetLimits)?;
    setrlimit(Resource::Nofile, both(256)).at(Step::SetLimits)?;
    if job.work == Work::Pack {
        // A second fence: the file is on the host's own disk.
        setrlimit(Resource::Fsize, both(job.max_bytes)).at(Step::SetLimits)?;
    }
    // Should the launcher have died before its death could be told, the work still ends.
    setrlimit(Resource::Cpu, both(CPU_SECONDS)).at(Step::SetLimits)?;

    // Root of a user namespace whose ids own nothing else.
    move_into_link_name_space(user_namespace, Some(LinkNameSpaceType::User)).at(Step::EnterUserNamespace)?;
    set_thread_groups(&[]).at(Step::BecomeGuestRoot)?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).at(Step::BecomeGuestRoot)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).at(Step::BecomeGuestRoot)?;
    caps::restrict_unpacker()?;
    // The death of the launcher is told again: the change of ids took it back.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).at(Step::PlaceDescriptors)?;
    rustix::thread::set_no_new_privs(true).at(Step::NoNewPrivileges)?;

    execute(tools, job)
}

/// Standard input is the file, standard output the result, standard error the launcher's log; nothing else stays.
fn execute(tools: &Tools, job: &Job<'_>) -> Result<Infallible, StepError> {
    let high = |fd: BorrowedFd<'_>| fcntl_dupfd_cloexec(fd, 64).at(Step::PlaceDescriptors);
    let (file, result, program) = (high(job.file)?, high(job.result)?, high(tools.unpack.as_fd())?);
    sys::duplicate_to(file, 0).at(Step::PlaceDescriptors)?;
    sys::duplicate_to(result, 1).at(Step::PlaceDescriptors)?;
    sys::close_on_exec_from(3).at(Step::PlaceDescriptors)?;
    // Last: it allows nothing of the above.
    tools.filters.unpack.install()?;
    let arguments = job.work.arguments(job.max_bytes);
    let errno = sys::exec_descriptor(&program, &arguments, &[]);
    Err(StepError { step: Step::ExecUnpack, errno })
}
