/* Counts the calls that change files below one folder, and fails one of them: the process is killed
   before it, after it or in the middle of it, or the call returns an error. Loaded with LD_PRELOAD.
   cc -shared -fPIC -O1 -o faults.so faults.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OFF, BEFORE, AFTER, HALF, ERROR };

static char folder[4096];
static char kinds[1 << 20]; /* of the calls so far: write, sync, truncate, rename, unlink, mkdir, open */
static long count, target;
static int mode = OFF, code;

void faults_arm(const char *where, long at, int how, int error) {
    strncpy(folder, where, sizeof folder - 1);
    count = 0, target = at, mode = how, code = error;
    memset(kinds, 0, sizeof kinds);
}

const char *faults_calls(void) { return kinds; }

void faults_disarm(void) { mode = OFF; folder[0] = 0; }

static int below(const char *path) { return folder[0] && path && strstr(path, folder); }

static int below_fd(int fd) {
    if (!folder[0]) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}

/* 1: this is the call that fails. */
static int hit(int is_ours, char kind) {
    if (!is_ours) return 0;
    if (count < (long)sizeof kinds - 1) kinds[count] = kind;
    return ++count == target && mode != OFF;
}

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAULT(kind, is_ours, type, call)           \
    if (hit(is_ours, kind)) {                      \
        if (mode == ERROR) { errno = code; return -1; } \
        if (mode == AFTER) { type done = call; (void)done; } \
        die();                                     \
    }                                              \
    return call

ssize_t write(int fd, const void *data, size_t n) {
    REAL(write);
    if (folder[0] && mode == HALF && below_fd(fd) && count + 1 == target) { real(fd, data, n / 2); die(); }
    FAULT('w', below_fd(fd), ssize_t, real(fd, data, n));
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    REAL(pwrite);
    if (folder[0] && mode == HALF && below_fd(fd) && count + 1 == target) { real(fd, data, n / 2, at); die(); }
    FAULT('w', below_fd(fd), ssize_t, real(fd, data, n, at));
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    REAL(pwrite64);
    if (folder[0] && mode == HALF && below_fd(fd) && count + 1 == target) { real(fd, data, n / 2, at); die(); }
    FAULT('w', below_fd(fd), ssize_t, real(fd, data, n, at));
}
int fsync(int fd) { REAL(fsync); FAULT('s', below_fd(fd), int, real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); FAULT('s', below_fd(fd), int, real(fd)); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); FAULT('t', below_fd(fd), int, real(fd, n)); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); FAULT('t', below_fd(fd), int, real(fd, n)); }
int rename(const char *from, const char *to) { REAL(rename); FAULT('r', below(to), int, real(from, to)); }
int unlink(const char *path) { REAL(unlink); FAULT('u', below(path), int, real(path)); }
int mkdir(const char *path, mode_t m) { REAL(mkdir); FAULT('m', below(path), int, real(path, m)); }

#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...) {                         \
        REAL(name);                                                      \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t m = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                    \
        FAULT('o', (flags & (O_CREAT | O_TRUNC)) && below(path), int, real(path, flags, m)); \
    }
OPEN(open)
OPEN(open64)
