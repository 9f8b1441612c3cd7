/* Files of the kernel's: settings of the whole host, its memory, its devices, its control groups. */
#include "escape.h"
#include <dirent.h>
#include <ftw.h>
#include <sys/sysmacros.h>

/* Paths separated by spaces. */
static void write_to(const char *list) {
    const char *paths[8] = {NULL};
    char *rest = strdup(list);
    for (int i = 0; i < 7 && rest; i++) paths[i] = strsep(&rest, " ");
    open_for_writing(paths);
}

static void read_from(const char *path) {
    char text[8192]; /* the kernel's log gives whole messages only */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) is_blocked(errno);
    ssize_t got = read(file, text, sizeof text);
    if (got < 0) is_blocked(errno);
    if (got == 0) is_unseen("empty");
    is_open("%s can be read", path);
}

static void list_folder(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) is_blocked(errno);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) is_open("%s holds %s", path, entry->d_name);
    is_unseen("empty");
}

static void kernel_addresses(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file) is_blocked(errno);
    char line[300];
    while (fgets(line, sizeof line, file))
        if (strtoull(line, NULL, 16) != 0) is_open("%s", line);
    is_unseen("empty");
}

static void unexpected_devices(const char *path) {
    static const char *const harmless[] = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"};
    DIR *folder = opendir(path);
    if (!folder) is_blocked(errno);
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat status;
        if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW)) continue;
        if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)) continue;
        bool known = false;
        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) known |= !strcmp(harmless[i], entry->d_name);
        if (!known) is_open("%s/%s", path, entry->d_name);
    }
    is_unseen("none");
}

/* Every disk that the kernel names, by its name and by a node of our own. */
static void disks(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file) is_blocked(errno);
    char line[300], name[64], node[100];
    unsigned major_number, minor_number;
    int error = ENOENT;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%u %u %*u %63s", &major_number, &minor_number, name) != 3) continue;
        snprintf(node, sizeof node, "/dev/%s", name);
        if (open(node, O_RDONLY | O_CLOEXEC) >= 0) is_open("%s opens", node);
        if (mknod(scratch(name), S_IFBLK | 0600, makedev(major_number, minor_number)) == 0) {
            int disk = open(scratch(name), O_RDONLY | O_CLOEXEC);
            error = errno;
            unlink(scratch(name));
            if (disk >= 0) is_open("a node for %s opens", name);
        } else if (error == ENOENT) {
            error = errno;
        }
    }
    is_blocked(error);
}

static void make_device(const char *kind) {
    mode_t mode = *kind == 'b' ? S_IFBLK : S_IFCHR;
    long made = mknod(scratch(kind), mode | 0600, makedev(*kind == 'b' ? 254 : 1, *kind == 'b' ? 0 : 1));
    int error = errno;
    unlink(scratch(kind));
    errno = error;
    by_result(made);
}

/* Control groups: files of one name anywhere below. */
static const char *wanted;
static int group_error = ENOENT;

static int visit(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    if (walk->level > 2) return FTW_SKIP_SUBTREE;
    if (type == FTW_D && !strcmp(wanted, "a folder")) {
        char below[4000];
        snprintf(below, sizeof below, "%.3900s/atoll-escape", path);
        if (walk->level > 0 && mkdir(below, 0700) == 0) {
            rmdir(below);
            is_open("%s was made", below);
        }
        if (walk->level > 0) group_error = errno;
    }
    if (type == FTW_F && !strcmp(path + walk->base, wanted)) {
        if (open(path, O_WRONLY | O_CLOEXEC) >= 0) is_open("%s opens for writing", path);
        group_error = errno;
    }
    return FTW_CONTINUE;
}

static void group_file(const char *name) {
    wanted = name;
    nftw("/sys/fs/cgroup", visit, 16, FTW_PHYS | FTW_ACTIONRETVAL);
    is_blocked(group_error);
}

/* More than one file may hold a limit, depending on the version of control groups. */
static void group_limits(const char *unused) {
    (void)unused;
    static const char *const names[] = {"memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wanted = names[i];
        nftw("/sys/fs/cgroup", visit, 16, FTW_PHYS | FTW_ACTIONRETVAL);
    }
    is_blocked(group_error);
}

