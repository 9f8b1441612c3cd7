/* Mounts, roots, and files by handle. */
#include "escape.h"
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/quota.h>

static const char *point(void) {
    mkdir(scratch("point"), 0700);
    return scratch("point");
}

static void mount_type(const char *type) {
    const char *options = !strcmp(type, "overlay") ? "lowerdir=/etc:/tmp" : !strcmp(type, "cgroup") ? "memory" : NULL;
    by_result(mount("none", point(), type, MS_NODEV, options));
}

static void mount_bind(const char *source) { by_result(mount(source, point(), NULL, MS_BIND, NULL)); }
static void mount_propagation(const char *path) { by_result(mount(NULL, path, NULL, MS_SHARED | MS_REC, NULL)); }
static void remount(const char *path) { by_refusal(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL)); }
static void unmount(const char *path) { by_result(umount2(path, MNT_DETACH)); }
static void turn_root(const char *path) { by_refusal(syscall(SYS_pivot_root, path, path)); }

/* The old way out of a root: a folder that stays open while the root is put below it. */
static void change_root(const char *path) {
    int outside = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot(path)) is_blocked(errno);
    if (fchdir(outside) || chdir("..")) is_blocked(errno);
    is_open("its root could be changed");
}

static void new_mount(const char *unused) {
    (void)unused;
    int context = syscall(SYS_fsopen, "tmpfs", 0);
    if (context < 0) is_blocked(errno);
    if (syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0)) is_blocked(errno);
    int made = syscall(SYS_fsmount, context, 0, 0);
    if (made < 0) is_blocked(errno);
    by_result(syscall(SYS_move_mount, made, "", AT_FDCWD, point(), 4 /* MOVE_MOUNT_F_EMPTY_PATH */));
}

static void fs_mount(const char *unused) { (void)unused; by_refusal(syscall(SYS_fsmount, -1, 0, 0)); }
static void fs_pick(const char *path) { by_result(syscall(SYS_fspick, AT_FDCWD, path, 0)); }
static void move(const char *path) { by_refusal(syscall(SYS_move_mount, AT_FDCWD, path, AT_FDCWD, path, 0)); }
static void clone_tree(const char *path) { by_result(syscall(SYS_open_tree, AT_FDCWD, path, 1 /* OPEN_TREE_CLONE */)); }

static void set_attributes(const char *path) {
    struct mount_attr attributes = {.attr_clr = MOUNT_ATTR_RDONLY};
    by_refusal(syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &attributes, sizeof attributes));
}

static void name_handle(const char *path) {
    struct { struct file_handle head; char bytes[MAX_HANDLE_SZ]; } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
    int mount_id;
    by_refusal(name_to_handle_at(AT_FDCWD, path, &handle.head, &mount_id, 0));
}

/* Inode 2 is the root of most disks: this is how "Shocker" read the host's files. */
static void open_handle(const char *path) {
    struct { struct file_handle head; uint32_t words[2]; } handle = {.head = {.handle_bytes = 8, .handle_type = 1}, .words = {2, 0}};
    int file_system = open(path, O_RDONLY | O_DIRECTORY);
    by_refusal(open_by_handle_at(file_system, &handle.head, O_RDONLY));
}

static void swap_on(const char *path) { by_refusal(syscall(SYS_swapon, path, 0)); }
static void swap_off(const char *path) { by_refusal(syscall(SYS_swapoff, path)); }
static void quota(const char *path) { by_refusal(syscall(SYS_quotactl, QCMD(Q_QUOTAON, USRQUOTA), path, 0, "x")); }
static void account(const char *path) { by_refusal(syscall(SYS_acct, path)); }

static void write_host_program(const char *path) {
    const char *paths[] = {path, NULL};
    open_for_writing(paths);
}

static void add_host_program(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
    if (file >= 0) unlink(path);
    by_result(file);
}

