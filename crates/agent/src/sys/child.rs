//! What a child does between fork and exec.
//!
//! It is a copy of the agent that may use nothing of the agent's: only system calls, the stack, and one mapping of its
//! own. It first makes itself a plain process of the workload (own session, default signals, nothing open but its
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
//! done while somebody waits: one child is made ahead, enters the cgroup in its own time, and the next exec needs no
//! fork at all. It makes no successor of that way either, since a second command may come at once: one more child, which has
//! entered the cgroup long before, breeds: it forks siblings, which are the agent's children, where they belong from the first
//! moment. Two other ways were left out. A child that shares the agent's memory (vfork) could be throttled,
//! frozen or stopped by what the workload does, and the agent with it; and the kernel, out of memory in the
//! workload's cgroup, kills every process that shares the victim's memory. A resident spawner inside the workload's
//! cgroup could be stopped by the workload's root, with a request half done; a spare is one exec, nothing more, and the one
//! that breeds never has a request in its hands.

use std::ffi::{CStr, c_char, c_int};
use std::os::fd::RawFd;

use crate::launch::{
    BODY_BYTES_MAX, FLAG_BREED, FLAG_CWD_OPTIONAL, FLAG_KEEP_CHANNEL, FLAG_TERMINAL, GROUPS_MAX,
    HEADER_BYTES, HEADER_WORDS, Header,
};

/// Where the child keeps its end of the request channel.
pub(super) const REQUEST_FD: RawFd = 3;
/// Descriptors that make a sibling: its end of the request channel, and its three streams.
pub(super) const SENT_FDS: usize = 4;
/// Room for the header and the descriptors of such a message, in words of 8 bytes.
const CONTROL_WORDS: usize = 8;
/// The program could not be found.
const CODE_NOT_FOUND: c_int = 127;
/// The program could not be run.
const CODE_CANNOT_RUN: c_int = 126;
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
        wait_for_request(fds.rules)
    }
}

/// Waits for what is to be done, and does it.
unsafe fn wait_for_request(rules: Rules) -> ! {
    // SAFETY: as the caller's.
    unsafe {
        let request = read_request();
        if request.header.flags & FLAG_BREED != 0 { breed(rules) } else { run(request, rules) }
    }
}

/// Makes a sibling for each message, until the agent is gone. The agent hears its pid, or -1.
unsafe fn breed(rules: Rules) -> ! {
    loop {
        // SAFETY: in a child of one thread, which uses neither locks nor heap.
        unsafe {
            let Some(fds) = receive_fds() else { libc::_exit(0) };
            // As in `spare::fork`; CLONE_PARENT makes it the agent's child, with the signal that this one has: SIGCHLD.
            let pid = libc::syscall(libc::SYS_clone, libc::CLONE_PARENT | libc::SIGCHLD, 0, 0, 0, 0);
            if pid == 0 {
                be_sibling(fds, rules);
            }
            for fd in fds {
                libc::close(fd);
            }
            let answer = i32::try_from(pid).unwrap_or(-1).to_ne_bytes();
            libc::send(REQUEST_FD, answer.as_ptr().cast(), answer.len(), libc::MSG_NOSIGNAL);
        }
    }
}

/// The life of a sibling: it has the parent's cgroup, signals and name, and channels of its own.
unsafe fn be_sibling([request, stdio @ ..]: [RawFd; SENT_FDS], rules: Rules) -> ! {
    // SAFETY: right after fork, as in `child_main`. What was sent has numbers beyond those that it becomes.
    unsafe {
        libc::setsid();
        for (target, fd) in (0..).zip(stdio) {
            check(libc::dup2(fd, target));
        }
        check(libc::dup3(request, REQUEST_FD, libc::O_CLOEXEC));
        close_from(REQUEST_FD + 1);
        wait_for_request(rules)
    }
}

