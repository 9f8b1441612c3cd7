//! The child's part of a start: from a copy of the launcher to the agent, in one line of steps. Each step takes something
//! away; the order is what makes the next one possible.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use atoll_launcher_protocol::{Failure, StartSandbox};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_thread_groups};

use super::Tools;
use crate::net::Prepared;
use crate::report::{At, Step, StepError};
use crate::userns::first_id;
use crate::{caps, guest_files, mounts, net, sys};

/// What the child has of the launcher's.
#[derive(Debug)]
pub(super) struct Inheritance<'a> {
    pub(super) tools: &'a Tools,
    pub(super) request: &'a StartSandbox,
    pub(super) user_namespace: BorrowedFd<'a>,
    /// The agent's listening socket.
    pub(super) listener: BorrowedFd<'a>,
    /// The network that was prepared for it; where none was, it makes one with loopback alone.
    pub(super) network: Option<&'a Prepared>,
    /// Where a failure is written.
    pub(super) report: BorrowedFd<'a>,
    /// Says when the state is recorded.
    pub(super) go: BorrowedFd<'a>,
}

/// Ends the child when something in it panics: its stack is a copy of the launcher's, which must not be unwound into.
pub(super) struct NeverReturn;

impl Drop for NeverReturn {
    fn drop(&mut self) {
        sys::exit_now(70);
    }
}

/// Becomes the agent, or reports why not.
pub(super) fn run(inheritance: &Inheritance<'_>) -> ! {
    let Err(error) = become_agent(inheritance);
    give_up(inheritance.report, error)
}

/// Reports why not, and ends.
pub(super) fn give_up(report: BorrowedFd<'_>, error: StepError) -> ! {
    if let Ok(text) = serde_json::to_vec(&Failure::from(error)) {
        // When nobody reads, nobody needs to know.
        let _ignored = rustix::io::write(report, &text);
    }
    sys::exit_now(1)
}

fn become_agent(inheritance: &Inheritance<'_>) -> Result<Infallible, StepError> {
    let Inheritance { tools, request, user_namespace, .. } = inheritance;
    let (cgroups, sandbox) = (&tools.cgroups, &request.sandbox);
    let guest_root = first_id(request.uid_slot);

    // Signals: the launcher ignores some; the agent begins with none ignored and none blocked.
    sys::reset_signals().at(Step::PlaceDescriptors)?;

    // Everything of the host's mounts that the sandbox will have, while they are in sight.
    let layers = mounts::clone_layers(
        &tools.storage,
        &tools.host_image,
        &tools.host_binds,
        sandbox,
        &request.image,
        *user_namespace,
    )?;
    let views = mounts::clone_cgroup_views(cgroups.views(sandbox)?)?;

    // The workload's groups, whose files stay open for the agent's children.
    let workload = cgroups.workload_entries(sandbox)?;
    enter(&workload)?;
    enter(&cgroups.counting_entries(sandbox)?)?;
    // The root of a cgroup namespace is where its maker is: the workload then sees its own groups as the top.
    sys::unshare(UnshareFlags::NEWCGROUP).at(Step::NewCgroupNamespace)?;
    // The agent itself lives beside the workload, so that the workload's limits and freezes never hit it.
    enter(&cgroups.agent_entries(sandbox)?)?;
    let memory = cgroups.memory_entries(sandbox)?;

    // Nothing of the host is in sight any more.
    let stage = tools.stage.as_ref().map_err(Clone::clone)?;
    let namespaces = UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    match inheritance.network {
        None => mounts::enter_stage(stage, namespaces | UnshareFlags::NEWNET)?,
        Some(network) => {
            mounts::enter_stage(stage, namespaces)?;
            net::enter(network.namespace.as_fd()).at(Step::EnterNetwork)?;
        }
    }

    // The root: from here on every path is the sandbox's.
    let small = mounts::Small::make(guest_root)?;
    let root = mounts::mount_root(&layers, guest_root)?;
    let usr = mounts::mount_usr(&layers, guest_root)?;
    mounts::enter_root(&root)?;
    mounts::attach_usr(&usr, guest_root)?;

    // The kernel's file systems, of the new namespaces. /dev first: its null device masks files of the others.
    mounts::mount_dev(&small, guest_root, request.limits.memory_bytes)?;
    mounts::mount_proc(guest_root)?;
    match inheritance.network.and_then(|network| network.sys.as_ref()) {
        Some(sys) => mounts::mount_sys(&small, sys, guest_root)?,
        None => mounts::mount_sys(&small, mounts::make_sys()?, guest_root)?,
    }
    mounts::mount_cgroup_views(&small, &views)?;
    let files_root = if request.read_only_root {
        let writable = mounts::clone_root(&root)?;
        mounts::protect_root(guest_root, request.limits.memory_bytes)?;
        writable
    } else {
        root
    };

    // The last things that need rights over the namespaces, which belong to the host's root and not to the guest's.
    let host_name = format!("sandbox-{sandbox}");
    rustix::system::sethostname(host_name.as_bytes()).at(Step::SetHostName)?;
    if inheritance.network.is_none() {
        // Where it was prepared it is up: this waits for the lock of all networks, which their removal holds for long.
        sys::loopback_up().at(Step::LoopbackUp)?;
    }
    set_limits(request.limits.open_files).at(Step::SetLimits)?;

    // The guest's root from here on: all capabilities, but over the sandbox's user namespace only.
    move_into_link_name_space(*user_namespace, Some(LinkNameSpaceType::User)).at(Step::EnterUserNamespace)?;
    become_guest_root().at(Step::BecomeGuestRoot)?;
    // Keys of the launcher's session are not the sandbox's. Charged to the guest's root, so after becoming it; kernels
    // without keys have nothing to hide.
    match sys::join_new_session_keyring() {
        Ok(()) | Err(Errno::NOSYS) => {}
        Err(errno) => return Err(StepError { step: Step::NewKeyring, errno }),
    }

    // Files that may be links of a hostile image's: written with the guest's own rights.
    guest_files::write(&files_root, &host_name, request.network)?;
    // From here on the agent pays for its own memory.
    enter(&memory)?;

    // The rights that nothing may win back. Capabilities before the promise, the promise before the filter.
    caps::restrict(request.capabilities)?;
    rustix::thread::set_no_new_privs(true).at(Step::NoNewPrivileges)?;
    tools.filters.sandbox.install()?;

    // Nothing of the sandbox runs before its process is recorded.
    wait_for_go(inheritance.go)?;
    execute(inheritance, &workload)
}

