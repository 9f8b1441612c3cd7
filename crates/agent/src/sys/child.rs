//! What a child does between fork and exec.
//!
//! It is a copy of the agent, or lives in the memory of one, or in gVisor in the agent's (see [`super::nursery`] and [`super::thread`]), and may use nothing of the agent's: only
//! system calls, its stack, and room of its own for what it is told ([`super::request`]). It first makes itself a plain process of the workload (own session, default signals, nothing open but its
//! pipes, the workload's cgroup), then waits for its request, becomes the user, and executes the program. What goes
//! wrong after that is said on its standard error, with 127 where the program is missing and 126 for all else, as a
//! shell does it.
//!
//! # Why a spare child waits, measured
//! Figures of a 2-core VM, kernel 6.18, cgroup v1, medians of 400, until `true` was waited for:
//!
//! | way | back to back | 100 ms after the last |
//! | --- | --- | --- |
//! | fork, exec | 0.56 ms | 0.68 ms |
//! | `clone(CLONE_VM \| CLONE_VFORK)`, exec | 0.45 ms | 0.74 ms |
//! | fork, 4 × `cgroup.procs`, exec | 0.58 ms | **7.9 ms** |
//! | vfork, 4 × `cgroup.procs`, exec | 0.47 ms | **7.9 ms** |
//!
//! The first move of a process between cgroups after a pause waits for a grace period of the kernel. So it is not
//! done while somebody waits: one child is made with the agent, enters the cgroup in its own time, and breeds: it makes siblings,
//! which are the agent's children, where they belong from the first moment, and in its own memory. One of them is always there, so
//! that an exec needs no fork at all. Two other ways were left out, but in gVisor. A child that shares the agent's memory (vfork) could be throttled,
//! frozen or stopped by what the workload does, and the agent with it; and the kernel, out of memory in the
//! workload's cgroup, kills every process that shares the victim's memory. A resident spawner inside the workload's
//! cgroup could be stopped by the workload's root, with a request half done; a spare is one exec, nothing more, and the one
//! that breeds never has a request in its hands.

use std::ffi::{CStr, c_char, c_int};
use std::os::fd::RawFd;

use rustix::io::Errno;

use super::nursery::breed;
use super::request::{Request, Room, read_request};
use crate::launch::{FLAG_BREED, FLAG_CWD_OPTIONAL, FLAG_KEEP_CHANNEL, FLAG_TERMINAL, GROUPS_MAX, Header};

/// Where the child keeps its end of the request channel.
pub(super) const REQUEST_FD: RawFd = 3;
/// The program could not be found.
const CODE_NOT_FOUND: c_int = 127;
/// What runs a command that is a line.
const SHELL: &CStr = c"/bin/sh";
/// What to do where it is missing: images of a single program have none.
const NO_SHELL: &CStr = c"the image has no shell, so give the program and its arguments one by one";
/// The program could not be run.
pub(super) const CODE_CANNOT_RUN: c_int = 126;
/// Highest descriptor that is closed one by one, where the kernel or a filter has no `close_range`.
const CLOSE_LOOP_MAX: RawFd = 4_096;
/// Longest path that the search tries, with its NUL: the kernel's own bound.
const PATH_BYTES: usize = 4_096;

/// What the child inherits, by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChildFds {
    pub(super) request: RawFd,
    pub(super) stdio: [RawFd; 3],
    /// First number, and how many.
    pub(super) cgroups: (RawFd, usize),
    /// Address and length of memory that is the agent's alone.
    pub(super) heap: (usize, usize),
    pub(super) rules: Rules,
}

/// What is different for the children of an agent that was not started by the launcher, which has done it already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// They have no part in what protects the agent where memory is short.
    pub(crate) killed_first: bool,
    /// They have no capabilities, and never gain any.
    pub(crate) no_capabilities: bool,
}

/// The child's life up to exec.
///
/// # Safety
/// Only right after fork in the child, with all signals blocked.
pub(super) unsafe fn child_main(fds: ChildFds) -> ! {
    // SAFETY: in the child, where no other thread exists; plain system calls on its own descriptors.
    unsafe {
        prepare(&fds);
        wait_for_request(fds.rules, Room::default())
    }
}

/// Waits for what is to be done, and does it.
///
/// # Safety
/// In a child that has one thread and no use for anything of its parent's; the room is its own.
pub(super) unsafe fn wait_for_request(rules: Rules, room: Room) -> ! {
    // SAFETY: as the caller's.
    unsafe {
        let request = read_request(room);
        if request.header.flags & FLAG_BREED != 0 { breed(rules) } else { run(request, rules) }
    }
}

