/* What others have: a neighbour on the host and one in another sandbox, each under a name that the test gives. */
#include "escape.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/un.h>

static int last = ENOENT;
static volatile sig_atomic_t ended;

unsigned key_of(const char *name) {
    unsigned hash = 2166136261u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash >> 1;
}

unsigned short port_of(const char *name) { return 20000 + key_of(name) % 10000; }

static const char *path_of(const char *folder, const char *name, const char *end) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, end);
    return path;
}

/* A name that begins with @ is abstract. */
static socklen_t local_address(struct sockaddr_un *address, const char *name) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    size_t length = strlen(name);
    if (length >= sizeof address->sun_path) is_broken("too long: %s", name);
    memcpy(address->sun_path, name, length);
    if (*name != '@') return sizeof *address;
    address->sun_path[0] = 0;
    return offsetof(struct sockaddr_un, sun_path) + length;
}

static int listen_on(const char *name) {
    struct sockaddr_un address;
    socklen_t length = local_address(&address, name);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    return bind(listener, (struct sockaddr *)&address, length) || listen(listener, 100);
}

static int listen_at(unsigned short port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    return bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 100);
}

static void stop(int signal) {
    (void)signal;
    ended = 1;
}

static int have(const char *name) {
    char abstract[100], queue[100];
    snprintf(abstract, sizeof abstract, "@%s", name);
    snprintf(queue, sizeof queue, "/%s", name);
    int failed = listen_on(abstract) || listen_on(path_of("/tmp", name, ".sock")) || listen_at(port_of(name));
    failed |= shmget(key_of(name), 4096, IPC_CREAT | 0666) < 0 || semget(key_of(name), 1, IPC_CREAT | 0666) < 0;
    failed |= msgget(key_of(name), IPC_CREAT | 0666) < 0 || mq_open(queue, O_RDWR | O_CREAT, 0666, NULL) < 0;
    failed |= open(path_of("/tmp", name, ""), O_CREAT | O_RDWR, 0666) < 0 || open(path_of("/dev/shm", name, ""), O_CREAT | O_RDWR, 0666) < 0;
    return failed;
}

static void let_go(const char *name) {
    char queue[100];
    snprintf(queue, sizeof queue, "/%s", name);
    shmctl(shmget(key_of(name), 0, 0), IPC_RMID, NULL);
    semctl(semget(key_of(name), 0, 0), 0, IPC_RMID);
    msgctl(msgget(key_of(name), 0), IPC_RMID, NULL);
    mq_unlink(queue);
    unlink(path_of("/tmp", name, ""));
    unlink(path_of("/tmp", name, ".sock"));
    unlink(path_of("/dev/shm", name, ""));
}

/* Uses the file that sandboxes of one image share, again and again, until it is told to end. */
int neighbour(const char *name) {
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* of the host's, which a test that fails must not leave behind */
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    if (have(name)) {
        perror(name);
        let_go(name);
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    int lock = open(shared_file(), O_RDONLY | O_CLOEXEC);
    flock(lock, LOCK_SH);
    while (!ended) {
        int used = open(shared_file(), O_RDONLY | O_CLOEXEC);
        usleep(20000);
        close(used);
    }
    let_go(name);
    return 0;
}

/* Until a neighbour in the same sandbox is there. */
int await(const char *name) {
    enum { TRIES = 500, PAUSE_US = 20000 };
    struct sockaddr_un address;
    char abstract[100];
    snprintf(abstract, sizeof abstract, "@%s", name);
    socklen_t length = local_address(&address, abstract);
    for (int i = 0; i < TRIES; i++, usleep(PAUSE_US)) {
        int there = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(there, (struct sockaddr *)&address, length) == 0) return 0;
        close(there);
    }
    return 1;
}

/* Where neighbours of these names listen on this machine, but for its loopback. */
int addresses(char **names) {
    struct ifaddrs *list;
    if (getifaddrs(&list)) return 1;
    for (struct ifaddrs *one = list; one; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || one->ifa_flags & IFF_LOOPBACK) continue;
        for (char **name = names; *name; name++)
            printf("%s:%u\n", inet_ntoa(((struct sockaddr_in *)one->ifa_addr)->sin_addr), port_of(*name));
    }
    return 0;
}

