//! Which system calls are allowed, by number of x86-64.
//!
//! An allow-list: what Docker's default profile gives a container without extra capabilities, less what Atoll forbids.
//! What it leaves out, and why, stands in the test below, so that the two together name every call. Calls that later
//! kernels add are not allowed until somebody has looked at them, and answer ENOSYS, as an older kernel would.

/// Last call that this list knows: `file_setattr` is 469 in Linux 6.17; the list was reviewed up to 462.
pub(super) const LAST_KNOWN: i64 = 462;

/// First number of the calls that came after the common renumbering of 2018; 336 to 423 were never given out on
/// x86-64, but for `uretprobe` and `uprobe` (335, 336).
const GAP: std::ops::Range<i64> = 335..424;

/// Calls that a sandbox may make; some of them with restrictions on their arguments, see `assemble`.
#[rustfmt::skip]
const ALLOWED: &[i64] = &[
    libc::SYS_read, libc::SYS_write, libc::SYS_open, libc::SYS_close, libc::SYS_stat, libc::SYS_fstat,
    libc::SYS_lstat, libc::SYS_poll, libc::SYS_lseek, libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_munmap,
    libc::SYS_brk, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_ioctl,
    libc::SYS_pread64, libc::SYS_pwrite64, libc::SYS_readv, libc::SYS_writev, libc::SYS_access, libc::SYS_pipe,
    libc::SYS_select, libc::SYS_sched_yield, libc::SYS_mremap, libc::SYS_msync, libc::SYS_mincore, libc::SYS_madvise,
    libc::SYS_shmget, libc::SYS_shmat, libc::SYS_shmctl, libc::SYS_dup, libc::SYS_dup2, libc::SYS_pause,
    libc::SYS_nanosleep, libc::SYS_getitimer, libc::SYS_alarm, libc::SYS_setitimer, libc::SYS_getpid,
    libc::SYS_sendfile, libc::SYS_socket, libc::SYS_connect, libc::SYS_accept, libc::SYS_sendto, libc::SYS_recvfrom,
    libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_shutdown, libc::SYS_bind, libc::SYS_listen, libc::SYS_getsockname,
    libc::SYS_getpeername, libc::SYS_socketpair, libc::SYS_setsockopt, libc::SYS_getsockopt, libc::SYS_clone,
    libc::SYS_fork, libc::SYS_vfork, libc::SYS_execve, libc::SYS_exit, libc::SYS_wait4, libc::SYS_kill,
    libc::SYS_uname, libc::SYS_semget, libc::SYS_semop, libc::SYS_semctl, libc::SYS_shmdt, libc::SYS_msgget,
    libc::SYS_msgsnd, libc::SYS_msgrcv, libc::SYS_msgctl, libc::SYS_fcntl, libc::SYS_flock, libc::SYS_fsync,
    libc::SYS_fdatasync, libc::SYS_truncate, libc::SYS_ftruncate, libc::SYS_getdents, libc::SYS_getcwd,
    libc::SYS_chdir, libc::SYS_fchdir, libc::SYS_rename, libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_creat,
    libc::SYS_link, libc::SYS_unlink, libc::SYS_symlink, libc::SYS_readlink, libc::SYS_chmod, libc::SYS_fchmod,
    libc::SYS_chown, libc::SYS_fchown, libc::SYS_lchown, libc::SYS_umask, libc::SYS_gettimeofday, libc::SYS_getrlimit,
    libc::SYS_getrusage, libc::SYS_sysinfo, libc::SYS_times, libc::SYS_ptrace, libc::SYS_getuid, libc::SYS_getgid,
    libc::SYS_setuid, libc::SYS_setgid, libc::SYS_geteuid, libc::SYS_getegid, libc::SYS_setpgid, libc::SYS_getppid,
    libc::SYS_getpgrp, libc::SYS_setsid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_getgroups,
    libc::SYS_setgroups, libc::SYS_setresuid, libc::SYS_getresuid, libc::SYS_setresgid, libc::SYS_getresgid,
    libc::SYS_getpgid, libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_getsid, libc::SYS_capget, libc::SYS_capset,
    libc::SYS_rt_sigpending, libc::SYS_rt_sigtimedwait, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack, libc::SYS_utime, libc::SYS_mknod, libc::SYS_personality, libc::SYS_statfs,
    libc::SYS_fstatfs, libc::SYS_getpriority, libc::SYS_setpriority, libc::SYS_sched_setparam,
    libc::SYS_sched_getparam, libc::SYS_sched_setscheduler, libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max, libc::SYS_sched_get_priority_min, libc::SYS_sched_rr_get_interval,
    libc::SYS_mlock, libc::SYS_munlock, libc::SYS_mlockall, libc::SYS_munlockall, libc::SYS_prctl,
    libc::SYS_arch_prctl, libc::SYS_setrlimit, libc::SYS_sync, libc::SYS_gettid, libc::SYS_readahead,
    libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr, libc::SYS_getxattr, libc::SYS_lgetxattr,
    libc::SYS_fgetxattr, libc::SYS_listxattr, libc::SYS_llistxattr, libc::SYS_flistxattr, libc::SYS_removexattr,
    libc::SYS_lremovexattr, libc::SYS_fremovexattr, libc::SYS_tkill, libc::SYS_time, libc::SYS_futex,
    libc::SYS_sched_setaffinity, libc::SYS_sched_getaffinity, libc::SYS_set_thread_area,
    libc::SYS_io_setup /* ENOSYS, see `assemble` */, libc::SYS_get_thread_area,
    libc::SYS_epoll_create, libc::SYS_remap_file_pages, libc::SYS_getdents64, libc::SYS_set_tid_address,
    libc::SYS_restart_syscall, libc::SYS_semtimedop, libc::SYS_fadvise64, libc::SYS_timer_create,
    libc::SYS_timer_settime, libc::SYS_timer_gettime, libc::SYS_timer_getoverrun, libc::SYS_timer_delete,
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_exit_group,
    libc::SYS_epoll_wait, libc::SYS_epoll_ctl, libc::SYS_tgkill, libc::SYS_utimes, libc::SYS_get_mempolicy,
    libc::SYS_mq_open, libc::SYS_mq_unlink, libc::SYS_mq_timedsend, libc::SYS_mq_timedreceive, libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr, libc::SYS_waitid, libc::SYS_ioprio_set, libc::SYS_ioprio_get, libc::SYS_inotify_init,
    libc::SYS_inotify_add_watch, libc::SYS_inotify_rm_watch, libc::SYS_openat, libc::SYS_mkdirat, libc::SYS_mknodat,
    libc::SYS_fchownat, libc::SYS_futimesat, libc::SYS_newfstatat, libc::SYS_unlinkat, libc::SYS_renameat,
    libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_readlinkat, libc::SYS_fchmodat, libc::SYS_faccessat,
    libc::SYS_pselect6, libc::SYS_ppoll, libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_splice,
    libc::SYS_tee, libc::SYS_sync_file_range, libc::SYS_vmsplice, libc::SYS_utimensat, libc::SYS_epoll_pwait,
    libc::SYS_signalfd, libc::SYS_timerfd_create, libc::SYS_eventfd, libc::SYS_fallocate, libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime, libc::SYS_accept4, libc::SYS_signalfd4, libc::SYS_eventfd2, libc::SYS_epoll_create1,
    libc::SYS_dup3, libc::SYS_pipe2, libc::SYS_inotify_init1, libc::SYS_preadv, libc::SYS_pwritev,
    libc::SYS_rt_tgsigqueueinfo, libc::SYS_recvmmsg, libc::SYS_prlimit64, libc::SYS_syncfs, libc::SYS_sendmmsg,
    libc::SYS_getcpu, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_sched_setattr,
    libc::SYS_sched_getattr, libc::SYS_renameat2, libc::SYS_seccomp, libc::SYS_getrandom, libc::SYS_memfd_create,
    libc::SYS_execveat, libc::SYS_membarrier, libc::SYS_mlock2, libc::SYS_copy_file_range, libc::SYS_preadv2,
    libc::SYS_pwritev2, libc::SYS_pkey_mprotect, libc::SYS_pkey_alloc, libc::SYS_pkey_free, libc::SYS_statx,
    libc::SYS_rseq, libc::SYS_pidfd_send_signal, libc::SYS_pidfd_open, libc::SYS_clone3,
    libc::SYS_close_range, libc::SYS_openat2, libc::SYS_faccessat2, libc::SYS_epoll_pwait2,
    libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self,
    libc::SYS_process_mrelease, libc::SYS_futex_waitv, 451 /* cachestat */, libc::SYS_fchmodat2,
    453 /* map_shadow_stack */, 454 /* futex_wake */, 455 /* futex_wait */, 456 /* futex_requeue */, libc::SYS_mseal,
];

