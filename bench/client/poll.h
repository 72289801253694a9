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

/* Looks, and naps, until someone is ready or `timeout_ms` have passed; calls everyone who is ready. For use under load. */
void poll_nap(int timeout_ms);

/* Waits, however long it takes, until someone is ready and calls them. */
void poll_wait(void);

#endif
