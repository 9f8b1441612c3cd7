//! One process of a part: made by fork and exec, in an order that matters.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal, setsid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::report;
use crate::sys::{self, Fork};

/// First number of the descriptors that a new process gets, in order.
const FIRST_DESCRIPTOR: RawFd = 3;
/// Where copies are kept while they are put in place: above all numbers that are given.
const ASIDE: RawFd = 64;
/// A process that could not be made ends with this (as a shell's "cannot execute").
const EXIT_NOT_MADE: i32 = 126;

/// What to run and as whom.
#[derive(Debug)]
pub(crate) struct Program {
    /// Executed by descriptor: its path may be unreachable, or another program by now.
    pub(crate) file: OwnedFd,
    pub(crate) argv: Vec<CString>,
    pub(crate) envp: Vec<CString>,
    /// Become 3, 4, 5 … there.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Uid and gid to become, for good; root when absent.
    pub(crate) user: Option<(u32, u32)>,
    /// A file whose group it is in too, where there is one when it starts.
    pub(crate) group_of: Option<PathBuf>,
    pub(crate) umask: u32,
}

/// Starts a process that dies with this one.
pub(crate) fn start(program: &Program) -> io::Result<Pid> {
    let supervisor = getpid();
    match sys::fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let error = become_program(program, supervisor);
            report::line(&format!("cannot start {}: {error}", program.argv[0].to_string_lossy()));
            sys::exit_now(EXIT_NOT_MADE)
        }
    }
}

/// Everything between fork and exec; returns only when a step failed.
fn become_program(program: &Program, supervisor: Pid) -> io::Error {
    let file = match prepare(program, supervisor) {
        Ok(file) => file,
        Err(error) => return error,
    };
    sys::execute(file.as_fd(), &program.argv, &program.envp)
}

fn prepare(program: &Program, supervisor: Pid) -> io::Result<OwnedFd> {
    // From here on the terminal's Ctrl-C reaches the supervisor alone, which then stops the parts in order.
    setsid()?;
    rustix::process::umask(Mode::from_raw_mode(program.umask));
    rustix::process::chdir("/")?;
    let file = place_descriptors(program)?;
    if let Some((uid, gid)) = program.user {
        drop_privileges(uid, gid, group_of(program).as_slice())?;
    }
    // After the change of the uid, which clears it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The supervisor may have died before that: then nobody would ever send the signal.
    if getppid() != Some(supervisor) {
        sys::exit_now(EXIT_NOT_MADE);
    }
    sys::reset_signals()?;
    Ok(file)
}

/// Standard input becomes empty, the given descriptors become 3, 4, 5 …; all others are close-on-exec. Answers
/// the program's descriptor, out of their way.
fn place_descriptors(program: &Program) -> io::Result<OwnedFd> {
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    sys::place(null.as_fd(), 0)?;
    // All are copied aside first: a source may have the number of a target.
    let aside = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, ASIDE);
    let file = aside(program.file.as_fd())?;
    let sources = program.descriptors.iter().map(|fd| aside(fd.as_fd())).collect::<Result<Vec<_>, _>>()?;
    for (number, source) in (FIRST_DESCRIPTOR..).zip(&sources) {
        debug_assert!(number < ASIDE && source.as_raw_fd() >= ASIDE);
        sys::place(source.as_fd(), number)?;
    }
    Ok(file)
}

/// The group of the file that the program names.
fn group_of(program: &Program) -> Option<Gid> {
    let stat = rustix::fs::stat(program.group_of.as_ref()?).ok()?;
    Some(Gid::from_raw(stat.st_gid))
}

/// Becomes an ordinary user that can never be more: no groups but these, no capability in any set, no gain by exec.
pub(crate) fn drop_privileges(uid: u32, gid: u32, groups: &[Gid]) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    // While we may: the bounding set and the groups need capabilities that the change of the uid takes away.
    sys::empty_bounding_set()?;
    set_thread_groups(groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    // The change of the uid has emptied these already, unless secure bits that we inherited say otherwise.
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    set_no_new_privs(true)?;
    Ok(())
}
