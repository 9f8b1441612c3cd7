//! Which system calls are allowed, by number of x86-64.
//!
//! The kernel's calls stand here as what is *not* allowed, in groups with their reasons, and every other call up to
//! [`LAST_KNOWN`] is: that is the set of Docker's default profile for a container without extra capabilities, less what
//! Atoll forbids. The list is fixed at that number: calls that later kernels add are not allowed until somebody has
//! looked at them, and answer ENOSYS, as an older kernel would.

/// Last call that this list knows: `file_setattr` is 469 in Linux 6.17; the list was reviewed up to 462.
pub(super) const LAST_KNOWN: i64 = 462;

/// First number of the calls that came after the common renumbering of 2018; 336 to 423 were never given out on
/// x86-64, but for `uretprobe` and `uprobe` (335, 336).
const GAP: std::ops::Range<i64> = 335..424;

/// Calls that are refused with EPERM.
#[rustfmt::skip]
const REFUSED: &[i64] = &[
    // Mounts and roots.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_fsopen, libc::SYS_fsconfig,
    libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_move_mount, libc::SYS_open_tree, libc::SYS_mount_setattr,
    457 /* statmount */, 458 /* listmount */, libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_quotactl, libc::SYS_quotactl_fd,
    libc::SYS_sysfs, libc::SYS_ustat,
    // Namespaces.
    libc::SYS_unshare, libc::SYS_setns,
    // Keys: not divided by namespaces.
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl,
    // Large attack surface, little use: programs in the kernel, profiling, page faults by hand, asynchronous calls that
    // no filter sees.
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_userfaultfd, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Modules, other kernels, the machine.
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module, 174 /* create_module */,
    177 /* get_kernel_syms */, 178 /* query_module */, libc::SYS_kexec_load, libc::SYS_kexec_file_load,
    libc::SYS_reboot, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_syslog, libc::SYS_acct, libc::SYS_vhangup,
    libc::SYS_lookup_dcookie, libc::SYS_nfsservctl, libc::SYS__sysctl, libc::SYS_uselib, libc::SYS_sethostname,
    libc::SYS_setdomainname, libc::SYS_kcmp,
    // Files by handle reach out of any root.
    libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at, libc::SYS_fanotify_init, libc::SYS_fanotify_mark,
    // The clock is the host's.
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex,
    // Memory policy of the host's nodes, secret memory that no memory limit sees swapped or dumped.
    libc::SYS_mbind, libc::SYS_set_mempolicy, libc::SYS_migrate_pages, libc::SYS_move_pages,
    libc::SYS_set_mempolicy_home_node, libc::SYS_memfd_secret,
    // Old or never built.
    libc::SYS_getpmsg, libc::SYS_putpmsg, libc::SYS_afs_syscall, libc::SYS_tuxcall, libc::SYS_security,
    libc::SYS_vserver, libc::SYS_epoll_ctl_old, libc::SYS_epoll_wait_old, libc::SYS_modify_ldt,
    // Descriptors of another process: ptrace's rule allows it among one's own, nothing needs it.
    libc::SYS_pidfd_getfd, libc::SYS_process_madvise, 459 /* lsm_get_self_attr */, 460 /* lsm_set_self_attr */,
    461 /* lsm_list_modules */,
];

/// Calls of the unpacker: files in its root, its two pipes, memory, the end.
#[rustfmt::skip]
const UNPACK: &[i64] = &[
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_write, libc::SYS_writev, libc::SYS_lseek, libc::SYS_close,
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_open, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_fcntl,
    libc::SYS_mkdirat, libc::SYS_symlinkat, libc::SYS_linkat, libc::SYS_unlinkat, libc::SYS_renameat, libc::SYS_renameat2,
    libc::SYS_mknodat, libc::SYS_readlinkat, libc::SYS_getdents64,
    libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_ftruncate,
    libc::SYS_fsetxattr, libc::SYS_lsetxattr, libc::SYS_setxattr, libc::SYS_fsync, libc::SYS_syncfs, libc::SYS_fallocate,
    libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mprotect, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_brk,
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack, libc::SYS_poll,
    libc::SYS_futex, libc::SYS_getrandom, libc::SYS_prlimit64, libc::SYS_sched_getaffinity, libc::SYS_sched_yield,
    libc::SYS_set_robust_list, libc::SYS_set_tid_address, libc::SYS_rseq, libc::SYS_arch_prctl, libc::SYS_readlink,
    libc::SYS_uname, libc::SYS_getpid, libc::SYS_gettid, libc::SYS_tgkill, libc::SYS_clock_gettime, libc::SYS_umask,
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_restart_syscall,
];

/// Whether a number was ever given to a call on x86-64 that this list knows.
pub(super) fn is_known(number: i64) -> bool {
    (0..=LAST_KNOWN).contains(&number) && !GAP.contains(&number)
}

/// Calls that a sandbox may make; some of them with restrictions on their arguments, see `assemble`.
pub(super) fn sandbox() -> Vec<i64> {
    (0..=LAST_KNOWN).filter(|number| is_known(*number) && !REFUSED.contains(number)).collect()
}

/// Calls that the unpacker may make.
pub(super) fn unpack() -> Vec<i64> {
    let mut calls = UNPACK.to_vec();
    calls.sort_unstable();
    calls
}
