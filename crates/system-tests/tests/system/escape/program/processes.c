/* The agent, which is the first process of a sandbox, and whoever else does not belong to the one who tries. */
#include "escape.h"
#include <dirent.h>
#include <linux/kcmp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

static const char *of_target(const char *name) {
    static char path[100];
    snprintf(path, sizeof path, "/proc/%d/%s", target(), name);
    return path;
}

static void read_of(const char *name) {
    char byte;
    int file = open(of_target(name), O_RDONLY | O_CLOEXEC);
    if (file < 0) is_blocked(errno);
    ssize_t got = read(file, &byte, 1);
    if (got > 0) is_open("%s can be read", of_target(name));
    if (got < 0) is_blocked(errno);
    is_unseen("empty");
}

static void open_of(const char *name) { by_result(open(of_target(name), O_RDONLY | O_CLOEXEC)); }
static void open_for_change(const char *name) { by_result(open(of_target(name), O_WRONLY | O_CLOEXEC)); }
static void read_link_of(const char *name) {
    char text[100];
    by_result(readlink(of_target(name), text, sizeof text));
}

static void list_of(const char *name) {
    DIR *folder = opendir(of_target(name));
    if (!folder) is_blocked(errno);
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(folder)))
        if (*entry->d_name != '.') is_open("%s holds %s", of_target(name), entry->d_name);
    if (errno) is_blocked(errno);
    is_unseen("empty");
}

/* Its descriptors by their numbers, whatever a listing says. */
static void descriptors(const char *unused) {
    (void)unused;
    char name[20];
    int error = ENOENT;
    for (int number = 0; number < 32; number++) {
        snprintf(name, sizeof name, "fd/%d", number);
        if (open(of_target(name), O_PATH | O_CLOEXEC) >= 0) is_open("descriptor %d", number);
        if (errno != ENOENT) error = errno;
    }
    is_blocked(error);
}

static void copy_descriptors(const char *unused) {
    (void)unused;
    int process = syscall(SYS_pidfd_open, target(), 0), error = EBADF;
    if (process < 0) is_blocked(errno);
    for (int number = 0; number < 32; number++) {
        if (syscall(SYS_pidfd_getfd, process, number, 0) >= 0) is_open("descriptor %d", number);
        if (errno != EBADF) error = errno;
    }
    is_blocked(error);
}

/* Overwrites the program of a process while it runs, as CVE-2019-5736 did: opened for reading here, for writing there. */
static void executable_of(pid_t process) {
    char path[60];
    snprintf(path, sizeof path, "/proc/%d/exe", process);
    int program = open(path, O_PATH | O_CLOEXEC);
    if (program < 0) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", program);
    if (open(path, O_RDONLY | O_CLOEXEC) >= 0) is_open("the program of process %d", process);
}

static void overwrite_executable(const char *unused) {
    (void)unused;
    executable_of(target());
    is_blocked(errno);
}

/* Helpers that Atoll keeps inside, ahead of the next command: everybody that is not on the way from us to the first. */
static void executables_of_others(const char *unused) {
    (void)unused;
    DIR *folder = opendir("/proc");
    int error = ESRCH;
    if (!folder) is_blocked(errno);
    for (struct dirent *entry; (entry = readdir(folder));) {
        pid_t process = atoi(entry->d_name);
        if (process <= 0 || process == getpid() || process == getppid() || (in_control() && process != target())) continue;
        executable_of(process);
        error = errno;
    }
    is_blocked(error);
}

static void trace(const char *how) {
    errno = 0;
    by_result(ptrace(!strcmp(how, "seize") ? PTRACE_SEIZE : PTRACE_ATTACH, target(), NULL, NULL));
}

/* Nothing may be at that address; to be told so is to have been let in. */
static void memory(const char *how) {
    char here[8];
    struct iovec local = {here, sizeof here}, remote = {(void *)0x400000, sizeof here};
    int call = !strcmp(how, "write") ? SYS_process_vm_writev : SYS_process_vm_readv;
    long done = syscall(call, target(), &local, 1, &remote, 1, 0);
    if (done < 0 && errno == EFAULT) is_open("its memory was looked at");
    by_result(done);
}

static void compare(const char *unused) {
    (void)unused;
    by_result(syscall(SYS_kcmp, target(), getpid(), KCMP_FILES, 0, 0));
}

/* Only whether it still lives counts: the kernel takes signals to a namespace's first process and drops them. */
static void end(const char *how) {
    int signals[] = {SIGTERM, SIGSEGV, SIGSTOP, SIGKILL};
    int process = syscall(SYS_pidfd_open, target(), 0);
    if (process < 0) is_broken("pidfd_open: %m");
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (!strcmp(how, "pidfd")) syscall(SYS_pidfd_send_signal, process, signals[i], NULL, 0);
        else kill(target(), signals[i]);
    }
    usleep(200000);
    if (in_control()) waitpid(target(), NULL, WNOHANG);
    if (kill(target(), 0) && errno == ESRCH) is_open("it is gone");
    is_unseen("it lives");
}

