//! The launcher's part of a start: what must be decided in order, and what needs its memory. The slow rest is the
//! child's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use atoll_launcher_protocol::StartSandbox;
use atoll_types::{ImageSource, SandboxId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Gid, Mode, Uid, chmodat, chownat, unlinkat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::child;
use super::state::{self, ProcessIdentity, State};
use crate::cgroup::Cgroups;
use crate::house::House;
use crate::net::Prepared;
use crate::report::{At, Step, StepError};
use crate::seccomp::Filters;
use crate::storage::{self, Storage};
use crate::sys::{self, Cloned};
use crate::userns::UserNamespaces;

/// Connections that wait to be accepted by an agent that is busy.
const BACKLOG: i32 = 128;

/// How long a child may take to have descriptors of its own, its first act, before it is given up: everybody waits with it.
const DESCRIPTORS_TIME: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// What every start uses.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) house: House,
    pub(crate) storage: Storage,
    pub(crate) cgroups: Box<dyn Cgroups>,
    pub(crate) filters: Filters,
    /// Where roots are built. Where there can be none there are no native sandboxes; what others need of the launcher is there.
    pub(crate) stage: Result<OwnedFd, StepError>,
    /// The agent, sealed in memory.
    pub(crate) agent: OwnedFd,
    /// The unpacker, sealed in memory.
    pub(crate) unpack: OwnedFd,
    /// Name of the host image's root in the pool.
    pub(crate) host_image: String,
    /// Folders of the host that belong to the host image.
    pub(crate) host_binds: Vec<String>,
    /// This boot.
    pub(crate) boot_id: String,
}

/// A sandbox that is being born.
#[derive(Debug)]
pub(crate) struct Birth {
    /// Its first process.
    pub(crate) pidfd: OwnedFd,
    /// Ends when the agent runs; a failure comes before the end.
    pub(crate) report: OwnedFd,
    /// Whether its layer had not been closed.
    pub(crate) dirty: bool,
}

/// Begins to start a sandbox. Whatever this leaves behind when it fails, ending the sandbox removes.
pub(crate) fn start(
    tools: &Tools,
    namespaces: &mut UserNamespaces,
    request: &StartSandbox,
    network: Option<&Prepared>,
) -> Result<Birth, StepError> {
    let folder = tools.storage.make_layer(&request.sandbox, request.limits.disk_bytes)?;
    let dirty = storage::is_dirty(&folder);
    if dirty {
        storage::clear_dirty(&folder)?;
    }
    tools.cgroups.make(&request.sandbox)?;
    let flags = SocketFlags::CLOEXEC;
    let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).at(Step::BindSocket)?;
    let user_namespace = namespaces.get(request.uid_slot)?;
    let child = clone_child(tools, request, user_namespace, &listener, network)?;
    let made = limit_and_listen(tools, request, &listener)
        .and_then(|()| record(tools, request, network, &folder, child.pid))
        .and_then(|()| child.await_descriptors());
    if let Err(error) = made {
        end(&child.pidfd);
        return Err(error);
    }
    let Child { pidfd, report, go, ends, .. } = child;
    drop(ends);
    // From here on the next launcher would find it. A child that failed already has closed the pipe.
    match rustix::io::write(&go, b"1") {
        Ok(_) | Err(Errno::PIPE) => Ok(Birth { pidfd, report, dirty }),
        Err(errno) => {
            end(&pidfd);
            Err(StepError { step: Step::WriteState, errno })
        }
    }
}

/// The child on its way. It begins with the launcher's descriptors, not with copies: until it has its own the launcher closes none
/// that it needs.
struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    report: OwnedFd,
    go: OwnedFd,
    /// Readable when it has its own.
    ready: OwnedFd,
    /// Its ends of the pipes.
    ends: [OwnedFd; 3],
}

impl Child {
    /// Waits until it has descriptors of its own, which it has long since, or has ended.
    fn await_descriptors(&self) -> Result<(), StepError> {
        let mut either = [PollFd::new(&self.ready, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)];
        loop {
            match poll(&mut either, Some(&DESCRIPTORS_TIME)) {
                Err(Errno::INTR) => {}
                Ok(0) => return Err(StepError { step: Step::Clone, errno: Errno::TIMEDOUT }),
                done => return done.map(drop).at(Step::Clone),
            }
        }
    }
}

/// What must be there before the agent runs, and not before its child makes namespaces and mounts: with a thousand sandboxes the
/// kernel takes more than a millisecond for it.
fn limit_and_listen(tools: &Tools, request: &StartSandbox, listener: &OwnedFd) -> Result<(), StepError> {
    tools.cgroups.limit(&request.sandbox, &request.limits)?;
    listen_for_serve(&tools.house, &request.sandbox, listener)
}

