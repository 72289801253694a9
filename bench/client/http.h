/* HTTP/1.1 keep-alive: one connection per session, one request at a time, the rest waits in a short queue. */
#ifndef HTTP_H
#define HTTP_H

#include "fleet.h"

enum job_kind { POST_TEXT, GET_ME, POST_RECEIPT };

/* Something a session has to ask of the server. `number`: a text's serial, or the event a receipt is for. `due_ns`:
 * when it was to be asked; waiting in the queue counts as the server's time. */
struct job {
    enum job_kind kind;
    uint64_t number;
    uint64_t due_ns;
};

/* Sends the request (requests.h) or queues it. Ends the program when a session has more open requests than a browser
 * could have: the load is then not the one that was asked for. */
void http_ask(struct session *session, const struct job *job);

void http_close(struct session *session);

#endif
