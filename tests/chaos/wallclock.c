/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded into processes whose wall clock is to jump: a table in a file says
 * by how much each of them is wrong. Only the wall clock is: what counts on
 * monotonic time must not notice.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define ROWS 64

struct row {
    long pid;
    long seconds;
};

static volatile struct row *table;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("DCN_WALL_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    if (fd < 0)
        return;
    void *found = mmap(NULL, ROWS * sizeof(struct row), PROT_READ,
                       MAP_SHARED, fd, 0);
    if (found != MAP_FAILED)
        table = found;
    close(fd);
}

static long wrong_by(void)
{
    long pid = getpid();

    for (int i = 0; table && i < ROWS && table[i].pid; i++)
        if (table[i].pid == pid)
            return table[i].seconds;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed;

    if (!real_clock_gettime)
        start();
    failed = real_clock_gettime(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += wrong_by();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec found;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &found))
        return -1;
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec found;

    if (clock_gettime(CLOCK_REALTIME, &found))
        return -1;
    if (now)
        *now = found.tv_sec;
    return found.tv_sec;
}