#define MOUNTED "it is mounted"
#define LOOKED "the kernel gets as far as the arguments"
#define NOBODY "/atoll-escape/nothing"
const struct attempt mounts[] = {
    {"mount-bind", mount_bind, "/", "mount a folder once more", MOUNTED, "EPERM", ROOT},
    {"mount-tmpfs", mount_type, "tmpfs", "mount memory", MOUNTED, "EPERM", ROOT},
    {"mount-proc", mount_type, "proc", "mount a fresh `/proc`, without masks", MOUNTED, "EPERM", ROOT},
    {"mount-sysfs", mount_type, "sysfs", "mount a fresh `/sys`, writable", MOUNTED, "EPERM", ROOT},
    {"mount-overlay", mount_type, "overlay", "mount an overlay", MOUNTED, "EPERM", ROOT},
    {"mount-cgroup", mount_type, "cgroup", "mount control groups (version 1), for a release agent", MOUNTED, "EPERM", ROOT | LACKING},
    {"mount-cgroup2", mount_type, "cgroup2", "mount control groups (version 2)", MOUNTED, "EPERM", ROOT},
    {"mount-debugfs", mount_type, "debugfs", "mount the kernel's debugging files", MOUNTED, "EPERM", ROOT | LACKING},
    {"mount-binfmt", mount_type, "binfmt_misc", "mount the list of interpreters", MOUNTED, "EPERM", ROOT | LACKING},
    {"mount-devpts", mount_type, "devpts", "mount terminals", MOUNTED, "EPERM", ROOT},
    {"mount-shared", mount_propagation, "/", "make mounts show in other namespaces", "it is done", "EPERM", ROOT},
    {"remount-proc-sys", remount, "/proc/sys", "make `/proc/sys` writable", LOOKED, "EPERM", ROOT},
    {"remount-sys", remount, "/sys", "make `/sys` writable", LOOKED, "EPERM", ROOT},
    {"unmount", unmount, "/proc", "take a mount away that hides something", "it is gone", "EPERM", ROOT},
    {"pivot-root", turn_root, "/", "turn the root", LOOKED, "EPERM", ROOT},
    {"chroot", change_root, "/tmp", "change the root, and step out of it", "it can be changed", "EPERM", ROOT},
    {"fsopen", new_mount, NULL, "mount by fsopen, fsconfig, fsmount, move_mount", MOUNTED, "EPERM", ROOT},
    {"fsmount", fs_mount, NULL, "fsmount of nothing", LOOKED, "EPERM", ROOT},
    {"fspick", fs_pick, "/", "reconfigure a mounted file system", "it can be picked", "EPERM", ROOT},
    {"move-mount", move, "/", "move a mount", LOOKED, "EPERM", ROOT},
    {"open-tree", clone_tree, "/", "clone a tree of mounts", "it is cloned", "EPERM", ROOT},
    {"mount-setattr", set_attributes, "/proc", "clear the read-only mark of a mount", LOOKED, "EPERM", ROOT},
    {"name-to-handle", name_handle, "/tmp", "ask for the handle of a file", LOOKED, "EPERM", 0},
    {"open-by-handle", open_handle, "/", "open the file system's root by handle, as Shocker did", LOOKED, "EPERM", ROOT},
    {"swapon", swap_on, NOBODY, "swap to a file", LOOKED, "EPERM", ROOT},
    {"swapoff", swap_off, NOBODY, "end the host's swapping", LOOKED, "EPERM", ROOT},
    {"quotactl", quota, NOBODY, "turn quotas on", LOOKED, "EPERM", ROOT},
    {"acct", account, NOBODY, "have every process of the host written down", LOOKED, "EPERM", ROOT | LACKING},
    {"host-program-write", write_host_program, "/usr/bin/env", "overwrite a program of the host's", "it opens for writing", "EROFS", ROOT | HOST_IMAGE},
    {"host-program-add", add_host_program, "/usr/bin/atoll-escape", "add a program to the host's", "it is made", "EROFS", ROOT | HOST_IMAGE},
    {NULL},
};
