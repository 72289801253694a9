/* A TCP connection to the server under test, non-blocking, with what arrived of an incomplete message kept. */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poll.h"

struct stream;

/* What a stream reports. `received` returns how many bytes it has used up; the rest comes again with more after it. */
struct stream_owner {
    void (*connected)(struct stream *stream);
    size_t (*received)(struct stream *stream, const char *bytes, size_t length);
    void (*lost)(struct stream *stream);
};

struct stream {
    struct watched watched; /* first, so that a watched is its stream */
    const struct stream_owner *owner;
    char *kept;
    size_t kept_length;
    size_t kept_room;
    bool connecting;
};

/* To 127.0.0.1. `number` picks the loopback source address, so that no address runs out of ports. */
void stream_connect(struct stream *stream, const struct stream_owner *owner, unsigned number, int port);

/* Writes all of it or gives the connection up: a socket buffer that cannot take a kilobyte has a stuck server behind
 * it. Returns false when the stream was lost. */
bool stream_write(struct stream *stream, const void *bytes, size_t length);

/* Closes without a word, as a cut cable would look to the application; `lost` is not called. */
void stream_close(struct stream *stream);

bool stream_is_open(const struct stream *stream);

#endif
