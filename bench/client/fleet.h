/* The fleet: every session of a run and what is known of each. */
#ifndef FLEET_H
#define FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream.h"

/* How the server under test is spoken to. LEGATO: events arrive over Socket.IO and are posted over REST. SOCKETIO: the
 * peers' chats, where a text is emitted with an acknowledgement. XMPP: a multi-user chat over a TCP stream. */
enum protocol { LEGATO, SOCKETIO, XMPP };

/* Nodes that a fleet may be spread over. */
#define NODES 2

enum session_state { AWAY, CONNECTING, UPGRADING, OPENING, JOINING, LOGGING_IN, READY, LOST };

struct http;

struct session {
    struct stream stream; /* first, so that a stream is its session */
    enum session_state state;
    unsigned index;
    unsigned room;
    bool chat;   /* shaped like @vonage/client-sdk; otherwise like nexmo-client */
    bool sender; /* posts texts */
    unsigned node; /* whose socket it has */
    const char *user;
    const char *conversation;
    const char *member;
    const char *token;

    char id[64];     /* the server's session id */
    char pid[64];    /* Socket.IO connection-state recovery: who we are … */
    char offset[32]; /* … and what we heard last */
    uint64_t commit; /* the offset as a number, 0 before the first */
    struct http *http;

    bool awaits_answer; /* a text of ours is not answered yet */
    bool awaits_own;    /* a text of ours has not come back to us yet */
    unsigned awaits_receipts;
    uint64_t text_id;     /* the event id of the text whose receipts are awaited */
    uint64_t next_serial; /* sender: of the next text */
    uint64_t expected;    /* resume: the serial that must come next */
};

struct fleet {
    enum protocol protocol;
    int ports[NODES]; /* of the nodes; requests go to the first */
    unsigned count;
    unsigned rooms;
    struct session *sessions;
    unsigned ready;
    unsigned lost; /* since the last connect or resume */
};

extern struct fleet fleet;

/* Reads the plan: a line per session, `room  chat|classic  sender|listener  user  conversation  member  token`, tabs
 * between, and perhaps `node`. Ends the program when the plan cannot be read. */
void fleet_read(const char *path);

/* Everybody whose socket was at another node connects to the first one from now on. */
void fleet_move(void);

/* Connects every session that is AWAY or LOST, `parallel` at a time, until all are READY or `deadline` has passed.
 * Those with an id resume. */
void fleet_connect(unsigned parallel, uint64_t deadline_ns);

/* Cuts every connection. */
void fleet_drop(void);

/* For the protocols: a session is in, or is gone. */
void fleet_became_ready(struct session *session);
void fleet_became_lost(struct session *session);

#endif
