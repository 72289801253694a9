#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "http.h"
#include "socketio.h"
#include "xmpp.h"

#define PLAN_LINE 8192 /* a token is about a kilobyte */

struct fleet fleet;

static unsigned connecting;

static void *must(void *memory)
{
    if (memory == NULL) {
        perror("out of memory");
        exit(1);
    }
    return memory;
}

static void read_line(struct session *session, char *line)
{
    char *fields[7];
    for (int i = 0; i < 7; i++) {
        fields[i] = strsep(&line, "\t\n");
        if (fields[i] == NULL) {
            fprintf(stderr, "plan: session %u has %d fields\n", session->index, i);
            exit(2);
        }
    }
    session->room = (unsigned)atoi(fields[0]);
    session->chat = strcmp(fields[1], "chat") == 0;
    session->sender = strcmp(fields[2], "sender") == 0;
    session->user = must(strdup(fields[3]));
    session->conversation = must(strdup(fields[4]));
    session->member = must(strdup(fields[5]));
    session->token = must(strdup(fields[6]));
    char *node = strsep(&line, "\t\n");
    session->node = node != NULL && *node != '\0' ? (unsigned)atoi(node) % NODES : 0;
    session->stream.watched.fd = -1;
    if (session->room >= fleet.rooms)
        fleet.rooms = session->room + 1;
}

void fleet_move(void)
{
    for (unsigned i = 0; i < fleet.count; i++)
        fleet.sessions[i].node = 0;
}

void fleet_read(const char *path)
{
    static char line[PLAN_LINE];
    unsigned room = 0;
    FILE *plan = fopen(path, "r");
    if (plan == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof line, plan) != NULL) {
        if (fleet.count == room) {
            room = room == 0 ? 128 : room * 2;
            fleet.sessions = must(realloc(fleet.sessions, room * sizeof *fleet.sessions));
        }
        struct session *session = &fleet.sessions[fleet.count];
        memset(session, 0, sizeof *session);
        session->index = fleet.count++;
        read_line(session, line);
    }
    fclose(plan);
}

static void start(struct session *session)
{
    connecting++;
    session->state = CONNECTING;
    const struct stream_owner *owner = fleet.protocol == XMPP ? &xmpp_owner : &socketio_owner;
    stream_connect(&session->stream, owner, session->index, fleet.ports[session->node]);
}

void fleet_connect(unsigned parallel, uint64_t deadline_ns)
{
    unsigned next = 0;
    connecting = 0;
    fleet.lost = 0;
    while (now_ns() < deadline_ns) {
        for (; next < fleet.count && connecting < parallel; next++)
            if (fleet.sessions[next].state == AWAY || fleet.sessions[next].state == LOST)
                start(&fleet.sessions[next]);
        if (next == fleet.count && connecting == 0)
            return;
        poll_nap(100);
    }
}

void fleet_drop(void)
{
    for (unsigned i = 0; i < fleet.count; i++) {
        stream_close(&fleet.sessions[i].stream);
        fleet.sessions[i].state = AWAY;
        http_close(&fleet.sessions[i]);
    }
    fleet.ready = 0;
}

void fleet_became_ready(struct session *session)
{
    session->state = READY;
    fleet.ready++;
    connecting--;
}

void fleet_became_lost(struct session *session)
{
    if (session->state == LOST)
        return;
    if (session->state == READY)
        fleet.ready--;
    else
        connecting--;
    session->state = LOST;
    fleet.lost++;
}
