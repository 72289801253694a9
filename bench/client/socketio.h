/* Engine.IO 4 and Socket.IO 5 over a websocket, as far as a client that mostly listens needs them.
 *
 *   0{"sid":…}                    Engine.IO open             →  40  or, resuming, 40{"pid":…,"offset":…}
 *   40{"sid":…,"pid":…}           namespace joined
 *   42["session:success",{…}]     logged in
 *   42["text",{…},"<offset>"]     an event                   →  load_heard
 *   43<n>[…]                      answer to what we emitted  →  load_answered
 *   2                             ping                       →  3
 */
#ifndef SOCKETIO_H
#define SOCKETIO_H

#include "fleet.h"

extern const struct stream_owner socketio_owner;

/* Emits a text with an acknowledgement, which the peers give after they have stored it. */
bool socketio_emit_text(struct session *session, const char *json, size_t length);

#endif
