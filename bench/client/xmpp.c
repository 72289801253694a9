#define _GNU_SOURCE
#include "xmpp.h"

#include <stdio.h>
#include <string.h>

#include "load.h"

#define STANZA_ROOM 4096 /* a text of 400 bytes and its wrapping */

static const char stream_header[] =
    "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>";

/* The steps of logging in: what must have arrived, and what is then said. The states are borrowed from Socket.IO. */
enum step { STREAM = UPGRADING, AUTHENTICATING = OPENING, BINDING = JOINING, ENTERING = LOGGING_IN };

static bool arrived(const char *bytes, size_t length, const char *mark, size_t *used)
{
    const char *at = memmem(bytes, length, mark, strlen(mark));
    if (at == NULL)
        return false;
    *used = (size_t)(at - bytes) + strlen(mark);
    return true;
}

static void say(struct session *session, const char *stanza)
{
    stream_write(&session->stream, stanza, strlen(stanza));
}

static void open_stream(struct stream *stream)
{
    struct session *session = (struct session *)stream;
    session->state = (enum session_state)STREAM;
    say(session, stream_header);
}

/* Takes one step of the login; returns the bytes it used. */
static size_t log_in(struct session *session, const char *bytes, size_t length)
{
    char stanza[STANZA_ROOM];
    size_t used = 0;
    switch ((enum step)session->state) {
    case STREAM:
        if (!arrived(bytes, length, "</stream:features>", &used))
            break;
        snprintf(stanza, sizeof stanza, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
                 session->token);
        say(session, stanza);
        session->state = (enum session_state)AUTHENTICATING;
        break;
    case AUTHENTICATING:
        if (!arrived(bytes, length, "<success", &used) || !arrived(bytes, length, "/>", &used))
            break;
        say(session, stream_header);
        session->state = (enum session_state)BINDING;
        break;
    case BINDING:
        if (!arrived(bytes, length, "</stream:features>", &used))
            break;
        say(session, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
        session->state = (enum session_state)ENTERING;
        break;
    case ENTERING:
        if (session->id[0] == '\0') {
            if (!arrived(bytes, length, "</iq>", &used))
                break;
            strcpy(session->id, "bound");
            snprintf(stanza, sizeof stanza,
                     "<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>"
                     "</presence>",
                     session->conversation, session->member);
            say(session, stanza);
        } else if (arrived(bytes, length, "code='110'", &used)) { /* XEP-0045 7.2.2: this presence is one's own */
            fleet_became_ready(session);
        }
        break;
    }
    return used;
}

/* Takes whole messages; of other stanzas only the last, unfinished one is kept. */
static size_t listen_on(struct session *session, const char *bytes, size_t length)
{
    static const char end_mark[] = "</message>";
    struct text_evidence evidence;
    size_t used = 0;
    const char *end;
    while ((end = memmem(bytes + used, length - used, end_mark, sizeof end_mark - 1)) != NULL) {
        size_t size = (size_t)(end - (bytes + used)) + sizeof end_mark - 1;
        if (request_read_evidence(bytes + used, size, '>', &evidence))
            load_text(session, &evidence, 0);
        used += size;
    }
    const char *start = memrchr(bytes + used, '<', length - used);
    if (start != NULL && memmem(bytes + used, length - used, "<message", 8) == NULL)
        used = (size_t)(start - bytes);
    return used;
}

static size_t received(struct stream *stream, const char *bytes, size_t length)
{
    struct session *session = (struct session *)stream;
    size_t used = 0;
    while (session->state != READY && stream_is_open(stream)) {
        size_t step = log_in(session, bytes + used, length - used);
        if (step == 0)
            return used;
        used += step;
    }
    return used + listen_on(session, bytes + used, length - used);
}

static void lost(struct stream *stream)
{
    fleet_became_lost((struct session *)stream);
}

const struct stream_owner xmpp_owner = {.connected = open_stream, .received = received, .lost = lost};

bool xmpp_post_text(struct session *session, const char *text, size_t length)
{
    char stanza[STANZA_ROOM];
    int size = snprintf(stanza, sizeof stanza, "<message type='groupchat' to='%s'><body>%.*s</body></message>",
                        session->conversation, (int)length, text);
    return stream_write(&session->stream, stanza, (size_t)size);
}
