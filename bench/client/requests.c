#define _GNU_SOURCE
#include "requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVIDENCE "t=%019llu s=%05u n=%07llu "
#define EVIDENCE_SIZE 40 /* 2 + 19 + 1 + 2 + 5 + 1 + 2 + 7 + 1 */
#define XMPP_WRAPPING 130

static size_t pad(char *text, size_t from, size_t to)
{
    if (from < to)
        memset(text + from, 'x', to - from);
    return from < to ? to : from;
}

size_t request_plain_text(const struct session *session, const struct job *job, char *text)
{
    int length = sprintf(text, EVIDENCE, (unsigned long long)job->due_ns, session->index,
                         (unsigned long long)job->number);
    return pad(text, (size_t)length, EVENT_SIZE - XMPP_WRAPPING);
}

size_t request_event(const struct session *session, const struct job *job, char *json)
{
    char tail[128];
    int length, tail_length;
    if (session->chat) {
        length = sprintf(json,
                         "{\"cid\":\"%s\",\"from\":\"%s\",\"type\":\"message\","
                         "\"body\":{\"message_type\":\"text\",\"text\":\"",
                         session->conversation, session->member);
        tail_length = sprintf(tail, "\"}}");
    } else {
        length = sprintf(json, "{\"type\":\"text\",\"cid\":\"%s\",\"from\":\"%s\",\"body\":{\"text\":\"",
                         session->conversation, session->member);
        tail_length = session->id[0] == '\0' /* posts without listening */
                          ? sprintf(tail, "\"}}")
                          : sprintf(tail, "\"},\"originating_session\":\"%s\"}", session->id);
    }
    length += sprintf(json + length, EVIDENCE, (unsigned long long)job->due_ns, session->index,
                      (unsigned long long)job->number);
    size_t end = pad(json, (size_t)length, EVENT_SIZE - (size_t)tail_length);
    memcpy(json + end, tail, (size_t)tail_length);
    return end + (size_t)tail_length;
}

static size_t receipt(const struct session *session, const struct job *job, char *json)
{
    unsigned long long event_id = job->number;
    if (session->chat)
        return (size_t)sprintf(json,
                               "{\"cid\":\"%s\",\"from\":\"%s\",\"type\":\"message:delivered\","
                               "\"body\":{\"event_id\":%llu}}",
                               session->conversation, session->member, event_id);
    return (size_t)sprintf(json,
                           "{\"type\":\"text:delivered\",\"from\":\"%s\",\"body\":{\"event_id\":%llu},"
                           "\"originating_session\":\"%s\"}",
                           session->member, event_id, session->id);
}

size_t request_build(const struct session *session, const struct job *job, char *request)
{
    char json[2 * EVENT_SIZE];
    if (job->kind == GET_ME)
        return (size_t)snprintf(request, REQUEST_ROOM,
                                "GET /v0.3/conversations/%s/members/me HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                                "Content-Type: application/json\r\nAuthorization: bearer %s\r\n\r\n",
                                session->conversation, fleet.ports[0], session->token);
    size_t length = job->kind == POST_TEXT ? request_event(session, job, json) : receipt(session, job, json);
    return (size_t)snprintf(request, REQUEST_ROOM,
                            "POST /%s/conversations/%s/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                            "Content-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n"
                            "%.*s",
                            session->chat ? "v0.3" : "beta", session->conversation, fleet.ports[0], session->token, length,
                            (int)length, json);
}

bool request_read_evidence(const char *json, size_t length, char mark, struct text_evidence *evidence)
{
    char key[3] = {mark, 't', '='};
    const char *text = memmem(json, length, key, sizeof key);
    if (text == NULL || text + 1 + EVIDENCE_SIZE > json + length)
        return false;
    evidence->due_ns = strtoull(text + 3, NULL, 10);
    evidence->sender = (unsigned)strtoul(text + 25, NULL, 10);
    evidence->serial = strtoull(text + 33, NULL, 10);
    return true;
}
