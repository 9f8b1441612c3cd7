/* System calls that change the machine, reach beyond namespaces, or have been ways into the kernel. */
#include "escape.h"
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/keyctl.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/timex.h>

static const struct { const char *name; int flag; } spaces[] = {
    {"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET}, {"ipc", CLONE_NEWIPC},
    {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80},
};

static int flag_of(const char *name) {
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
        if (!strcmp(spaces[i].name, name)) return spaces[i].flag;
    is_broken("no namespace %s", name);
}

static void unshare_one(const char *name) { by_result(unshare(flag_of(name))); }

static void enter_own(const char *name) {
    char path[60];
    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0) is_blocked(errno);
    by_result(setns(space, 0));
}

/* Each new namespace by the old call, and all of them at once. */
static void clone_into(const char *unused) {
    (void)unused;
    int error = EPERM;
    for (size_t i = 0; i + 1 < sizeof spaces / sizeof *spaces; i++) {
        long child = syscall(SYS_clone, spaces[i].flag | SIGCHLD, NULL, NULL, NULL, NULL);
        if (child == 0) _exit(0);
        if (child > 0) is_open("a new %s namespace", spaces[i].name);
        error = errno;
    }
    is_blocked(error);
}

static void clone3_into(const char *unused) {
    (void)unused;
    struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls; } how = {.flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &how, sizeof how);
    if (child == 0) _exit(0);
    by_result(child);
}

static void join_keyring(const char *unused) { (void)unused; by_result(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1)); }
static void add_key(const char *name) { by_result(syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_PROCESS_KEYRING)); }
static void request_key(const char *name) { by_refusal(syscall(SYS_request_key, "user", name, NULL, 0)); }

static void bpf_map(const char *unused) {
    (void)unused;
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
    by_result(syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
}

static void bpf_program(const char *unused) {
    (void)unused;
    struct bpf_insn code[] = {{.code = 0xb7}, {.code = 0x95}}; /* r0 = 0; exit */
    union bpf_attr program = {.prog_type = BPF_PROG_TYPE_KPROBE, .insns = (uintptr_t)code, .insn_cnt = 2, .license = (uintptr_t) "GPL"};
    by_result(syscall(SYS_bpf, BPF_PROG_LOAD, &program, sizeof program));
}

static void perf_event(const char *whose) {
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK, .disabled = 1};
    event.exclude_kernel = event.exclude_hv = !strcmp(whose, "own");
    by_result(syscall(SYS_perf_event_open, &event, !strcmp(whose, "own") ? 0 : -1, !strcmp(whose, "own") ? -1 : 0, -1, 0));
}

static void fault_by_hand(const char *unused) { (void)unused; by_result(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* user mode only */)); }

static void ring(const char *unused) {
    (void)unused;
    char parameters[120] = {0};
    by_result(syscall(SYS_io_uring_setup, 4, parameters));
}

static void load_module(const char *how) {
    if (!strcmp(how, "memory")) by_refusal(syscall(SYS_init_module, "", 0, ""));
    by_refusal(syscall(SYS_finit_module, -1, "", 0));
}

static void remove_module(const char *name) { by_refusal(syscall(SYS_delete_module, name, O_NONBLOCK)); }
/* Far more parts than there may be, and flags that mean nothing. */
static void next_kernel(const char *unused) { (void)unused; by_refusal(syscall(SYS_kexec_load, 0, 1UL << 20, NULL, ~0UL)); }
static void next_kernel_file(const char *unused) { (void)unused; by_refusal(syscall(SYS_kexec_file_load, -1, -1, 0, NULL, ~0UL)); }
/* Without the numbers that make it one. */
static void restart(const char *unused) { (void)unused; by_refusal(syscall(SYS_reboot, 0, 0, 0, NULL)); }

static void kernel_log(const char *unused) {
    (void)unused;
    char text[100];
    by_result(syscall(SYS_syslog, 3 /* read all */, text, sizeof text));
}

/* Sets nothing, but asks whether it might. */
static void set_time_of_day(const char *unused) { (void)unused; by_result(syscall(SYS_settimeofday, NULL, NULL)); }

static void set_clock(const char *unused) {
    (void)unused;
    struct timespec impossible = {.tv_nsec = -1};
    by_refusal(syscall(SYS_clock_settime, CLOCK_REALTIME, &impossible));
}

static void adjust_clock(const char *how) {
    struct timex impossible = {.modes = ADJ_TICK, .tick = 1};
    if (!strcmp(how, "clock")) by_refusal(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &impossible));
    by_refusal(syscall(SYS_adjtimex, &impossible));
}