#define OPENS "it opens for writing"
#define TELLS "it opens and tells anything"
const struct attempt kernel_files[] = {
    {"sysctl-kernel", write_to, "/proc/sys/kernel/panic", "write to `/proc/sys/kernel/panic`", OPENS, "EACCES EROFS", ROOT},
    {"sysctl-vm", write_to, "/proc/sys/vm/drop_caches /proc/sys/vm/overcommit_memory", "write to `/proc/sys/vm`", OPENS, "EACCES EROFS", ROOT},
    {"sysctl-net", write_to, "/proc/sys/net/ipv4/ip_forward", "write to `/proc/sys/net`", OPENS, "EACCES EROFS", ROOT},
    {"core-pattern", write_to, "/proc/sys/kernel/core_pattern", "name a program for core dumps", OPENS, "EACCES EROFS", ROOT},
    {"modprobe-path", write_to, "/proc/sys/kernel/modprobe /proc/sys/kernel/hotplug", "name the program that loads modules", OPENS, "EACCES EROFS ENOENT", ROOT | LACKING},
    {"sysrq-trigger", write_to, "/proc/sysrq-trigger", "write to `/proc/sysrq-trigger`", OPENS, "EACCES EROFS ENOENT", ROOT | LACKING},
    {"proc-irq", write_to, "/proc/irq/default_smp_affinity /proc/irq/0/smp_affinity", "move interrupts, `/proc/irq`", OPENS, "EACCES EROFS", ROOT},
    {"proc-mtrr", write_to, "/proc/mtrr /proc/acpi/wakeup", "write to the processor's memory types", OPENS, "", ROOT | LACKING},
    {"sys-kernel", write_to, "/sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/mm/ksm/run /sys/kernel/profiling", "write to `/sys/kernel`", OPENS, "EACCES EROFS", ROOT},
    {"sys-devices", write_to, "/sys/devices/system/cpu/cpu1/online /sys/devices/virtual/net/lo/mtu", "write to `/sys/devices`", OPENS, "EACCES EROFS", ROOT},
    {"sys-block", write_to, "/sys/block/loop0/queue/read_ahead_kb /sys/block/vda/queue/read_ahead_kb", "write to `/sys/block`", OPENS, "", ROOT | LACKING},
    {"uevent-helper", write_to, "/sys/kernel/uevent_helper", "name a program for new devices", OPENS, "", ROOT | LACKING},
    {"sys-firmware", list_folder, "/sys/firmware", "list `/sys/firmware`", "anything is there", "", 0},
    {"sys-debug", list_folder, "/sys/kernel/debug", "list the kernel's debugging files", "anything is there", "", LACKING},
    {"sys-tracing", list_folder, "/sys/kernel/tracing", "list the kernel's tracing files", "anything is there", "", LACKING},
    {"proc-kcore", read_from, "/proc/kcore", "read the kernel's memory, `/proc/kcore`", TELLS, "", LACKING},
    {"proc-kallsyms", kernel_addresses, "/proc/kallsyms", "read addresses in the kernel", "one is not zero", "", ROOT},
    {"proc-modules", kernel_addresses, "/proc/modules", "read addresses of modules", "one is not zero", "", ROOT | LACKING},
    {"proc-keys", read_from, "/proc/keys", "read the host's keys", TELLS, "", LACKING},
    {"proc-key-users", read_from, "/proc/key-users", "read who has keys on the host", TELLS, "", 0},
    {"proc-timer-list", read_from, "/proc/timer_list", "read the host's timers", TELLS, "", ROOT},
    {"proc-sched-debug", read_from, "/proc/sched_debug", "read the host's run queues", TELLS, "", LACKING},
    {"proc-interrupts", read_from, "/proc/interrupts", "read the host's interrupts", TELLS, "", 0},
    {"proc-vmallocinfo", kernel_addresses, "/proc/vmallocinfo", "read where the kernel's memory is", TELLS, "", ROOT},
    {"proc-pagetypeinfo", read_from, "/proc/pagetypeinfo", "read how the host's memory is cut", TELLS, "", ROOT | LACKING},
    {"dev-mem", read_from, "/dev/mem", "open `/dev/mem`", TELLS, "ENOENT", LACKING},
    {"dev-kmsg-read", read_from, "/dev/kmsg", "read the kernel's log", TELLS, "ENOENT", ROOT},
    {"dev-kmsg-write", write_to, "/dev/kmsg", "write to the kernel's log", OPENS, "ENOENT", ROOT},
    {"dev-kvm", write_to, "/dev/kvm /dev/fuse /dev/net/tun /dev/loop-control /dev/vhost-vsock", "open devices that make machines, file systems, networks", OPENS, "ENOENT", 0},
    {"dev-contents", unexpected_devices, "/dev", "look for devices", "one that is not among the harmless eight", "", 0},
    {"disks", disks, "/proc/partitions", "open each disk of the host, by name and by a node of one's own", "one opens", "EPERM", ROOT},
    {"mknod-block", make_device, "b", "make a node of a disk", "it is made", "EPERM", ROOT},
    {"mknod-memory", make_device, "c", "make a node of the host's memory", "it is made", "EPERM", ROOT},
    {"cgroup-release-agent", group_file, "release_agent", "name the program that runs when a control group empties (version 1)", OPENS, "", ROOT | LACKING},
    {"cgroup-notify", group_file, "notify_on_release", "ask for that program to be run", OPENS, "", ROOT | LACKING},
    {"cgroup-devices", group_file, "devices.allow", "allow itself devices", OPENS, "", ROOT | LACKING},
    {"cgroup-limits", group_limits, NULL, "raise its limits of memory, processes, CPU", "a limit opens for writing", "EACCES EROFS", ROOT},
    {"cgroup-move", group_file, "cgroup.procs", "move itself to another control group", OPENS, "EACCES EROFS", ROOT},
    {"cgroup-make", group_file, "a folder", "make a control group", "it is made", "EROFS", ROOT},
    {NULL},
};
