//! What the new process does to become a command in a sandbox.

use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind,
    mount_change, mount_remount, move_mount, open_tree, unmount,
};
use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, setrlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::cgroup::Group;
use super::storage::{Layer, Pool};
use super::{link, seccomp, sys};

/// What the sandbox is made of.
pub(super) struct Plan<'a> {
    pub(super) name: &'a str,
    pub(super) uid_base: u32,
    pub(super) group: &'a Group,
    pub(super) layer: &'a Layer,
    pub(super) pool: &'a Pool,
    pub(super) user_namespace: &'a OwnedFd,
    pub(super) filter: &'a seccomp::Filter,
}

/// Given back inside the user namespace: the set of Atoll's default.
const CAPABILITIES: [CapabilitySet; 8] = [
    CapabilitySet::CHOWN,
    CapabilitySet::DAC_OVERRIDE,
    CapabilitySet::FOWNER,
    CapabilitySet::FSETID,
    CapabilitySet::KILL,
    CapabilitySet::SETGID,
    CapabilitySet::SETUID,
    CapabilitySet::NET_BIND_SERVICE,
];

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const MASKED_FILES: [&str; 3] = ["proc/kcore", "proc/keys", "proc/timer_list"];
const MASKED_FOLDERS: [&str; 3] = ["proc/acpi", "proc/scsi", "sys/firmware"];
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];
/// Open files of a sandbox's process.
const FILES_MAX: u64 = 65_536;

impl Plan<'_> {
    /// Never comes back: the process is the command, or ends with a sentence about why not.
    pub(super) fn become_command(
        &self,
        network: Option<(u32, &PipeReader)>,
        input: PipeReader,
        output: PipeWriter,
    ) -> ! {
        let failed = match self.enter(network) {
            // `cat` says what it is told and waits for more: a command with output, that stays.
            Ok(()) => Command::new("/bin/cat")
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .stdin(input)
                .stdout(output)
                .exec()
                .into(),
            Err(error) => error,
        };
        eprintln!("floor: {}: {failed:#}", self.name);
        std::process::exit(1)
    }

    fn enter(&self, network: Option<(u32, &PipeReader)>) -> anyhow::Result<()> {
        self.group.enter()?;
        rustix::process::setsid().context("setsid")?;
        let root = self.pool.root().join("root");
        self.mount_root(&root)?;
        rustix::process::chdir(&root).context("chdir")?;
        mount_system()?;
        rustix::process::pivot_root(".", ".").context("pivot_root")?;
        unmount(".", UnmountFlags::DETACH).context("leaving the old root")?;
        rustix::process::chdir("/").context("chdir /")?;
        rustix::system::sethostname(self.name.as_bytes()).context("sethostname")?;
        sys::loopback_up()?;
        if let Some((slot, mut linked)) = network {
            linked.read_exact(&mut [0]).context("waiting for the link")?;
            link::configure(slot)?;
        }
        set_limits()?;
        self.drop_privileges()
    }

    fn mount_root(&self, root: &Path) -> anyhow::Result<()> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .context("private mounts")?;
        let (lower, upper) = (self.pool.root().join("lower"), self.pool.root().join("upper"));
        self.mount_mapped(&self.pool.root().join("skeleton"), &lower, libc::MOUNT_ATTR_RDONLY)?;
        self.mount_mapped(&self.layer.folder, &upper, 0)?;
        let options = format!(
            "lowerdir={},upperdir={},workdir={},volatile",
            lower.display(),
            upper.join("upper").display(),
            upper.join("work").display()
        );
        let options = std::ffi::CString::new(options).context("a path with NUL")?;
        // The mounter needs an id that the layers' mapping knows, else the overlay silently becomes read-only.
        rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)
            .context("securebits")?;
        sys::set_fs_ids(self.uid_base);
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("overlay", root, "overlay", flags, Some(options.as_c_str())).context("overlay")?;
        sys::set_fs_ids(0);
        rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::empty())
            .context("securebits")?;
        let state = rustix::fs::statvfs(root).context("statvfs")?;
        ensure!(!state.f_flag.contains(StatVfsMountFlags::RDONLY), "the overlay is read-only");
        let read_only = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        self.mount_mapped(Path::new("/usr"), &root.join("usr"), read_only)
    }

    /// Binds a folder with its ids mapped into the sandbox's range.
    fn mount_mapped(&self, from: &Path, to: &Path, bits: u64) -> anyhow::Result<()> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, from, flags).with_context(|| format!("open_tree {}", from.display()))?;
        sys::mount_setattr(tree.as_fd(), bits, Some(self.user_namespace.as_fd()))
            .with_context(|| format!("mapping the ids of {}", from.display()))?;
        move_mount(&tree, "", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .with_context(|| format!("move_mount {}", to.display()))
    }

    fn drop_privileges(&self) -> anyhow::Result<()> {
        let user = Some(rustix::thread::LinkNameSpaceType::User);
        rustix::thread::move_into_link_name_space(self.user_namespace.as_fd(), user).context("setns")?;
        rustix::thread::set_thread_groups(&[]).context("setgroups")?;
        rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).context("setresgid")?;
        rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).context("setresuid")?;
        let kept = CAPABILITIES.into_iter().fold(CapabilitySet::empty(), |all, one| all | one);
        for capability in CapabilitySet::all().difference(kept).iter() {
            // A capability that this kernel does not know cannot be held either.
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
        rustix::thread::set_capabilities(None, sets).context("capset")?;
        rustix::thread::set_no_new_privs(true).context("no_new_privs")?;
        seccompiler::apply_filter(self.filter).context("seccomp")
    }
}

