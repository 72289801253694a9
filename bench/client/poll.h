/* One thread, one epoll: who watches a descriptor is called when it is ready. */
#ifndef POLL_H
#define POLL_H

#include <stdint.h>
#include <sys/epoll.h>

struct watched {
    int fd; /* -1: not open */
    void (*ready)(struct watched *watched, uint32_t events);
};

void poll_start(void);
void poll_watch(struct watched *watched, uint32_t events);
void poll_rewatch(struct watched *watched, uint32_t events);

/* Waits at most `timeout_ms` (-1: for ever) and calls everyone who is ready. */
void poll_once(int timeout_ms);

#endif