static int loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request);
}

/* Runs everything unconfined, beside a neighbour in the same namespaces. */
int control(const char *name) {
    int ready[2];
    char line[6], address[40], path[120];
    if (pipe(ready) || loopback_up()) return 1;
    snprintf(address, sizeof address, "127.0.0.1:%u", port_of(name));
    setenv("ESCAPE_CONTROL", "1", 1);
    setenv("ESCAPE_PEERS", name, 1);
    setenv("ESCAPE_ADDRESSES", address, 1);
    snprintf(path, sizeof path, "/tmp/%s", name);
    setenv("ESCAPE_FILES", path, 1);
    snprintf(path, sizeof path, "/tmp/%s.sock", name);
    setenv("ESCAPE_SOCKETS", path, 1);
    pid_t child = fork();
    if (!child) {
        dup2(ready[1], STDOUT_FILENO);
        execl("/proc/self/exe", "escape", "neighbour", name, NULL);
        _exit(1);
    }
    close(ready[1]);
    if (read(ready[0], line, sizeof line) <= 0) return 1;
    pid_t tries = fork();
    if (!tries) {
        execl("/proc/self/exe", "escape", "all", NULL);
        _exit(1);
    }
    int status = 1;
    waitpid(tries, &status, 0);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return status != 0;
}

static void connect_local(const char *name) {
    struct sockaddr_un address;
    socklen_t length = local_address(&address, name);
    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(socket_, (struct sockaddr *)&address, length) == 0) is_open("%s was reached", name);
    last = errno;
    close(socket_);
}

static void connect_abstract(const char *peer) {
    char name[100];
    snprintf(name, sizeof name, "@%s", peer);
    connect_local(name);
}

static void connect_to(const char *host, unsigned short port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 1};
    int socket_ = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!inet_aton(host, &address.sin_addr)) is_broken("no address: %s", host);
    if (connect(socket_, (struct sockaddr *)&address, sizeof address) == 0) is_open("%s:%u was reached", host, port);
    last = errno;
    close(socket_);
}

static void connect_loopback(const char *peer) { connect_to("127.0.0.1", port_of(peer)); }

static void connect_address(const char *word) {
    char host[40] = "";
    unsigned port = 0;
    sscanf(word, "%39[^:]:%u", host, &port);
    connect_to(host, port);
}

static void open_file(const char *path) {
    static const char *const roots[] = {"", "/proc/1/root", "/proc/1/cwd", "/proc/self/root/../../../..", "/proc/self/cwd/../../../../../.."};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        char whole[600];
        snprintf(whole, sizeof whole, "%s%s", roots[i], path);
        if (open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK) >= 0) is_open("%s opens", whole);
        last = errno;
    }
}

static void link_file(const char *path) {
    const char *here = scratch("link");
    if (symlink(path, here) == 0) {
        int file = open(here, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        last = errno;
        unlink(here);
        if (file >= 0) is_open("a symbolic link to %s opens", path);
    }
    if (link(path, here) == 0) {
        unlink(here);
        is_open("a hard link to %s", path);
    }
}

static void open_shared(const char *peer) {
    if (open(path_of("/dev/shm", peer, ""), O_RDWR | O_CLOEXEC) >= 0) is_open("shared memory of %s", peer);
    last = errno;
}

static void open_queue(const char *peer) {
    char name[100];
    snprintf(name, sizeof name, "/%s", peer);
    if (mq_open(name, O_RDWR) >= 0) is_open("the queue of %s", peer);
    last = errno;
}

static void find_segment(const char *peer) {
    if (shmget(key_of(peer), 0, 0) >= 0) is_open("the segment of %s", peer);
    last = errno;
}

static void find_semaphore(const char *peer) {
    if (semget(key_of(peer), 0, 0) >= 0) is_open("the semaphore of %s", peer);
    last = errno;
}

static void find_messages(const char *peer) {
    if (msgget(key_of(peer), 0) >= 0) is_open("the messages of %s", peer);
    last = errno;
}

static void find_process(const char *peer) {
    DIR *folder = opendir("/proc");
    if (!folder) is_broken("/proc: %m");
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], line[300] = "";
        if (atoi(entry->d_name) <= 0) continue;
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = file < 0 ? 0 : read(file, line, sizeof line);
        close(file);
        if (length > 0 && memmem(line, length, peer, strlen(peer))) is_open("process %s is of %s", entry->d_name, peer);
    }
    closedir(folder);
    last = ESRCH;
}

