#define _GNU_SOURCE
#include "socketio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "websocket.h"

#define QUERY_ROOM 4096 /* a token of about a kilobyte and the SDK's constants */
#define MOST_COMPLAINTS 3 /* what happens to one session happens to ten thousand */
#define EMIT_ROOM 4096  /* a text of 400 bytes and its wrapping */

static void give_up(struct session *session, const char *why, const char *text, size_t length)
{
    static int complaints;
    if (complaints++ < MOST_COMPLAINTS)
        fprintf(stderr, "session %u: %s: %.*s\n", session->index, why, (int)(length < 300 ? length : 300), text);
    stream_close(&session->stream);
    fleet_became_lost(session);
}

/* Copies the string after `key` (such as `"pid":"`) up to its closing quote; leaves `into` alone when there is none. */
static void take_string(const char *text, size_t length, const char *key, char *into, size_t room)
{
    const char *start = memmem(text, length, key, strlen(key));
    if (start == NULL)
        return;
    start += strlen(key);
    const char *end = memchr(start, '"', (size_t)(text + length - start));
    if (end == NULL || (size_t)(end - start) >= room)
        return;
    memcpy(into, start, (size_t)(end - start));
    into[end - start] = '\0';
}

static void upgrade(struct stream *stream)
{
    struct session *session = (struct session *)stream;
    char query[QUERY_ROOM];
    if (session->id[0] != '\0') /* both SDKs keep nothing else for a reconnect */
        snprintf(query, sizeof query, "/v2/rtc/?session_id=%s&token=%s&EIO=4&transport=websocket", session->id,
                 session->token);
    else if (session->chat)
        snprintf(query, sizeof query,
                 "/v2/rtc/?session_version=0.0.3&token=%s&SDK_version=2.3.1&SDK_name=@vonage/client-sdk"
                 "&acknowledge_events=true&OS_family=js&OS_revision=Generic%%20JS%%20Navigator"
                 "&EIO=4&transport=websocket",
                 session->token);
    else
        snprintf(query, sizeof query,
                 "/v2/rtc/?token=%s&SDK_version=9.5.1&session_version=0.0.1&acknowledge_events=true&OS_family=js"
                 "&OS_revision=Generic%%20JS%%20navigator&EIO=4&transport=websocket",
                 session->token);
    session->state = UPGRADING;
    websocket_upgrade(stream, query, fleet.ports[session->node]);
}

static void join(struct session *session)
{
    char packet[256];
    int length;
    if (session->pid[0] == '\0')
        length = snprintf(packet, sizeof packet, "40");
    else if (session->offset[0] == '\0')
        length = snprintf(packet, sizeof packet, "40{\"pid\":\"%s\"}", session->pid);
    else
        length = snprintf(packet, sizeof packet, "40{\"pid\":\"%s\",\"offset\":\"%s\"}", session->pid, session->offset);
    session->state = JOINING;
    websocket_send(&session->stream, WEBSOCKET_TEXT, packet, (size_t)length);
}

/* The offset is the last argument, a string: `…},"4711"]`. Events that are not stored have none. */
static void take_offset(struct session *session, const char *text, size_t length)
{
    if (length < 4 || text[length - 1] != ']' || text[length - 2] != '"')
        return;
    const char *start = memrchr(text, '"', length - 2);
    size_t size = start == NULL ? 0 : (size_t)(text + length - 2 - (start + 1));
    if (size == 0 || size >= sizeof session->offset)
        return;
    memcpy(session->offset, start + 1, size);
    session->offset[size] = '\0';
    uint64_t commit = strtoull(session->offset, NULL, 10);
    if (commit <= session->commit)
        load_disorder();
    session->commit = commit;
}

static void on_event(struct session *session, const char *text, size_t length)
{
    size_t at = 2;
    while (at < length && text[at] >= '0' && text[at] <= '9')
        at++;
    if (at > 2) { /* the server wants to know that it arrived */
        char ack[32];
        int size = snprintf(ack, sizeof ack, "43%.*s[]", (int)(at - 2), text + 2);
        websocket_send(&session->stream, WEBSOCKET_TEXT, ack, (size_t)size);
    }
    if (session->state == READY) {
        take_offset(session, text, length);
        load_heard(session, text + at, length - at);
    } else if (memmem(text, length < 40 ? length : 40, "\"session:success\"", 17) != NULL) {
        take_string(text, length, "\"id\":\"", session->id, sizeof session->id);
        fleet_became_ready(session);
    } else {
        give_up(session, "login refused", text, length);
    }
}

static void on_packet(struct session *session, const char *text, size_t length)
{
    if (length == 0)
        return;
    if (text[0] == '2') {
        websocket_send(&session->stream, WEBSOCKET_TEXT, "3", 1);
    } else if (text[0] == '0') {
        join(session);
    } else if (text[0] == '4' && length > 1) {
        switch (text[1]) {
        case '0':
            take_string(text, length, "\"pid\":\"", session->pid, sizeof session->pid);
            if (session->state == JOINING) /* python-socketio says it after what its connect handler emits */
                session->state = LOGGING_IN;
            break;
        case '2':
            on_event(session, text, length);
            break;
        case '3':
            load_answered(session, &(struct job){.kind = POST_TEXT}, 200, text, length);
            break;
        default:
            give_up(session, "disconnected", text, length);
        }
    }
}

static size_t received(struct stream *stream, const char *bytes, size_t length)
{
    struct session *session = (struct session *)stream;
    struct websocket_frame frame;
    size_t used = 0;
    if (session->state == UPGRADING) {
        long head = websocket_upgraded(bytes, length);
        if (head < 0) {
            stream_close(stream);
            fleet_became_lost(session);
        }
        if (head <= 0)
            return 0;
        used = (size_t)head;
        session->state = OPENING;
    }
    for (size_t size; (size = websocket_frame(bytes + used, length - used, &frame)) > 0; used += size) {
        if (frame.opcode == WEBSOCKET_TEXT)
            on_packet(session, frame.payload, frame.length);
        else if (frame.opcode == WEBSOCKET_PING)
            websocket_send(stream, WEBSOCKET_PONG, frame.payload, frame.length);
        else if (frame.opcode == WEBSOCKET_CLOSE)
            give_up(session, "websocket closed", frame.payload, 0);
        if (!stream_is_open(stream))
            break;
    }
    return used;
}

static void lost(struct stream *stream)
{
    fleet_became_lost((struct session *)stream);
}

const struct stream_owner socketio_owner = {.connected = upgrade, .received = received, .lost = lost};

bool socketio_emit_text(struct session *session, const char *json, size_t length)
{
    char packet[EMIT_ROOM];
    int size = snprintf(packet, sizeof packet, "421[\"text\",%.*s]", (int)length, json);
    if (size < 0 || size >= (int)sizeof packet)
        return false;
    return websocket_send(&session->stream, WEBSOCKET_TEXT, packet, (size_t)size);
}