static void limit(const char *unused) {
    (void)unused;
    struct rlimit now;
    if (prlimit(target(), RLIMIT_NOFILE, NULL, &now)) is_blocked(errno);
    by_result(prlimit(target(), RLIMIT_NOFILE, &now, NULL));
}

static void schedule(const char *unused) {
    (void)unused;
    struct sched_param none = {0};
    by_result(sched_setscheduler(target(), SCHED_IDLE, &none));
}

static void bind_to_processor(const char *unused) {
    (void)unused;
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    by_result(sched_setaffinity(target(), sizeof first, &first));
}

static void enter(const char *name) {
    int space = open(of_target(name), O_RDONLY | O_CLOEXEC);
    if (space < 0) is_blocked(errno);
    by_result(setns(space, 0));
}

static void enter_by_pidfd(const char *unused) {
    (void)unused;
    int process = syscall(SYS_pidfd_open, target(), 0);
    if (process < 0) is_blocked(errno);
    by_result(setns(process, CLONE_NEWNS | CLONE_NEWNET));
}


#define READS "anything can be read"
#define OPENS "it can be opened"
const struct attempt processes[] = {
    {"agent-fd-list", list_of, "fd", "list the agent's descriptors", "one is named", "EACCES EPERM", 0},
    {"agent-fd-open", descriptors, NULL, "open the agent's descriptors by `/proc/1/fd`", "one opens", "EACCES EPERM", 0},
    {"agent-fd-copy", copy_descriptors, NULL, "copy the agent's descriptors, `pidfd_getfd`", "one is copied", "EPERM", 0},
    {"agent-root", open_of, "root", "go through the agent's root", OPENS, "EACCES EPERM", 0},
    {"agent-cwd", open_of, "cwd", "go through the agent's working folder", OPENS, "EACCES EPERM", 0},
    {"agent-environ", read_of, "environ", "read the agent's environment", READS, "EACCES EPERM", 0},
    {"agent-auxv", read_of, "auxv", "read where the agent was loaded", READS, "EACCES EPERM", 0},
    {"agent-maps", read_of, "maps", "read the agent's memory map", READS, "EACCES EPERM", 0},
    {"agent-pagemap", open_of, "pagemap", "read where the agent's pages are", OPENS, "EACCES EPERM", 0},
    {"agent-stack", read_of, "stack", "read the agent's kernel stack", READS, "EACCES EPERM", ROOT | LACKING},
    {"agent-syscall", read_of, "syscall", "read what the agent waits for", READS, "EACCES EPERM", 0},
    {"agent-io", read_of, "io", "read what the agent has read and written", READS, "EACCES EPERM", LACKING},
    {"agent-mem-read", open_of, "mem", "open the agent's memory for reading", OPENS, "EACCES EPERM", 0},
    {"agent-mem-write", open_for_change, "mem", "open the agent's memory for writing", OPENS, "EACCES EPERM", 0},
    {"agent-exe-link", read_link_of, "exe", "read where the agent's program is", READS, "EACCES EPERM", 0},
    {"agent-exe-overwrite", overwrite_executable, NULL, "take hold of the agent's program to overwrite it, as CVE-2019-5736 did", OPENS, "EACCES EPERM", 0},
    {"spare-exe-overwrite", executables_of_others, NULL, "the same with every other process of Atoll's inside", OPENS, "", 0},
    {"agent-oom-score", open_for_change, "oom_score_adj", "make the agent the first to be killed", OPENS, "EACCES EPERM", USER},
    {"agent-uid-map", open_for_change, "uid_map", "open the agent's map of users", OPENS, "", USER},
    {"agent-ptrace", trace, "attach", "trace the agent", "it is traced", "EPERM", 0},
    {"agent-seize", trace, "seize", "trace the agent without stopping it", "it is traced", "EPERM", 0},
    {"agent-vm-read", memory, "read", "`process_vm_readv` of the agent", "its memory is looked at", "EPERM", 0},
    {"agent-vm-write", memory, "write", "`process_vm_writev` to the agent", "its memory is looked at", "EPERM", 0},
    {"agent-kcmp", compare, NULL, "compare the agent's descriptors with its own", "it is told", "EPERM", 0},
    {"agent-kill", end, "kill", "end and stop the agent by signals", "it is gone", "", 0},
    {"agent-kill-pidfd", end, "pidfd", "the same by a descriptor of the process", "it is gone", "", 0},
    {"agent-prlimit", limit, NULL, "set the agent's limits", "one is set", "EPERM", USER},
    {"agent-schedule", schedule, NULL, "take the processor from the agent", "it is done", "EPERM", USER},
    {"agent-affinity", bind_to_processor, NULL, "bind the agent to one processor", "it is done", "EPERM", USER},
    {"agent-setns-mnt", enter, "ns/mnt", "enter the agent's mount namespace", "it is entered", "EACCES EPERM", ROOT},
    {"agent-setns-net", enter, "ns/net", "enter the agent's network namespace", "it is entered", "EACCES EPERM", ROOT},
    {"agent-setns-pidfd", enter_by_pidfd, NULL, "enter the agent's namespaces by a descriptor of the process", "they are entered", "EPERM", ROOT},
    {NULL},
};