/// The descriptors of the next message: of the request channel, and the three streams. None when there is no agent any more.
unsafe fn receive_fds() -> Option<[RawFd; SENT_FDS]> {
    // SAFETY: all zeroes is a valid value of both; the pointers live through the call, and the kernel says how much it wrote.
    unsafe {
        let (mut byte, mut space) = ([0_u8; 1], [0_u64; CONTROL_WORDS]);
        let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = space.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&space);
        loop {
            match libc::recvmsg(REQUEST_FD, &raw mut message, libc::MSG_CMSG_CLOEXEC) {
                1 => break,
                -1 if errno() == libc::EINTR => {}
                _ => return None,
            }
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            return None;
        }
        let fds = libc::CMSG_DATA(header).cast::<[RawFd; SENT_FDS]>();
        let whole = size_of::<libc::cmsghdr>() + size_of::<[RawFd; SENT_FDS]>();
        ((*header).cmsg_len == whole).then(|| fds.read_unaligned())
    }
}

/// Makes this process one of the workload.
unsafe fn prepare(fds: &ChildFds) {
    // All whose action is not the default: the runtime of Rust ignores the first, the reaper waits for the second, and the
    // C library's own two may be ignored since before the launcher, where its functions refuse their numbers. All others are
    // the default, which the launcher sees to: setting each of 64 would cost a tenth of a millisecond.
    const CHANGED: [c_int; 4] = [libc::SIGPIPE, libc::SIGCHLD, 32, 33];
    // SAFETY: system calls with numbers and with memory that lives through them.
    unsafe {
        for signal in CHANGED {
            // The kernel's own call and its `struct sigaction`, all zeroes.
            let (default, none) = ([0_u64; 4], std::ptr::null::<u64>());
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, size_of::<u64>());
        }
        libc::setsid();
        for (target, fd) in (0..).zip(fds.stdio) {
            check(libc::dup2(fd, target));
        }
        check(libc::dup3(fds.request, REQUEST_FD, libc::O_CLOEXEC));
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
        if fds.rules.killed_first {
            be_killed_first();
        }
        libc::prctl(libc::PR_SET_NAME, c"atoll-spare".as_ptr());
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
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

unsafe fn close_from(first: RawFd) {
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

/// A request in memory: its body, and room for two tables of pointers behind it.
struct Request {
    header: Header,
    body: &'static [u8],
    table: &'static mut [*const c_char],
}

/// Waits for the request. Ends the process when the agent is gone or does not mean it any more.
unsafe fn read_request() -> Request {
    let mut head = [0_u8; HEADER_BYTES];
    // SAFETY: see each.
    unsafe {
        if !read_full(&mut head) {
            libc::_exit(0);
        }
        let mut words = [0_u32; HEADER_WORDS];
        for (word, bytes) in words.iter_mut().zip(head.as_chunks::<4>().0) {
            *word = u32::from_ne_bytes(*bytes);
        }
        let header = Header::from_words(words);
        let size = |n: u32| usize::try_from(n.min(BODY_BYTES_MAX)).unwrap_or(0);
        let body_bytes = size(header.body_bytes);
        let table_len = size(header.args) + size(header.envs) + 2;
        let table_at = body_bytes.next_multiple_of(align_of::<*const c_char>());
        let bytes = table_at + table_len * size_of::<*const c_char>();
        // A fresh private mapping, zeroed, never unmapped: it lives until exec, so both slices may be `'static`.
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let at =
            libc::mmap(std::ptr::null_mut(), bytes, prot, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        if at == libc::MAP_FAILED {
            fail(c"out of memory", CODE_CANNOT_RUN);
        }
        let body = std::slice::from_raw_parts_mut(at.cast::<u8>(), body_bytes);
        if !read_full(body) {
            libc::_exit(0);
        }
        let table = std::slice::from_raw_parts_mut(at.byte_add(table_at).cast(), table_len);
        Request { header, body, table }
    }
}

unsafe fn read_full(mut buffer: &mut [u8]) -> bool {
    while !buffer.is_empty() {
        // SAFETY: writes into the slice, at most its length.
        let n = unsafe { libc::read(REQUEST_FD, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(n) {
            Ok(n @ 1..) => match std::mem::take(&mut buffer).get_mut(n..) {
                Some(rest) => buffer = rest,
                None => return false,
            },
            Err(_) if errno() == libc::EINTR => {}
            _ => return false,
        }
    }
    true
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
    complain(&[program, reason]);
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
        // A host may be set to make processes that change their ids dumpable; this one still has the agent's pages.
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
    // SAFETY: strings that end with NUL.
    let entered = unsafe { libc::chdir(cwd.as_ptr()) == 0 || (optional && libc::chdir(c"/".as_ptr()) == 0) };
    if !entered {
        let (reason, _) = explain(errno());
        complain(&[c"cannot enter", cwd, reason]);
        exit(CODE_CANNOT_RUN);
    }
}

/// Executes the program; what comes back is the error. A name without a slash is searched for as execvp(3) does.
fn exec(program: &CStr, path: &CStr, argv: &[*const c_char], envp: &[*const c_char]) -> c_int {
    let execve = |file: *const c_char| {
        // SAFETY: both tables end with a null pointer (see `run`) and point at strings that end with NUL.
        unsafe { libc::execve(file, argv.as_ptr(), envp.as_ptr()) };
        errno()
    };
    if program.to_bytes().contains(&b'/') {
        return execve(program.as_ptr());
    }
    let mut denied = false;
    let mut buffer = [0_u8; PATH_BYTES];
    for directory in path.to_bytes().split(|b| *b == b':') {
        let parts: [&[u8]; 3] = match directory {
            [] => [b"./", b"", program.to_bytes_with_nul()],
            _ => [directory, b"/", program.to_bytes_with_nul()],
        };
        if !join(&mut buffer, parts) {
            continue;
        }
        match execve(buffer.as_ptr().cast()) {
            libc::EACCES => denied = true,
            libc::ENOENT
            | libc::ENOTDIR
            | libc::ESTALE
            | libc::ENODEV
            | libc::ETIMEDOUT
            | libc::ENAMETOOLONG => {}
            error => return error,
        }
    }
    if denied { libc::EACCES } else { libc::ENOENT }
}

fn join(buffer: &mut [u8], parts: [&[u8]; 3]) -> bool {
    let mut at = 0;
    parts.into_iter().all(|part| {
        let Some(room) = buffer.get_mut(at..at + part.len()) else { return false };
        room.copy_from_slice(part);
        at += part.len();
        true
    })
}

const fn explain(error: c_int) -> (&'static CStr, c_int) {
    match error {
        libc::ENOENT | libc::ENOTDIR => (c"not found", CODE_NOT_FOUND),
        libc::EACCES | libc::EPERM => (c"permission denied", CODE_CANNOT_RUN),
        libc::ENOEXEC => (c"exec format error", CODE_CANNOT_RUN),
        libc::E2BIG => (c"arguments and environment are too long", CODE_CANNOT_RUN),
        libc::ENOMEM => (c"out of memory", CODE_CANNOT_RUN),
        libc::ELOOP => (c"too many symbolic links", CODE_CANNOT_RUN),
        libc::ENAMETOOLONG => (c"name too long", CODE_CANNOT_RUN),
        libc::ETXTBSY => (c"file is being written to", CODE_CANNOT_RUN),
        libc::EAGAIN => (c"too many processes of that user", CODE_CANNOT_RUN),
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

fn fail(reason: &CStr, code: c_int) -> ! {
    complain(&[reason]);
    exit(code)
}

fn exit(code: c_int) -> ! {
    // SAFETY: no preconditions; runs no handlers of the agent's.
    unsafe { libc::_exit(code) }
}

fn check(result: c_int) {
    if result < 0 {
        fail(c"cannot set up standard streams", CODE_CANNOT_RUN);
    }
}

fn errno() -> c_int {
    // SAFETY: the address of this thread's own number.
    unsafe { *libc::__errno_location() }
}