/// Calls of the unpacker, also where it packs: files in its root, its two pipes, memory, the end.
#[rustfmt::skip]
const UNPACK: &[i64] = &[
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_write, libc::SYS_writev, libc::SYS_lseek, libc::SYS_close,
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_open, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_fcntl,
    libc::SYS_mkdirat, libc::SYS_symlinkat, libc::SYS_linkat, libc::SYS_unlinkat, libc::SYS_renameat, libc::SYS_renameat2,
    libc::SYS_mknodat, libc::SYS_readlinkat, libc::SYS_getdents64,
    libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_ftruncate,
    libc::SYS_fsetxattr, libc::SYS_lsetxattr, libc::SYS_setxattr, libc::SYS_fgetxattr, libc::SYS_flistxattr, libc::SYS_fsync, libc::SYS_syncfs, libc::SYS_fallocate,
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

/// Calls that a sandbox may make.
pub(super) fn sandbox() -> Vec<i64> {
    ALLOWED.to_vec()
}

/// Calls that the unpacker may make.
pub(super) fn unpack() -> Vec<i64> {
    let mut calls = UNPACK.to_vec();
    calls.sort_unstable();
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that are known and left out: they answer EPERM.
    #[rustfmt::skip]
    const LEFT_OUT: &[i64] = &[
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
    // Asynchronous I/O of the old kind, whose slots are one count for the whole host.
    libc::SYS_io_destroy, libc::SYS_io_getevents, libc::SYS_io_submit, libc::SYS_io_cancel, 333 /* io_pgetevents */,
    // Old or never built.
    libc::SYS_getpmsg, libc::SYS_putpmsg, libc::SYS_afs_syscall, libc::SYS_tuxcall, libc::SYS_security,
    libc::SYS_vserver, libc::SYS_epoll_ctl_old, libc::SYS_epoll_wait_old, libc::SYS_modify_ldt,
    // Descriptors of another process: ptrace's rule allows it among one's own, nothing needs it.
    libc::SYS_pidfd_getfd, libc::SYS_process_madvise, 459 /* lsm_get_self_attr */, 460 /* lsm_set_self_attr */,
    461 /* lsm_list_modules */,
];

    #[test]
    fn every_known_call_is_allowed_or_left_out_for_a_reason() {
        for call in (0..=LAST_KNOWN).filter(|call| is_known(*call)) {
            assert_ne!(ALLOWED.contains(&call), LEFT_OUT.contains(&call), "call {call}");
        }
    }

    #[test]
    fn the_list_is_in_order_and_names_nothing_twice() {
        assert!(ALLOWED.is_sorted_by(|a, b| a < b));
        assert!(ALLOWED.iter().all(|call| is_known(*call)));
    }
}