fn set_limits() -> anyhow::Result<()> {
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    // Without CAP_SYS_RESOURCE, as in some containers, the host's own limit is the most that can be had.
    let most = getrlimit(Resource::Nofile).maximum.map_or(FILES_MAX, |most| most.min(FILES_MAX));
    setrlimit(Resource::Nofile, both(most)).context("limit of open files")?;
    setrlimit(Resource::Core, both(0)).context("limit of core dumps")
}

/// `/proc`, `/sys`, `/dev` and `/tmp`, relative to the new root, which is the current folder.
fn mount_system() -> anyhow::Result<()> {
    let strict = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "proc", "proc", strict, None).context("proc")?;
    mount("sysfs", "sys", "sysfs", strict | MountFlags::RDONLY, None).context("sys")?;
    mount("tmpfs", "tmp", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=1777,size=64m"))
        .context("tmp")?;
    mount("tmpfs", "dev", "tmpfs", MountFlags::NOSUID, Some(c"mode=755,size=64k")).context("dev")?;
    for device in DEVICES {
        let point = format!("dev/{device}");
        rustix::fs::open(
            &*point,
            OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o666),
        )
        .with_context(|| point.clone())?;
        mount_bind(format!("/dev/{device}"), &*point).with_context(|| point.clone())?;
    }
    for folder in ["dev/shm", "dev/pts"] {
        rustix::fs::mkdir(folder, Mode::from_raw_mode(0o755)).context(folder)?;
    }
    mount("tmpfs", "dev/shm", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=1777,size=64m"))
        .context("dev/shm")?;
    let pts = c"newinstance,ptmxmode=0666,mode=0620";
    mount("devpts", "dev/pts", "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, Some(pts))
        .context("dev/pts")?;
    rustix::fs::symlink("pts/ptmx", "dev/ptmx").context("dev/ptmx")?;
    mask(strict)
}

fn mask(strict: MountFlags) -> anyhow::Result<()> {
    let present = |path: &&&str| Path::new(path).exists();
    for file in MASKED_FILES.iter().filter(present) {
        mount_bind("/dev/null", *file).context(*file)?;
    }
    for folder in MASKED_FOLDERS.iter().filter(present) {
        mount("tmpfs", *folder, "tmpfs", strict | MountFlags::RDONLY, Some(c"size=0")).context(*folder)?;
    }
    for path in READ_ONLY.iter().filter(present) {
        mount_bind(*path, *path).context(*path)?;
        mount_remount(*path, MountFlags::BIND | MountFlags::RDONLY | strict, "").context(*path)?;
    }
    Ok(())
}