static void host_name(const char *which) {
    if (!strcmp(which, "domain")) by_result(setdomainname("escape", 6));
    by_result(sethostname("escape", 6));
}

static void ports(const char *how) {
    if (!strcmp(how, "all")) by_result(syscall(SYS_iopl, 3));
    by_result(syscall(SYS_ioperm, 0x80, 1, 1));
}

static void hang_up(const char *unused) {
    (void)unused;
    by_result(syscall(SYS_vhangup));
}

static void executable_data(const char *unused) { (void)unused; by_result(personality(READ_IMPLIES_EXEC)); }

static void local_descriptors(const char *unused) {
    (void)unused;
    char table[16];
    by_result(syscall(SYS_modify_ldt, 0, table, sizeof table));
}

/* The 32-bit calls have other numbers, which a filter of 64-bit numbers does not know. 20 is getpid there. */
static void old_architecture(const char *unused) {
    (void)unused;
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    if (result < 0) is_blocked((int)-result);
    is_open("getpid said %ld", result);
}

static void third_architecture(const char *unused) { (void)unused; by_result(syscall(0x40000000L | SYS_getpid)); }

static void memory_policy(const char *unused) { (void)unused; by_result(syscall(SYS_set_mempolicy, 0, NULL, 0)); }
static void watch_all(const char *unused) { (void)unused; by_result(syscall(SYS_fanotify_init, 0x4 /* FAN_CLASS_CONTENT */, O_RDONLY)); }

/* Types into its own terminal, as if its user had: with the terminal of whoever started us that is a way out. */
static void type(const char *unused) {
    (void)unused;
    int terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlocked = 0;
    if (terminal < 0 || ioctl(terminal, TIOCSPTLCK, &unlocked)) is_broken("no terminal: %m");
    int other = ioctl(terminal, TIOCGPTPEER, O_RDWR);
    if (other < 0 || ioctl(other, TIOCSCTTY, 0)) is_broken("no terminal of its own: %m");
    by_result(ioctl(other, TIOCSTI, "x"));
}

/* A filter of one's own that allows everything, or asks a friend who does, takes nothing back. */
static int add_filter(struct sock_filter *code, unsigned short count, unsigned flags) {
    struct sock_fprog program = {.len = count, .filter = code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void allow_itself(const char *unused) {
    (void)unused;
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    if (add_filter(code, 1, 0)) is_blocked(errno);
    by_result(unshare(CLONE_NEWUTS));
}

static void ask_a_friend(const char *unused) {
    (void)unused;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    int listener = add_filter(code, 4, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (listener < 0) is_blocked(errno);
    pid_t friend = fork();
    if (!friend) {
        struct seccomp_notif asked = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked)) _exit(1);
        struct seccomp_notif_resp answer = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        _exit(0);
    }
    by_result(unshare(CLONE_NEWUTS));
}

static void rule_itself(const char *path) {
    struct landlock_ruleset_attr rules = {.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE};
    int set = syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (set < 0) is_blocked(errno);
    struct landlock_path_beneath_attr beneath = {.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE, .parent_fd = open("/", O_PATH)};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) || syscall(SYS_landlock_restrict_self, set, 0)) is_blocked(errno);
    by_result(open(path, O_WRONLY | O_CLOEXEC));
}

