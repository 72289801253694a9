/* RFC 6455, the client's half: the upgrade request, masked frames out, unmasked frames in. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "stream.h"

enum websocket_opcode { WEBSOCKET_TEXT = 1, WEBSOCKET_CLOSE = 8, WEBSOCKET_PING = 9, WEBSOCKET_PONG = 10 };

struct websocket_frame {
    int opcode;
    const char *payload;
    size_t length;
};

bool websocket_upgrade(struct stream *stream, const char *path_and_query, int port);

/* The length of the answer's head when it is a whole 101, 0 when more must come, -1 when the upgrade was refused. */
long websocket_upgraded(const char *bytes, size_t length);

/* Takes one frame off the front and returns its size on the wire; 0 when it is not all there. Servers under test send
 * no fragments. */
size_t websocket_frame(const char *bytes, size_t length, struct websocket_frame *frame);

bool websocket_send(struct stream *stream, int opcode, const char *payload, size_t length);

#endif
