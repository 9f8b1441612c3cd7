/* What every part of the program knows. One attempt is one way out; it ends in exactly one verdict. */
#ifndef ESCAPE_H
#define ESCAPE_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum flags {
    ROOT = 1,   /* tried as root only: as a user it means nothing */
    USER = 2,   /* tried as a user only: root inside may do this to his own sandbox */
    LACKING = 4, /* not every kernel has it, so the control may not show it open */
    HOST_IMAGE = 8, /* about the host's own files, which only the image `host` shows */
};

struct attempt {
    const char *name;
    void (*try)(const char *argument);
    const char *argument;
    const char *tried;    /* what is tried */
    const char *escape;   /* what counts as an escape */
    const char *expected; /* how Atoll answers root: names of errors, any of them; empty: whatever is no escape */
    int flags;
};

extern const struct attempt kernel_files[], mounts[], processes[], kernel_calls[], network[], rights[], neighbours[];

/* Verdicts: each ends the attempt. */
_Noreturn void is_open(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void is_blocked(int error);
_Noreturn void is_unseen(const char *what); /* it worked, and there was nothing to get */
_Noreturn void is_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Success is an escape. */
_Noreturn void by_result(long result);
/* The arguments are wrong on purpose: whatever is not a refusal got as far as looking at them. */
_Noreturn void by_refusal(long result);

/* Opens each for writing, never writes; those that are not there do not count. */
_Noreturn void open_for_writing(const char *const *paths);

/* The process that stands for the agent: the first of the PID namespace; in the control a victim. */
pid_t target(void);
/* Whether this is the control: unconfined, in namespaces that only protect the host. */
bool in_control(void);
/* Calls `act` with each word of a list that the test gave by the environment. */
void each_word(const char *variable, void (*act)(const char *word));
/* The file that sandboxes of one image share. */
const char *shared_file(void);
/* A path for files of this attempt. */
const char *scratch(const char *name);

unsigned key_of(const char *name);
unsigned short port_of(const char *name);
int neighbour(const char *name);
int control(const char *name);
int hold(const char *kind);
int take(const char *kind);
int plant(const char *path);
int surrender(const char *path);
int await(const char *name);
int addresses(char **names);
#endif