#define MADE "it is made"
#define LOOKED "the kernel gets as far as the arguments"
const struct attempt kernel_calls[] = {
    {"unshare-user", unshare_one, "user", "a new user namespace", MADE, "EPERM", 0},
    {"unshare-mnt", unshare_one, "mnt", "a new mount namespace", MADE, "EPERM", ROOT},
    {"unshare-pid", unshare_one, "pid", "a new PID namespace", MADE, "EPERM", ROOT},
    {"unshare-net", unshare_one, "net", "a new network namespace", MADE, "EPERM", ROOT},
    {"unshare-ipc", unshare_one, "ipc", "a new IPC namespace", MADE, "EPERM", ROOT},
    {"unshare-uts", unshare_one, "uts", "a new UTS namespace", MADE, "EPERM", ROOT},
    {"unshare-cgroup", unshare_one, "cgroup", "a new cgroup namespace", MADE, "EPERM", ROOT},
    {"unshare-time", unshare_one, "time", "a new time namespace", MADE, "EPERM", ROOT | LACKING},
    {"setns-net", enter_own, "net", "enter a network namespace", "it is entered", "EPERM", ROOT},
    {"setns-mnt", enter_own, "mnt", "enter a mount namespace", "it is entered", "EPERM", ROOT},
    {"clone-namespaces", clone_into, NULL, "a child in new namespaces, `clone`", "one is made", "EPERM", 0},
    {"clone3-namespaces", clone3_into, NULL, "a child in new namespaces, `clone3`, whose flags no filter sees", MADE, "ENOSYS", 0},
    {"keyctl", join_keyring, NULL, "find a ring of keys", "it is found", "EPERM", 0},
    {"add-key", add_key, "atoll-escape", "keep a key in the kernel", "it is kept", "EPERM", 0},
    {"request-key", request_key, "atoll-escape", "ask for a key, which runs a program on the host", LOOKED, "EPERM", 0},
    {"bpf-map", bpf_map, NULL, "memory for programs in the kernel", MADE, "EPERM", ROOT},
    {"bpf-program", bpf_program, NULL, "a program in the kernel", "it is loaded", "EPERM", ROOT | LACKING},
    {"perf-own", perf_event, "own", "measure its own process, `perf_event_open`", MADE, "EPERM", 0},
    {"perf-host", perf_event, "host", "measure a processor of the host", MADE, "EPERM", ROOT},
    {"userfaultfd", fault_by_hand, NULL, "answer page faults by hand", MADE, "EPERM", LACKING},
    {"io-uring", ring, NULL, "calls that no filter sees, `io_uring_setup`", MADE, "EPERM", 0},
    {"init-module", load_module, "memory", "load a module from memory", LOOKED, "EPERM", ROOT | LACKING},
    {"finit-module", load_module, "file", "load a module from a file", LOOKED, "EPERM", ROOT | LACKING},
    {"delete-module", remove_module, "atoll-escape", "remove a module", LOOKED, "EPERM", ROOT | LACKING},
    {"kexec-load", next_kernel, NULL, "load another kernel", LOOKED, "EPERM", ROOT | LACKING},
    {"kexec-file-load", next_kernel_file, NULL, "load another kernel from a file", LOOKED, "EPERM", ROOT | LACKING},
    {"reboot", restart, NULL, "restart the machine", LOOKED, "EPERM", ROOT},
    {"syslog", kernel_log, NULL, "read the kernel's log, `syslog`", "it is read", "EPERM", ROOT},
    {"settimeofday", set_time_of_day, NULL, "set the host's clock, `settimeofday`", "it may", "EPERM", ROOT},
    {"clock-settime", set_clock, NULL, "set the host's clock, `clock_settime`", LOOKED, "EPERM", ROOT},
    {"adjtimex", adjust_clock, "all", "bend the host's clock, `adjtimex`", LOOKED, "EPERM", ROOT},
    {"clock-adjtime", adjust_clock, "clock", "bend the host's clock, `clock_adjtime`", LOOKED, "EPERM", ROOT},
    {"sethostname", host_name, "host", "change the host's name", "it is changed", "EPERM", ROOT},
    {"setdomainname", host_name, "domain", "change the host's domain", "it is changed", "EPERM", ROOT},
    {"iopl", ports, "all", "use every port of the machine", "it may", "EPERM", ROOT | LACKING},
    {"ioperm", ports, "one", "use one port of the machine", "it may", "EPERM", ROOT | LACKING},
    {"vhangup", hang_up, NULL, "hang up a terminal", "it is done", "EPERM", ROOT},
    {"personality", executable_data, NULL, "make all data executable", "it is done", "EPERM", 0},
    {"modify-ldt", local_descriptors, NULL, "segments of its own, `modify_ldt`", "the table is read", "EPERM", 0},
    {"int-0x80", old_architecture, NULL, "32-bit calls, `int 0x80`", "one is answered", "SIGSYS", LACKING},
    {"x32", third_architecture, NULL, "x32 calls", "one is answered", "ENOSYS", LACKING},
    {"set-mempolicy", memory_policy, NULL, "choose the host's memory nodes", "it is done", "EPERM", LACKING},
    {"fanotify", watch_all, NULL, "watch and stop every opening of files", MADE, "EPERM", ROOT},
    {"tiocsti", type, NULL, "type into a terminal", "it is typed", "EPERM", 0},
    {"seccomp-allow", allow_itself, NULL, "a filter of its own that allows what Atoll's does not", "then it works", "EPERM", ROOT},
    {"seccomp-notify", ask_a_friend, NULL, "a filter of its own that asks a friend", "then it works", "EPERM", ROOT},
    {"landlock-allow", rule_itself, "/proc/sys/kernel/panic", "rules of its own that allow `/proc/sys`", "then it opens", "EACCES EROFS", ROOT},
    {NULL},
};
