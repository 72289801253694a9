#include "poll.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "clock.h"

#define EVENTS_AT_ONCE 1024 /* what one epoll_wait may return; the rest comes with the next */

/* A client that sleeps in epoll_wait is woken by every frame, and on the loopback waking it is done by, and counted to,
 * the server that writes the frame: 5 µs of an interrupt to another core, which no client across a network costs it. A
 * client that naps outside finds what has come meanwhile. It adds up to this much to what is measured of latency. */
#define NAP_NS 50000

static int epoll_fd;

void poll_start(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        perror("epoll_create1");
        exit(1);
    }
    prctl(PR_SET_TIMERSLACK, 1); /* else a nap of 50 µs takes 100 */
}

static void control(int operation, struct watched *watched, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watched};
    if (epoll_ctl(epoll_fd, operation, watched->fd, &event) < 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

void poll_watch(struct watched *watched, uint32_t events)
{
    control(EPOLL_CTL_ADD, watched, events);
}

void poll_rewatch(struct watched *watched, uint32_t events)
{
    control(EPOLL_CTL_MOD, watched, events);
}

/* Calls everyone who is ready; whether anyone was. */
static bool call_ready(int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE]; /* not static: who is called may poll */
    int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
    if (count < 0 && errno != EINTR) {
        perror("epoll_wait");
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        struct watched *watched = events[i].data.ptr;
        if (watched->fd >= 0) /* closed by an earlier one of this batch */
            watched->ready(watched, events[i].events);
    }
    return count > 0;
}

void poll_nap(int timeout_ms)
{
    struct timespec nap = {.tv_nsec = NAP_NS};
    uint64_t deadline = now_ns() + (uint64_t)timeout_ms * 1000000;
    while (!call_ready(0) && now_ns() + NAP_NS < deadline)
        nanosleep(&nap, NULL);
}

void poll_wait(void)
{
    call_ready(-1);
}