/* With each word of a list, by what `argument` names. */
static void reach(const char *argument) {
    static const struct { const char *what, *variable; void (*act)(const char *); } ways[] = {
        {"abstract", "ESCAPE_PEERS", connect_abstract}, {"loopback", "ESCAPE_PEERS", connect_loopback},
        {"address", "ESCAPE_ADDRESSES", connect_address}, {"socket", "ESCAPE_SOCKETS", connect_local},
        {"file", "ESCAPE_FILES", open_file}, {"link", "ESCAPE_FILES", link_file}, {"shared", "ESCAPE_PEERS", open_shared},
        {"queue", "ESCAPE_PEERS", open_queue}, {"segment", "ESCAPE_PEERS", find_segment},
        {"semaphore", "ESCAPE_PEERS", find_semaphore}, {"messages", "ESCAPE_PEERS", find_messages},
        {"process", "ESCAPE_PEERS", find_process},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].what, argument)) continue;
        each_word(ways[i].variable, ways[i].act);
        is_blocked(last);
    }
}

static void see_use(const char *unused) {
    (void)unused;
    enum { PATIENCE_MS = 500 };
    int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, shared_file(), IN_OPEN | IN_ACCESS) < 0) is_broken("inotify: %m");
    struct pollfd wait = {.fd = watch, .events = POLLIN};
    if (poll(&wait, 1, PATIENCE_MS) > 0) is_open("somebody uses %s", shared_file());
    is_unseen("unseen");
}

static void see_lock(const char *unused) {
    (void)unused;
    int file = open(shared_file(), O_RDONLY | O_CLOEXEC);
    if (file < 0) is_broken("%s: %m", shared_file());
    if (flock(file, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) is_open("somebody has %s locked", shared_file());
    is_unseen("unseen");
}

#define REACHED "one is reached"
const struct attempt neighbours[] = {
    {"peer-abstract-socket", reach, "abstract", "connect to abstract sockets of the host and of a neighbour", REACHED, "ECONNREFUSED", 0},
    {"peer-loopback", reach, "loopback", "connect to servers on the host's and a neighbour's loopback", REACHED, "", 0},
    {"peer-address", reach, "address", "connect to addresses of the host and of a neighbour", REACHED, "", 0},
    {"peer-sockets", reach, "socket", "connect to the sockets of the launcher, of agents, of Docker", REACHED, "ENOENT", 0},
    {"peer-files", reach, "file", "open files of the host and of a neighbour, also through `/proc` and `..`", "one opens", "", 0},
    {"peer-links", reach, "link", "reach them by symbolic and hard links", REACHED, "ENOENT", 0},
    {"peer-shared-memory", reach, "shared", "open shared memory of the host and of a neighbour", "one opens", "ENOENT", 0},
    {"peer-queue", reach, "queue", "open message queues (POSIX) of the host and of a neighbour", "one opens", "ENOENT", 0},
    {"peer-sysv-memory", reach, "segment", "find shared memory (System V) of theirs", "it is found", "ENOENT", 0},
    {"peer-sysv-semaphore", reach, "semaphore", "find semaphores (System V) of theirs", "it is found", "ENOENT", 0},
    {"peer-sysv-messages", reach, "messages", "find message queues (System V) of theirs", "it is found", "ENOENT", 0},
    {"peer-process", reach, "process", "find processes of theirs", "one is found", "ESRCH", 0},
    {"peer-watch", see_use, NULL, "watch a neighbour use a file of the same image, `inotify`", "it is seen", "", 0},
    {"peer-lock", see_lock, NULL, "see a neighbour's lock on a file of the same image", "it is seen", "", 0},
    {NULL},
};
