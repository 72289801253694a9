#include "poll.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define EVENTS_AT_ONCE 1024 /* what one epoll_wait may return; the rest comes with the next */

static int epoll_fd;

void poll_start(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        perror("epoll_create1");
        exit(1);
    }
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

void poll_once(int timeout_ms)
{
    static struct epoll_event events[EVENTS_AT_ONCE];
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
}