/// Makes this process one of the workload.
unsafe fn prepare(fds: &ChildFds) {
    // SAFETY: as the caller's.
    unsafe {
        forget_signals();
        become_plain(fds.request, fds.stdio);
        let (cgroup_first, cgroups) = fds.cgroups;
        let cgroup_end = cgroup_first + c_int::try_from(cgroups).unwrap_or(0);
        // Before anything that waits: an open copy of another exec's pipe would keep its end of file from coming.
        close_from(cgroup_end);
        libc::madvise(std::ptr::with_exposed_provenance_mut(fds.heap.0), fds.heap.1, libc::MADV_DONTNEED);
        for fd in cgroup_first..cgroup_end {
            // A child outside its cgroup would have no limits: better none at all.
            if libc::write(fd, c"0".as_ptr().cast(), 1) != 1 {
                fail(c"cannot enter the sandbox's control group", CODE_CANNOT_RUN);
            }
            libc::close(fd);
        }
        show(fds.rules);
    }
}

/// The same for a child that has the agent's memory, where there is no group to enter.
///
/// # Safety
/// Only right after clone in the child, with all signals blocked; of the numbers 0 to 3 none is used, or given here.
pub(super) unsafe fn become_child(request: RawFd, stdio: [RawFd; 3], rules: Rules) {
    // SAFETY: as the caller's.
    unsafe {
        forget_signals();
        become_plain(request, stdio);
        close_from(REQUEST_FD + 1);
        show(rules);
    }
}

/// Has the default action for each signal.
unsafe fn forget_signals() {
    // All whose action is not the default: the runtime of Rust ignores the first and tells of two that the stack has overflowed, the
    // reaper waits for the fourth, and the C library's own two may be ignored since before the launcher, where its functions
    // refuse their numbers. All others are the default, which the launcher sees to: setting each of 64 would cost a tenth of a millisecond.
    const CHANGED: [c_int; 6] = [libc::SIGPIPE, libc::SIGSEGV, libc::SIGBUS, libc::SIGCHLD, 32, 33];
    for signal in CHANGED {
        // The kernel's own call and its `struct sigaction`, all zeroes.
        let (default, none) = ([0_u64; 4], std::ptr::null::<u64>());
        // SAFETY: numbers, and memory that lives through the call.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, size_of::<u64>()) };
    }
}

