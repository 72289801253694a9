#define _GNU_SOURCE
#include "websocket.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HEADER_ROOM 14     /* 2 + 8 of length + 4 of mask (RFC 6455 5.2) */
#define LONGEST_SENT 8192u /* what a session sends: CONNECT packets, acks, one text */
#define REQUEST_ROOM 8192  /* the query carries a token of about a kilobyte */

bool websocket_upgrade(struct stream *stream, const char *path_and_query, int port)
{
    char request[REQUEST_ROOM];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: bGVnYXRvIGxvYWQgMDEyMw==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                          path_and_query, port);
    if (length < 0 || length >= (int)sizeof request) {
        fprintf(stderr, "websocket: the query is too long\n");
        return false;
    }
    return stream_write(stream, request, (size_t)length);
}

long websocket_upgraded(const char *bytes, size_t length)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    if (memcmp(bytes, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "websocket: refused: %.*s\n", (int)(length < 400 ? length : 400), bytes);
        return -1;
    }
    return end + 4 - bytes;
}

size_t websocket_frame(const char *bytes, size_t length, struct websocket_frame *frame)
{
    const uint8_t *octets = (const uint8_t *)bytes;
    if (length < 2)
        return 0;
    size_t head = 2;
    uint64_t payload = octets[1] & 127;
    if (payload == 126) {
        if (length < 4)
            return 0;
        payload = (uint64_t)octets[2] << 8 | octets[3];
        head = 4;
    } else if (payload == 127) {
        if (length < 10)
            return 0;
        payload = 0;
        for (int i = 2; i < 10; i++)
            payload = payload << 8 | octets[i];
        head = 10;
    }
    if (length - head < payload)
        return 0;
    frame->opcode = octets[0] & 15;
    frame->payload = bytes + head;
    frame->length = payload;
    return head + payload;
}

bool websocket_send(struct stream *stream, int opcode, const char *payload, size_t length)
{
    uint8_t frame[HEADER_ROOM + LONGEST_SENT];
    size_t head = 2;
    if (length > LONGEST_SENT) {
        fprintf(stderr, "websocket: %zu bytes to send\n", length);
        return false;
    }
    frame[0] = (uint8_t)(0x80 | opcode);
    if (length < 126) {
        frame[1] = (uint8_t)(0x80 | length);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(length >> 8);
        frame[3] = (uint8_t)length;
        head = 4;
    }
    memset(frame + head, 0, 4); /* a mask of zeros is a mask (RFC 6455 5.3) and costs the client nothing */
    memcpy(frame + head + 4, payload, length);
    return stream_write(stream, frame, head + 4 + length);
}
