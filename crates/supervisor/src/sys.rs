//! The system calls that have no safe form. JUSTIFICATION for unsafe: processes are made here with their descriptors, ids and
//! signals in an exact order between fork and exec, which no safe library offers.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::Pid;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Closes every descriptor from this number on.
pub(crate) fn close_from(first: RawFd) -> io::Result<()> {
    let first = libc::c_uint::try_from(first).map_err(io::Error::other)?;
    // SAFETY: runs at the start, when nothing of this program owns a descriptor from `first` on.
    check(unsafe { libc::close_range(first, libc::c_uint::MAX, 0) }).map(drop)
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one.
    Parent(Pid),
}

/// Makes a copy of this process. This program has one thread, so the copy may run any code.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: this program never makes a thread, so no lock is held by somebody who is missing in the copy.
    let pid = check(unsafe { libc::fork() })?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent))
}

/// Ends this process at once, without destructors: they are the parent's.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: always sound; it does not return.
    unsafe { libc::_exit(code) }
}

/// Runs a program by its descriptor in place of this one; returns only when that failed.
pub(crate) fn execute(program: BorrowedFd<'_>, argv: &[CString], envp: &[CString]) -> io::Error {
    let pointers = |words: &[CString]| -> Vec<*const libc::c_char> {
        words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(argv), pointers(envp));
    let empty: &CStr = c"";
    // SAFETY: both lists end with a null pointer, and what they point to lives until the call returns, if it does.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            empty.as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Gives `fd` the number `number` in this process, open across exec.
pub(crate) fn place(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: called between fork and exec, where what had this number is not used any more.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
}

/// Removes every capability from the bounding set: no program that is executed later can gain one.
pub(crate) fn empty_bounding_set() -> io::Result<()> {
    // Kernels know fewer than 64; the first unknown one answers EINVAL.
    for capability in 0..64 {
        // SAFETY: takes numbers only.
        match check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && capability > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn signal_set(signals: &[libc::c_int]) -> libc::sigset_t {
    // SAFETY: a signal set is plain bits, and sigemptyset makes it valid before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}

/// Blocks signals and gives a descriptor that tells of them.
pub(crate) fn signal_descriptor(signals: &[libc::c_int]) -> io::Result<OwnedFd> {
    let set = signal_set(signals);
    // SAFETY: the set is valid; the old mask is not asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) })?;
    // SAFETY: the set is valid; -1 asks for a new descriptor.
    let fd = check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
    // SAFETY: just made, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The next signal that came, if any.
pub(crate) fn next_signal(fd: BorrowedFd<'_>) -> Option<libc::c_int> {
    let mut bytes = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(fd, &mut bytes) {
        // The number is the first field.
        Ok(n) if n == bytes.len() => Some(i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        _ => None,
    }
}

/// Back to no blocked and no ignored signals, as a new program expects.
pub(crate) fn reset_signals() -> io::Result<()> {
    for signal in 1..=64 {
        // SAFETY: the default action needs no code of ours. It fails for KILL, STOP and those of the C library, which is fine.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let none = signal_set(&[]);
    // SAFETY: the set is valid.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) }).map(drop)
}