/// Is seen as a spare, and may be killed, by signals too.
unsafe fn show(rules: Rules) {
    // SAFETY: system calls with numbers and with memory that lives through them.
    unsafe {
        if rules.killed_first {
            be_killed_first();
        }
        libc::prctl(libc::PR_SET_NAME, c"atoll-spare".as_ptr());
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Leads a session of its own, with these as its channels.
///
/// # Safety
/// In a child, of whose numbers 0 to 3 none is used, or given here.
pub(super) unsafe fn become_plain(request: RawFd, stdio: [RawFd; 3]) {
    // SAFETY: plain system calls on this process's own descriptors.
    unsafe {
        libc::setsid();
        for (target, fd) in (0..).zip(stdio) {
            check(libc::dup2(fd, target));
        }
        check(libc::dup3(request, REQUEST_FD, libc::O_CLOEXEC));
    }
}

/// Is as likely to be killed as any process when memory is short. Where that cannot be said, nothing else is lost.
unsafe fn be_killed_first() {
    // SAFETY: strings that end with NUL, and a descriptor of this process.
    unsafe {
        let score = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if score >= 0 {
            libc::write(score, c"0".as_ptr().cast(), 1);
            libc::close(score);
        }
    }
}

/// Closes all from this number on.
///
/// # Safety
/// In a child, to which none of them means anything.
pub(super) unsafe fn close_from(first: RawFd) {
    // The highest that there can be. More than that is none to gVisor, where closing one by one takes 80 ms.
    let (from, to) = (first.unsigned_abs(), RawFd::MAX.unsigned_abs());
    // SAFETY: closes what is this child's copy only.
    unsafe {
        if libc::syscall(libc::SYS_close_range, from, to, 0) != 0 {
            for fd in first..CLOSE_LOOP_MAX {
                libc::close(fd);
            }
        }
    }
}

/// Becomes the user and executes the program.
unsafe fn run(request: Request, rules: Rules) -> ! {
    let Request { header, body, table } = request;
    let groups_bytes = usize::try_from(header.groups).unwrap_or(0).min(GROUPS_MAX) * 4;
    let (groups, mut strings) = body.split_at_checked(groups_bytes).unwrap_or((&[], &[]));
    let mut next = || {
        let string = CStr::from_bytes_until_nul(strings).unwrap_or(c"");
        strings = strings.get(string.count_bytes() + 1..).unwrap_or(&[]);
        string
    };
    let (program, path, cwd) = (next(), next(), next());
    if header.flags & FLAG_TERMINAL != 0 {
        take_terminal(next(), header.uid);
    }
    if header.flags & FLAG_KEEP_CHANNEL != 0 {
        // SAFETY: only numbers.
        check(unsafe { libc::fcntl(REQUEST_FD, libc::F_SETFD, 0) });
    }
    // The tables stay zeroed where the strings end, so each ends with a null pointer.
    let args = usize::try_from(header.args).unwrap_or(0);
    let Some((argv, envp)) = table.split_at_mut_checked(args + 1) else {
        fail(c"bad request", CODE_CANNOT_RUN)
    };
    argv.iter_mut().take(args).for_each(|slot| *slot = next().as_ptr());
    let envs = usize::try_from(header.envs).unwrap_or(0);
    envp.iter_mut().take(envs).for_each(|slot| *slot = next().as_ptr());
    become_user(&header, groups);
    if rules.no_capabilities {
        drop_capabilities();
    }
    enter(cwd, header.flags & FLAG_CWD_OPTIONAL != 0);
    let error = exec(program, path, argv, envp);
    let (reason, code) = explain(error);
    if code == CODE_NOT_FOUND && program == SHELL {
        complain(&[program, reason, NO_SHELL]);
    } else {
        complain(&[program, reason]);
    }
    exit(code)
}

/// Opens the terminal, which becomes the controlling one of the session that this process leads, and makes it the
/// standard streams. Done as the agent's user, who owns it; then it is the user's, as after a login.
fn take_terminal(path: &CStr, uid: u32) {
    // SAFETY: a string that ends with NUL, and descriptors of this process.
    unsafe {
        let terminal = libc::open(path.as_ptr(), libc::O_RDWR);
        if terminal < 0 {
            fail(c"cannot open the terminal", CODE_CANNOT_RUN);
        }
        libc::ioctl(terminal, libc::TIOCSCTTY, 0);
        // Without the capability for it a user can still use the descriptors.
        libc::fchown(terminal, uid, libc::gid_t::MAX);
        for stream in 0..3 {
            check(libc::dup2(terminal, stream));
        }
        if terminal > 2 {
            libc::close(terminal);
        }
    }
}

/// Takes on the groups and ids. Bare system calls: the C library's versions would talk to threads there are not.
fn become_user(header: &Header, groups: &[u8]) {
    let mut list = [0_u32; GROUPS_MAX];
    for (slot, bytes) in list.iter_mut().zip(groups.as_chunks::<4>().0) {
        *slot = u32::from_ne_bytes(*bytes);
    }
    let (uid, gid) = (header.uid, header.gid);
    // SAFETY: numbers, and a list that lives through its call.
    unsafe {
        let ok = libc::syscall(libc::SYS_setgroups, groups.len() / 4, list.as_ptr()) == 0
            && libc::syscall(libc::SYS_setresgid, gid, gid, gid) == 0
            && libc::syscall(libc::SYS_setresuid, uid, uid, uid) == 0;
        if !ok {
            fail(c"cannot become that user: its ids do not exist in this sandbox", CODE_CANNOT_RUN);
        }
        // A host may be set to make processes that change their ids dumpable; this one still has the agent's pages, or those of
        // the one that breeds.
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
    }
}

/// Gives up all capabilities. Without new privileges an execution as root gives none back.
fn drop_capabilities() {
    /// `_LINUX_CAPABILITY_VERSION_3`.
    const VERSION: u32 = 0x2008_0522;
    // Of the caller; three sets of two words.
    let (header, none) = ([VERSION, 0], [0_u32; 6]);
    // SAFETY: numbers, and two blocks that live through their call.
    let ok = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) == 0
    };
    if !ok {
        fail(c"cannot give up capabilities", CODE_CANNOT_RUN);
    }
}

fn enter(cwd: &CStr, optional: bool) {
    let Err(error) = rustix::process::chdir(cwd) else { return };
    if !(optional && rustix::process::chdir(c"/").is_ok()) {
        let (reason, _) = explain(error);
        complain(&[c"cannot enter", cwd, reason]);
        exit(CODE_CANNOT_RUN);
    }
}

