/* Tries to get out, one way after another, and says of each whether it is open.
 *
 *   escape list              name, what is tried, what counts, expected errors, flags; by tabs
 *   escape all [NAME...]     tries them; `NAME<tab>open|blocked|broken<tab>why` each
 *   escape control NAME      the same where nothing confines, to show that each can succeed
 *   escape neighbour NAME    what others must not reach; ready when it says so, gone with SIGTERM
 *   escape hold|take KIND    takes all there is of something that the kernel counts; takes one
 *   escape plant PATH        leaves a set-uid copy of itself; `escape surrender PATH` runs it as a user, `id` says who that is
 *   escape await NAME, addresses NAME..., sleep
 */
#include "escape.h"

enum { SECONDS = 20, VERDICT_BYTES = 400 };

static const struct attempt *const all[] = {kernel_files, mounts, processes, kernel_calls, network, rights, neighbours};
static int verdict_pipe = STDOUT_FILENO;
static pid_t victim;

_Noreturn static void say(const char *verdict, const char *why) {
    char line[VERDICT_BYTES];
    int length = snprintf(line, sizeof line, "%s\t%s", verdict, why);
    for (int i = 0; i < length && i < (int)sizeof line; i++)
        if (line[i] == '\n') line[i] = ' ';
    if (write(verdict_pipe, line, strlen(line)) < 0) _exit(3);
    _exit(0);
}

void is_open(const char *format, ...) {
    char why[VERDICT_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    say("open", why);
}

void is_broken(const char *format, ...) {
    char why[VERDICT_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    say("broken", why);
}

void is_blocked(int error) {
    const char *name = strerrorname_np(error);
    say("blocked", name ? name : "?");
}

void is_unseen(const char *what) { say("blocked", what); }

void by_result(long result) {
    if (result >= 0) is_open("it returned %ld", result);
    is_blocked(errno);
}

void by_refusal(long result) {
    if (result < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES)) is_blocked(errno);
    is_open("it got as far as %s", result < 0 ? strerrorname_np(errno) : "success");
}

void open_for_writing(const char *const *paths) {
    int error = ENOENT;
    for (; *paths; paths++) {
        int file = open(*paths, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (file >= 0) is_open("%s opens for writing", *paths);
        if (errno != ENOENT) error = errno;
    }
    is_blocked(error);
}

bool in_control(void) { return getenv("ESCAPE_CONTROL") != NULL; }

pid_t target(void) { return victim ? victim : 1; }

const char *shared_file(void) {
    const char *file = getenv("ESCAPE_SHARED");
    if (!file) is_broken("ESCAPE_SHARED is missing");
    return file;
}

void each_word(const char *variable, void (*act)(const char *word)) {
    const char *list = getenv(variable);
    if (!list || !*list) is_broken("%s is missing", variable);
    char *copy = strdup(list), *rest = copy;
    for (char *word; (word = strsep(&rest, ","));)
        if (*word) act(word);
    free(copy);
}

const char *scratch(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "/tmp/escape-%d-%s", getpid(), name);
    return path;
}

/* Nothing of an attempt outlives it: in the control it has mounts of its own, and a process to attack. */
static void prepare(void) {
    if (!in_control()) return;
    victim = fork();
    if (!victim)
        for (;;) pause();
    if (victim < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        is_broken("the control cannot be prepared: %m");
}

static void run(const struct attempt *attempt) {
    int ends[2];
    char verdict[VERDICT_BYTES + 1], point[60];
    if (pipe2(ends, O_CLOEXEC)) abort();
    pid_t child = fork();
    if (child < 0) abort();
    if (!child) {
        verdict_pipe = ends[1];
        setsid();
        alarm(SECONDS);
        prepare();
        attempt->try(attempt->argument);
        is_broken("no verdict");
    }
    close(ends[1]);
    int status;
    while (waitpid(child, &status, 0) < 0) {}
    kill(-child, SIGKILL);
    ssize_t length = read(ends[0], verdict, VERDICT_BYTES);
    close(ends[0]);
    snprintf(point, sizeof point, "/tmp/escape-%d-point", child);
    rmdir(point);
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    verdict[length < 0 ? 0 : length] = 0;
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV))
        snprintf(verdict, sizeof verdict, "blocked\tSIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (WIFSIGNALED(status))
        snprintf(verdict, sizeof verdict, "broken\tended by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (!*verdict)
        snprintf(verdict, sizeof verdict, "broken\tno verdict");
    printf("%s\t%s\n", attempt->name, verdict);
    fflush(stdout);
}

static bool is_wanted(const struct attempt *attempt, char **names) {
    if (!in_control() && attempt->flags & (geteuid() == 0 ? USER : ROOT)) return false;
    if (!*names) return true;
    for (; *names; names++)
        if (!strcmp(*names, attempt->name)) return true;
    return false;
}

static void each_attempt(void (*act)(const struct attempt *), char **names) {
    for (size_t part = 0; part < sizeof all / sizeof *all; part++)
        for (const struct attempt *one = all[part]; one->name; one++)
            if (!names || is_wanted(one, names)) act(one);
}

static void list(const struct attempt *one) {
    printf("%s\t%s\t%s\t%s\t%d\n", one->name, one->tried, one->escape, one->expected, one->flags);
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "", *name = count > 2 ? words[2] : "";
    umask(0);
    if (!strcmp(what, "list")) each_attempt(list, NULL);
    else if (!strcmp(what, "all")) each_attempt(run, words + 2);
    else if (!strcmp(what, "control")) return control(name);
    else if (!strcmp(what, "neighbour")) return neighbour(name);
    else if (!strcmp(what, "hold")) return hold(name);
    else if (!strcmp(what, "take")) return take(name);
    else if (!strcmp(what, "plant")) return plant(name) || puts("planted") < 0;
    else if (!strcmp(what, "surrender")) return surrender(name);
    else if (!strcmp(what, "await")) return await(name);
    else if (!strcmp(what, "addresses")) return addresses(words + 2);
    else if (!strcmp(what, "id")) printf("%d\n", geteuid());
    else if (!strcmp(what, "sleep"))
        for (;;) pause();
    else return 2;
    return 0;
}