/// Moves this process into groups.
fn enter(entries: &[OwnedFd]) -> Result<(), StepError> {
    for entry in entries {
        rustix::io::write(entry, b"0").at(Step::EnterCgroup)?;
    }
    Ok(())
}

fn become_guest_root() -> rustix::io::Result<()> {
    use rustix::fs::{Gid, Uid};
    set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

fn set_limits(open_files: u64) -> rustix::io::Result<()> {
    limit(Resource::Nofile, Some(open_files))?;
    limit(Resource::Core, Some(0))?;
    // Locked memory: enough for keys that must not be swapped, as systemd gives.
    limit(Resource::Memlock, Some(8 << 20))?;
    // The group's limit on processes counts for the sandbox; this one would count all sandboxes of one host uid.
    limit(Resource::Nproc, None)
}

/// Sets a limit; a host that keeps the right to raise limits from root gets as near as it allows.
fn limit(resource: Resource, wanted: Option<u64>) -> rustix::io::Result<()> {
    match setrlimit(resource, Rlimit { current: wanted, maximum: wanted }) {
        Err(Errno::PERM) => {
            let most = getrlimit(resource).maximum;
            setrlimit(resource, Rlimit { current: most, maximum: most })
        }
        other => other,
    }
}

fn wait_for_go(go: BorrowedFd<'_>) -> Result<(), StepError> {
    match rustix::io::read(go, &mut [0_u8; 1]).at(Step::WaitForGo)? {
        1 => Ok(()),
        _ => Err(StepError { step: Step::WaitForGo, errno: Errno::PIPE }),
    }
}

/// Puts the agent's descriptors in their places and executes it: 0 to 2 nothing, 3 the listening socket, from 4 on the
/// workload's groups. Every other descriptor goes with the execution, the report among them: its end says that it went
/// well.
fn execute(inheritance: &Inheritance<'_>, workload: &[OwnedFd]) -> Result<Infallible, StepError> {
    /// Above every number that is given out below.
    const HIGH: i32 = 64;
    let null =
        openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).at(Step::PlaceDescriptors)?;
    let places = [null.as_fd(), null.as_fd(), null.as_fd(), inheritance.listener];
    let sources = places.into_iter().chain(workload.iter().map(AsFd::as_fd));
    // First all out of the way, then into place: a place may hold the source of a later one.
    let high = |fd: BorrowedFd<'_>| fcntl_dupfd_cloexec(fd, HIGH).at(Step::PlaceDescriptors);
    let sources: Vec<OwnedFd> = sources.map(high).collect::<Result<_, _>>()?;
    let agent = high(inheritance.tools.agent.as_fd())?;
    let report = high(inheritance.report)?;
    for (place, source) in (0..).zip(&sources) {
        sys::duplicate_to(source, place).at(Step::PlaceDescriptors)?;
    }
    let first_free = u32::try_from(sources.len()).unwrap_or(u32::MAX);
    sys::close_on_exec_from(first_free).at(Step::PlaceDescriptors)?;

    let count = workload.len().to_string();
    let arguments =
        ["atoll-agent", "--cgroup-fds", &count].map(|text| CString::new(text).unwrap_or_default());
    let environment =
        ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TZ=UTC"]
            .map(|text| CString::new(text).unwrap_or_default());
    let errno = sys::exec_descriptor(&agent, &arguments, &environment);
    let error = StepError { step: Step::ExecAgent, errno };
    // The usual report's number may be another descriptor's by now.
    if let Ok(text) = serde_json::to_vec(&Failure::from(error)) {
        let _nobody_reads = rustix::io::write(&report, &text);
    }
    sys::exit_now(1)
}
