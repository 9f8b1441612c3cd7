/* What whoever runs inside has, and might win. */
#include "escape.h"
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/xattr.h>

/* Of capabilities beyond these, none may be left. */
static const unsigned long long standard = 1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_FSETID
    | 1ULL << CAP_KILL | 1ULL << CAP_SETGID | 1ULL << CAP_SETUID | 1ULL << CAP_NET_BIND_SERVICE;

static unsigned long long status(const char *name, int base) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[300];
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name))) return strtoull(line + strlen(name) + 1, NULL, base);
    is_broken("no %s", name);
}

static void capability_set(const char *name) {
    unsigned long long more = status(name, 16) & ~standard;
    if (more) is_open("%llx", more);
    is_unseen("none");
}

static void gain_capabilities(const char *unused) {
    (void)unused;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    unsigned wanted = 1u << CAP_SYS_ADMIN;
    struct __user_cap_data_struct sets[2] = {{wanted, wanted, 0}, {0, 0, 0}};
    by_result(syscall(SYS_capset, &head, sets));
}

static void secure_bits(const char *unused) { (void)unused; by_result(prctl(PR_SET_SECUREBITS, 0x10, 0, 0, 0)); }

static void new_privileges(const char *unused) {
    (void)unused;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) is_open("set-uid files give rights");
    is_unseen("set");
}

static void filter_is_on(const char *unused) {
    (void)unused;
    if (status("Seccomp", 10) != 2) is_open("no filter of system calls");
    is_unseen("on");
}

static void host_root(const char *unused) {
    (void)unused;
    unsigned long inside, outside = 0, count;
    FILE *file = fopen("/proc/self/uid_map", "re");
    if (!file || fscanf(file, "%lu %lu %lu", &inside, &outside, &count) != 3) is_broken("no map of users");
    if (outside == 0) is_open("root inside is root of the host");
    is_unseen("another");
}

static void real_time(const char *unused) {
    (void)unused;
    struct sched_param parameters = {.sched_priority = 1};
    by_result(sched_setscheduler(0, SCHED_FIFO, &parameters));
}

static void priority(const char *unused) { (void)unused; by_result(setpriority(PRIO_PROCESS, 0, -20)); }
static void disk_priority(const char *unused) { (void)unused; by_result(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_RT << 13)); }

static void immortal(const char *value) {
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score < 0) is_blocked(errno);
    by_result(write(score, value, strlen(value)));
}

static void raise_limit(const char *unused) {
    (void)unused;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_max++;
    by_result(setrlimit(RLIMIT_NOFILE, &limit));
}

static void mark_file(const char *name) {
    /* Effective, revision 2, CAP_SYS_ADMIN. */
    unsigned capability[5] = {0x02000001, 1u << CAP_SYS_ADMIN, 0, 0, 0};
    int file = open(scratch("marked"), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    if (file < 0) is_broken("no file: %m");
    int result = fsetxattr(file, name, capability, sizeof capability, 0), error = errno;
    unlink(scratch("marked"));
    errno = error;
    by_result(result);
}

/* A copy of this program that belongs to root and says so. */
int plant(const char *path) {
    char buffer[1 << 16];
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    for (ssize_t got; (got = read(from, buffer, sizeof buffer)) > 0;)
        if (write(to, buffer, got) != got) return 1;
    int failed = from < 0 || to < 0 || fchown(to, 0, 0) || fchmod(to, 04755);
    close(from);
    close(to); /* what is open for writing cannot be run */
    return failed;
}

/* Runs a file as a user who could not have reached it by name. */
int surrender(const char *path) {
    char *words[] = {"escape", "id", NULL}, *none[] = {NULL};
    int file = open(path, O_PATH | O_CLOEXEC);
    if (file < 0 || setgid(1000) || setuid(1000)) return 1;
    execveat(file, "", words, none, AT_EMPTY_PATH);
    perror(path);
    return 1;
}

static void run_planted(const char *unused) {
    (void)unused;
    const char *path = scratch("planted");
    int ends[2];
    char said[10] = "";
    if (plant(path) || pipe(ends)) is_broken("nothing was planted: %m");
    pid_t child = fork();
    if (!child) {
        dup2(ends[1], 1);
        if (setgid(1000) || setuid(1000)) _exit(3);
        execl(path, path, "id", NULL);
        _exit(4);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], said, sizeof said - 1);
    waitpid(child, NULL, 0);
    unlink(path);
    if (got <= 0) is_broken("it did not run");
    if (!strcmp(said, "0\n")) is_open("a user became root");
    is_unseen("a user stays one");
}

const struct attempt rights[] = {
    {"capabilities-bounding", capability_set, "CapBnd:", "count the capabilities that may be won", "one beyond Atoll's eight", "", 0},
    {"capabilities-permitted", capability_set, "CapPrm:", "count the capabilities that it has", "one beyond Atoll's eight", "", ROOT},
    {"capabilities-gain", gain_capabilities, NULL, "take CAP_SYS_ADMIN", "it has it", "EPERM", ROOT},
    {"secure-bits", secure_bits, NULL, "keep capabilities when changing users", "it may", "EPERM", ROOT},
    {"no-new-privs", new_privileges, NULL, "look whether a program can give rights", "it can", "", 0},
    {"seccomp-mode", filter_is_on, NULL, "look for the filter of system calls", "there is none", "", 0},
    {"hosts-root", host_root, NULL, "look who root inside is on the host", "root", "", 0},
    {"real-time", real_time, NULL, "take a processor before everybody else", "it may", "EPERM", ROOT},
    {"nice", priority, NULL, "go before others", "it may", "EACCES", ROOT},
    {"ioprio", disk_priority, NULL, "go before others at the disk", "it may", "EPERM", ROOT},
    {"oom-immune", immortal, "-1000", "never be killed for memory", "it is written", "EACCES", ROOT | LACKING},
    {"raise-limit", raise_limit, NULL, "have more files open than its limit", "it is raised", "EPERM", ROOT | LACKING},
    {"file-capability", mark_file, "security.capability", "give a file rights", "it is marked", "EPERM", ROOT},
    {"trusted-attribute", mark_file, "trusted.overlay.opaque", "set attributes that only the host's root may", "it is set", "EPERM", ROOT},
    {"set-uid", run_planted, NULL, "become root by a set-uid file", "a user becomes root", "", ROOT},
    {NULL},
};
