#define _GNU_SOURCE
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "load.h"
#include "requests.h"

#define REST_NS (60 * NS_PER_SECOND) /* the server closes what rests for 75 s; a request that crosses that is lost */
#define QUEUE 256 /* receipts of texts that came faster than the server answers; more is a server that has stopped */

struct http {
    struct stream stream; /* first, so that a stream is its connection */
    struct session *session;
    struct job jobs[QUEUE];
    uint64_t answered_ns; /* when it began to rest */
    unsigned first;
    unsigned count;
    bool asking; /* the first job is on its way */
};

static void ask_next(struct http *http)
{
    static char request[REQUEST_ROOM];
    if (http->asking || http->count == 0 || http->stream.connecting)
        return;
    http->asking = true;
    size_t length = request_build(http->session, &http->jobs[http->first], request);
    stream_write(&http->stream, request, length);
}

static void connected(struct stream *stream)
{
    ask_next((struct http *)stream);
}

/* The size of the body that the head announces, or -1 when it announces none. */
static long body_length(const char *head, size_t length)
{
    static const char name[] = "\r\ncontent-length:";
    for (size_t at = 0; at + sizeof name < length; at++)
        if (head[at] == '\r' && strncasecmp(head + at, name, sizeof name - 1) == 0)
            return atol(head + at + sizeof name - 1);
    return -1;
}

static size_t received(struct stream *stream, const char *bytes, size_t length)
{
    struct http *http = (struct http *)stream;
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end + 4 - bytes);
    int status = atoi(bytes + strlen("HTTP/1.1 "));
    long body = body_length(bytes, head);
    if (body < 0 && status != 204) {
        fprintf(stderr, "http: an answer without a content-length: %.*s\n", (int)head, bytes);
        exit(1);
    }
    size_t whole = head + (size_t)(body < 0 ? 0 : body);
    if (length < whole)
        return 0;
    struct job job = http->jobs[http->first];
    http->first = (http->first + 1) % QUEUE;
    http->count--;
    http->asking = false;
    http->answered_ns = now_ns();
    load_answered(http->session, &job, status, bytes + head, whole - head);
    ask_next(http);
    return whole;
}

static void lost(struct stream *stream)
{
    struct http *http = (struct http *)stream;
    bool asked = http->asking;
    http->count = 0;
    http->asking = false;
    if (asked) /* a server may close a connection that rests; the next request opens another */
        load_unanswered();
}

static const struct stream_owner owner = {.connected = connected, .received = received, .lost = lost};

void http_ask(struct session *session, const struct job *job)
{
    struct http *http = session->http;
    if (http == NULL) {
        http = session->http = calloc(1, sizeof *http);
        if (http == NULL) {
            perror("out of memory");
            exit(1);
        }
        http->session = session;
        http->stream.watched.fd = -1;
    }
    if (http->count == QUEUE) {
        fprintf(stderr, "session %u: %d requests wait for an answer\n", session->index, QUEUE);
        exit(1);
    }
    /* As every client does that is asked seldom: what has rested that long is given up before it is used. */
    if (http->count == 0 && !http->stream.connecting && now_ns() - http->answered_ns > REST_NS)
        stream_close(&http->stream);
    http->jobs[(http->first + http->count++) % QUEUE] = *job;
    if (!stream_is_open(&http->stream))
        stream_connect(&http->stream, &owner, session->index, fleet.ports[0]);
    else
        ask_next(http);
}

void http_close(struct session *session)
{
    struct http *http = session->http;
    if (http == NULL)
        return;
    stream_close(&http->stream);
    http->count = 0;
    http->asking = false;
}