/// Writes down what the next launcher needs to find it.
fn record(
    tools: &Tools,
    request: &StartSandbox,
    network: Option<&Prepared>,
    folder: &OwnedFd,
    pid: Pid,
) -> Result<(), StepError> {
    let start_time = state::start_time(pid).at(Step::WriteState)?;
    let process =
        ProcessIdentity { pid: pid.as_raw_nonzero().get(), start_time, boot_id: tools.boot_id.clone() };
    let image = request.image.clone();
    let root = (image == ImageSource::Host).then(|| tools.host_image.clone());
    let address = network.and_then(Prepared::address);
    let usr_overlay = root.is_some();
    let state = State { image, uid_slot: request.uid_slot, process, root, usr_overlay, address };
    state::write(folder, &state)
}

/// Ends a child that nobody knows of yet.
fn end(pidfd: &OwnedFd) {
    let _gone_already = pidfd_send_signal(pidfd, Signal::KILL);
    let _nothing_to_do = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
}

fn clone_child(
    tools: &Tools,
    request: &StartSandbox,
    user_namespace: BorrowedFd<'_>,
    listener: &OwnedFd,
    network: Option<&Prepared>,
) -> Result<Child, StepError> {
    let (report, report_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).at(Step::MakePipe)?;
    let (go_end, go) = pipe_with(PipeFlags::CLOEXEC).at(Step::MakePipe)?;
    let (ready, ready_end) = pipe_with(PipeFlags::CLOEXEC).at(Step::MakePipe)?;
    let given = [&report_end, &go_end, &ready_end, listener].map(AsFd::as_fd).into_iter();
    let given = given.chain([user_namespace]).chain(network.into_iter().flat_map(Prepared::descriptors));
    let sharing = if sys::are_copied(given) { libc::CLONE_FILES } else { 0 };
    // Of the namespaces only the PID namespace: the others cost time (a network namespace a third of a millisecond), which the child
    // spends on its own.
    match sys::clone3(libc::CLONE_NEWPID | sharing).at(Step::Clone)? {
        Cloned::Child => {
            let _guard = child::NeverReturn;
            let copied = if sharing == 0 { Ok(()) } else { sys::copy_descriptors() };
            if let Err(error) =
                copied.and_then(|()| rustix::io::write(&ready_end, b"1")).at(Step::PlaceDescriptors)
            {
                // Nothing is dropped: it would be the launcher's.
                child::give_up(report_end.as_fd(), error);
            }
            // The copy of this end would keep the pipe open when the launcher dies.
            drop(go);
            child::run(&child::Inheritance {
                tools,
                request,
                user_namespace,
                listener: listener.as_fd(),
                network,
                report: report_end.as_fd(),
                go: go_end.as_fd(),
            })
        }
        Cloned::Parent { pid, pidfd } => {
            Ok(Child { pid, pidfd, report, go, ready, ends: [report_end, go_end, ready_end] })
        }
    }
}

/// Binds the socket on which serve reaches the agent: on the host's side, so that nothing inside names it.
fn listen_for_serve(house: &House, sandbox: &SandboxId, socket: &OwnedFd) -> Result<(), StepError> {
    let name = socket_name(sandbox);
    remove_socket(house, sandbox)?;
    // Through the descriptor of the folder: the data folder's path may be longer than the 107 bytes an address holds.
    let path = format!("/proc/self/fd/{}/{name}", std::os::fd::AsRawFd::as_raw_fd(&house.agents));
    bind(socket, &SocketAddrUnix::new(path).at(Step::BindSocket)?).at(Step::BindSocket)?;
    let group = Some(Gid::from_raw(house.serve_gid));
    chownat(&house.agents, &*name, Some(Uid::ROOT), group, AtFlags::SYMLINK_NOFOLLOW).at(Step::BindSocket)?;
    chmodat(&house.agents, &*name, Mode::from_raw_mode(0o660), AtFlags::empty()).at(Step::BindSocket)?;
    listen(socket, BACKLOG).at(Step::BindSocket)
}

fn socket_name(sandbox: &SandboxId) -> String {
    format!("{sandbox}.sock")
}

/// Removes the agent's socket; one that is gone is fine.
pub(crate) fn remove_socket(house: &House, sandbox: &SandboxId) -> Result<(), StepError> {
    match unlinkat(&house.agents, socket_name(sandbox), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(StepError { step: Step::RemoveSocket, errno }),
    }
}
