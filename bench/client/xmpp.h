/* RFC 6120 and XEP-0045 as far as a listener in a multi-user chat needs them: log in, join, count messages. */
#ifndef XMPP_H
#define XMPP_H

#include "fleet.h"

extern const struct stream_owner xmpp_owner;

/* A session's `conversation` is the room's address, `member` its nick, `token` the SASL PLAIN message in base64. */
bool xmpp_post_text(struct session *session, const char *text, size_t length);

#endif
