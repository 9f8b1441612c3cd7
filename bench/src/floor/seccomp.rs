//! A filter of the launcher's size and shape: what is not listed is refused.

use std::collections::BTreeMap;

use anyhow::Context;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

pub(super) type Filter = BpfProgram;

/// Highest number of a system call that is allowed at all (`rseq`), and the newer ones that are.
const LAST_OLD: i64 = 334;
const NEWER: std::ops::RangeInclusive<i64> = 424..=441;

/// Never allowed: mounting, modules, keys, tracing, clocks, other namespaces.
const DENIED: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_syslog,
    libc::SYS_personality,
    libc::SYS_pivot_root,
    libc::SYS_adjtimex,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_quotactl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_perf_event_open,
    libc::SYS_open_by_handle_at,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_clone3,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
];

/// Compiled once: a launcher would do no less.
pub(super) fn program() -> anyhow::Result<Filter> {
    let allowed: BTreeMap<_, _> = (0..=LAST_OLD)
        .chain(NEWER)
        .filter(|call| !DENIED.contains(call))
        .map(|call| (call, Vec::new()))
        .collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).context("no filter for this architecture")?;
    let denied = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter =
        SeccompFilter::new(allowed, denied, SeccompAction::Allow, arch).context("building the filter")?;
    BpfProgram::try_from(filter).context("compiling the filter")
}
