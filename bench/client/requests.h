/* What the two SDKs send, byte for byte in what the server looks at, with a text that carries its own evidence:
 *
 *   t=<19 digits: when it was due, ns> s=<5 digits: sender> n=<7 digits: serial> xxx…
 *
 * so that whoever hears it knows how old it is, whose it is and whether one is missing.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "http.h"

#define REQUEST_ROOM 8192 /* a token of about a kilobyte and a text of 400 bytes */
#define EVENT_SIZE 400    /* bytes of the JSON of a posted event */

/* The JSON a text is posted with, EVENT_SIZE bytes of it. */
size_t request_event(const struct session *session, const struct job *job, char *json);

/* The whole HTTP request for a job; `request` has REQUEST_ROOM bytes. */
size_t request_build(const struct session *session, const struct job *job, char *request);

/* The bare text, of a size that makes about EVENT_SIZE with the wrapping of an XMPP message. */
size_t request_plain_text(const struct session *session, const struct job *job, char *text);

struct text_evidence {
    uint64_t due_ns;
    unsigned sender;
    uint64_t serial;
};

/* Reads what a text carries; false when `json` carries no such text. `mark` is what stands right before `t=`. */
bool request_read_evidence(const char *json, size_t length, char mark, struct text_evidence *evidence);

#endif