/// Executes the program; what comes back is the error. A name without a slash is searched for as execvp(3) does.
fn exec(program: &CStr, path: &CStr, argv: &[*const c_char], envp: &[*const c_char]) -> Errno {
    // SAFETY: both tables end with a null pointer (see `run`) and point at strings that end with NUL.
    let execve = |file: &CStr| unsafe { execve(file, argv.as_ptr(), envp.as_ptr()) };
    if program.to_bytes().contains(&b'/') {
        return execve(program);
    }
    let mut denied = false;
    let mut buffer = [0_u8; PATH_BYTES];
    for directory in path.to_bytes().split(|b| *b == b':') {
        let parts: [&[u8]; 3] = match directory {
            [] => [b"./", b"", program.to_bytes_with_nul()],
            _ => [directory, b"/", program.to_bytes_with_nul()],
        };
        let Some(file) = join(&mut buffer, parts) else { continue };
        match execve(file) {
            Errno::ACCESS => denied = true,
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::STALE
            | Errno::NODEV
            | Errno::TIMEDOUT
            | Errno::NAMETOOLONG => {}
            error => return error,
        }
    }
    if denied { Errno::ACCESS } else { Errno::NOENT }
}

/// The bare system call, which comes back with an error or not at all. The C library's function would tell the error in a place that
/// belongs to all children in this memory.
///
/// # Safety
/// As of execve(2).
unsafe fn execve(file: &CStr, argv: *const *const c_char, envp: *const *const c_char) -> Errno {
    let result: i64;
    // SAFETY: the registers are those of the call, and nothing else is changed.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_execve => result,
            in("rdi") file.as_ptr(), in("rsi") argv, in("rdx") envp,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc 0",
            inlateout("x0") file.as_ptr().addr() => result,
            in("x8") libc::SYS_execve, in("x1") argv, in("x2") envp,
            options(nostack),
        );
    }
    Errno::from_raw_os_error(i32::try_from(-result).unwrap_or(0))
}

/// The parts, of which the last ends with NUL, in a row; none where they are too long.
fn join<'a>(buffer: &'a mut [u8], parts: [&[u8]; 3]) -> Option<&'a CStr> {
    let mut at = 0;
    for part in parts {
        buffer.get_mut(at..at + part.len())?.copy_from_slice(part);
        at += part.len();
    }
    CStr::from_bytes_until_nul(buffer).ok()
}

const fn explain(error: Errno) -> (&'static CStr, c_int) {
    match error {
        Errno::NOENT | Errno::NOTDIR => (c"not found", CODE_NOT_FOUND),
        Errno::ACCESS | Errno::PERM => (c"permission denied", CODE_CANNOT_RUN),
        Errno::NOEXEC => (c"exec format error", CODE_CANNOT_RUN),
        Errno::TOOBIG => (c"arguments and environment are too long", CODE_CANNOT_RUN),
        Errno::NOMEM => (c"out of memory", CODE_CANNOT_RUN),
        Errno::LOOP => (c"too many symbolic links", CODE_CANNOT_RUN),
        Errno::NAMETOOLONG => (c"name too long", CODE_CANNOT_RUN),
        Errno::TXTBSY => (c"file is being written to", CODE_CANNOT_RUN),
        Errno::AGAIN => (c"too many processes of that user", CODE_CANNOT_RUN),
        _ => (c"cannot be run", CODE_CANNOT_RUN),
    }
}

/// Writes `atoll: a: b: c` and a newline to standard error, as far as it takes it.
fn complain(parts: &[&CStr]) {
    let put = |bytes: &[u8]| {
        // SAFETY: reads the slice, at most its length. What is not taken is lost: there is nobody else to tell.
        let _ = unsafe { libc::write(2, bytes.as_ptr().cast(), bytes.len()) };
    };
    put(b"atoll");
    for part in parts {
        put(b": ");
        put(part.to_bytes());
    }
    put(b"\n");
}

pub(super) fn fail(reason: &CStr, code: c_int) -> ! {
    complain(&[reason]);
    exit(code)
}

pub(super) fn exit(code: c_int) -> ! {
    // SAFETY: no preconditions; runs no handlers of the agent's.
    unsafe { libc::_exit(code) }
}

fn check(result: c_int) {
    if result < 0 {
        fail(c"cannot set up standard streams", CODE_CANNOT_RUN);
    }
}
