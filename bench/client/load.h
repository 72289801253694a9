/* The loads: who posts when, what is counted, and what was wrong. Each prints one line of JSON. */
#ifndef LOAD_H
#define LOAD_H

#include "fleet.h"
#include "http.h"
#include "requests.h"

/* Every sender has one text in flight: the next one goes out when the last is answered and, with `hear`, has come back
 * to its sender. */
void load_closed(double warm_s, double seconds, bool hear);

/* Texts at `per_second` in all, round the senders, whether or not the last is answered; ages count from when a text
 * was due. */
void load_rate(double warm_s, double seconds, double per_second);

/* Every session posts its own delivered receipt for every text, as its SDK does; a sender's next text goes out when all
 * receipts of its last are answered. */
void load_receipts(double warm_s, double seconds);

/* Every sender posts `each` texts, serials from 0, and stops. */
void load_append(unsigned each, bool hear);

/* Reconnects everyone and waits until each has heard `each` texts, serials from 0, once and in order. */
void load_resume(unsigned parallel, unsigned each, double deadline_s);

/* From the protocols: an event's JSON array `["name",{…}…]`; a text with its evidence; an answer; an answer that will
 * never come; an offset that did not grow. */
void load_heard(struct session *session, const char *text, size_t length);
void load_text(struct session *session, const struct text_evidence *evidence, uint64_t event_id);
void load_answered(struct session *session, const struct job *job, int status, const char *body, size_t length);
void load_unanswered(void);
void load_disorder(void);

#endif
