/* What the kernel counts for more than one sandbox: one takes all that it gets, another then wants one. */
#include "escape.h"
#include <mqueue.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

enum { PROCESSES = 40 };

/* Takes one. It is never given back. */
static long take_one(const char *kind, int number) {
    if (!strcmp(kind, "inotify")) return inotify_init1(0);
    if (!strcmp(kind, "terminals")) return open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (!strcmp(kind, "aio")) {
        unsigned long context = 0;
        return syscall(SYS_io_setup, 1000, &context);
    }
    if (!strcmp(kind, "queues")) {
        char name[60];
        snprintf(name, sizeof name, "/escape-%d-%d", getpid(), number);
        int queue = mq_open(name, O_RDWR | O_CREAT, 0600, NULL);
        if (queue >= 0) mq_unlink(name);
        return queue;
    }
    if (!strcmp(kind, "signals")) {
        union sigval none = {0};
        return sigqueue(getpid(), SIGRTMIN, none);
    }
    errno = EINVAL;
    return -1;
}

static int take_all(const char *kind) {
    int number = 0;
    while (take_one(kind, number) >= 0) number++;
    return number;
}

static void block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

/* In many processes, as each has its own limit of open files. Says how many it got, and keeps them until its input ends. */
int hold(const char *kind) {
    int counts[2], total = 0;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (pipe(counts)) return 1;
    pid_t parent = getpid();
    for (int process = 0; process < PROCESSES; process++) {
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
            block_signals();
            int got = take_all(kind);
            if (write(counts[1], &got, sizeof got) != sizeof got) _exit(1);
            while (getppid() == parent) usleep(50000);
            _exit(0);
        }
        int got;
        if (read(counts[0], &got, sizeof got) != sizeof got) return 1;
        total += got;
    }
    printf("held %d\n", total);
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
    return 0;
}

int take(const char *kind) {
    block_signals();
    if (take_one(kind, 0) >= 0) printf("got one\n");
    else printf("%s\n", strerrorname_np(errno));
    return 0;
}
