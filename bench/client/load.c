#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "histogram.h"
#include "procstat.h"
#include "socketio.h"
#include "xmpp.h"

#define DRAIN_S 10      /* how long a load waits, after its time, for what is still on its way */
#define LATE_COPIES_S 2 /* how long a resume listens on for events that come twice */

enum load { QUIET, CLOSED, RATE, RECEIPTS, APPEND, RESUME };

/* What a load counts. `measuring` opens and closes the window; the two histograms are of the window only. */
static struct {
    enum load load;
    bool measuring, stopping, hear;
    unsigned each;
    unsigned *members; /* sessions of each room */
    uint64_t posted, answered, refused, unanswered, deliveries;
    uint64_t texts_done, receipts_answered, receipts_heard;
    uint64_t complete, twice, missing, disorder;
    struct histogram heard_after, answered_after;
} run;

/* The counts and clocks at one edge of the window. */
struct edge {
    uint64_t ns, posted, answered, deliveries, texts_done, receipts_answered, receipts_heard;
    struct procstat stat;
};

static struct edge edge_now(void)
{
    return (struct edge){now_ns(),       run.posted,     run.answered,          run.deliveries,
                         run.texts_done, run.receipts_answered, run.receipts_heard, procstat_now()};
}

static void begin(enum load load, bool hear)
{
    unsigned *members = run.members;
    uint64_t disorder = run.disorder;
    memset(&run, 0, sizeof run);
    run.load = load;
    run.hear = hear;
    run.disorder = disorder; /* an event may be out of order between two loads, too */
    run.members = members != NULL ? members : calloc(fleet.rooms, sizeof *members);
    memset(run.members, 0, fleet.rooms * sizeof *run.members);
    for (unsigned i = 0; i < fleet.count; i++) {
        struct session *session = &fleet.sessions[i];
        session->awaits_answer = session->awaits_own = false;
        session->awaits_receipts = 0;
        session->text_id = session->next_serial = session->expected = 0;
        run.members[session->room]++;
    }
}

static void post(struct session *session, uint64_t due_ns)
{
    char json[2 * EVENT_SIZE];
    struct job job = {.kind = POST_TEXT, .number = session->next_serial++, .due_ns = due_ns};
    run.posted++;
    session->awaits_answer = fleet.protocol != XMPP;
    session->awaits_own = run.hear;
    if (fleet.protocol == LEGATO)
        http_ask(session, &job);
    else if (fleet.protocol == SOCKETIO)
        socketio_emit_text(session, json, request_event(session, &job, json));
    else
        xmpp_post_text(session, json, request_plain_text(session, &job, json));
}

static bool in_flight(const struct session *session)
{
    return session->awaits_answer || session->awaits_own || session->awaits_receipts > 0;
}

/* Posts the sender's next text if this load has one and the last is done with. */
static void next(struct session *session)
{
    bool loops = run.load == CLOSED || run.load == RECEIPTS || (run.load == APPEND && session->next_serial < run.each);
    if (loops && session->sender && !run.stopping && !in_flight(session))
        post(session, now_ns());
}

static void everyone_next(void)
{
    for (unsigned i = 0; i < fleet.count; i++)
        next(&fleet.sessions[i]);
}

static bool any_in_flight(void)
{
    for (unsigned i = 0; i < fleet.count; i++)
        if (fleet.sessions[i].sender && in_flight(&fleet.sessions[i]))
            return true;
    return false;
}

/* --- what the protocols report --- */

static void hear_for_receipt(struct session *session, const struct text_evidence *evidence, uint64_t event_id)
{
    struct session *sender = &fleet.sessions[evidence->sender];
    if (sender->text_id != event_id) { /* the first to hear it */
        sender->text_id = event_id;
        /* nexmo-client is silent about its own texts; @vonage/client-sdk receipts those too. */
        sender->awaits_receipts = run.members[sender->room] - (sender->chat ? 0 : 1);
    }
    if (session == sender && !session->chat)
        return;
    /* @vonage/client-sdk asks who it is in the conversation before each receipt. */
    http_ask(session, &(struct job){session->chat ? GET_ME : POST_RECEIPT, event_id, now_ns()});
}

static void check_missed(struct session *session, const struct text_evidence *evidence)
{
    if (evidence->serial < session->expected) {
        run.twice++;
        return;
    }
    run.missing += evidence->serial - session->expected;
    session->expected = evidence->serial + 1;
    if (session->expected == run.each)
        run.complete++;
}

void load_text(struct session *session, const struct text_evidence *evidence, uint64_t event_id)
{
    run.deliveries++;
    if (evidence->sender >= fleet.count)
        return;
    if (run.measuring)
        histogram_add(&run.heard_after, now_ns() - evidence->due_ns);
    if (run.load == RESUME)
        check_missed(session, evidence);
    else if (run.load == RECEIPTS)
        hear_for_receipt(session, evidence, event_id);
    if (evidence->sender == session->index) {
        session->awaits_own = false;
        next(session);
    }
}

/* The event's own id: the only `"id":` whose value is a number. */
static uint64_t event_id_of(const char *text, size_t length)
{
    const char *end = text + length;
    const char *at = text;
    while ((at = memmem(at, (size_t)(end - at), "\"id\":", 5)) != NULL) {
        at += 5;
        if (at < end && *at >= '0' && *at <= '9')
            return strtoull(at, NULL, 10);
    }
    return 0;
}

static bool is_named(const char *text, size_t length, const char *name)
{
    size_t size = strlen(name);
    return length > size + 3 && memcmp(text + 2, name, size) == 0 && text[2 + size] == '"';
}

void load_heard(struct session *session, const char *text, size_t length)
{
    struct text_evidence evidence;
    if (is_named(text, length, "text") || is_named(text, length, "message")) {
        if (request_read_evidence(text, length, '"', &evidence))
            load_text(session, &evidence, run.load == RECEIPTS ? event_id_of(text, length) : 0);
    } else if (is_named(text, length, "text:delivered") || is_named(text, length, "message:delivered")) {
        run.receipts_heard++;
    }
}

static void receipt_answered(const struct job *job)
{
    run.receipts_answered++;
    for (unsigned i = 0; i < fleet.count; i++) {
        struct session *sender = &fleet.sessions[i];
        if (!sender->sender || sender->text_id != job->number || sender->awaits_receipts == 0)
            continue;
        if (--sender->awaits_receipts == 0) {
            run.texts_done++;
            next(sender);
        }
        return;
    }
}

void load_answered(struct session *session, const struct job *job, int status, const char *body, size_t length)
{
    bool good = status >= 200 && status < 300;
    if (!good && run.refused++ == 0)
        fprintf(stderr, "refused: %d %.*s\n", status, (int)(length < 500 ? length : 500), body);
    if (job->kind == GET_ME) {
        if (good)
            http_ask(session, &(struct job){POST_RECEIPT, job->number, job->due_ns});
    } else if (job->kind == POST_RECEIPT) {
        receipt_answered(job);
    } else {
        run.answered += good;
        if (good && run.measuring && job->due_ns != 0)
            histogram_add(&run.answered_after, now_ns() - job->due_ns);
        session->awaits_answer = false;
        if (!good)
            session->awaits_own = false; /* what was refused will not come back */
        next(session);
    }
}

void load_unanswered(void)
{
    run.unanswered++;
}

void load_disorder(void)
{
    run.disorder++;
}

/* --- the loads --- */

static void poll_until(uint64_t deadline_ns)
{
    for (uint64_t now; (now = now_ns()) < deadline_ns;)
        poll_nap((int)((deadline_ns - now) / 1000000 + 1));
}

static void drain(void)
{
    uint64_t deadline = now_ns() + DRAIN_S * NS_PER_SECOND;
    run.stopping = true;
    while (any_in_flight() && now_ns() < deadline)
        poll_nap(10);
}

static void report(const struct edge *from, const struct edge *to, const char *more)
{
    double seconds = (double)(to->ns - from->ns) / 1e9;
    const struct procstat *a = &from->stat, *b = &to->stat;
    printf("{\"seconds\":%.3f,\"posted\":%lu,\"answered\":%lu,\"deliveries\":%lu,\"refused\":%lu,\"unanswered\":%lu,"
           "\"disorder\":%lu,\"lost_sessions\":%u,"
           "\"heard_ms\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},"
           "\"answer_ms\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},"
           "\"server_cpu_s\":%.3f,\"client_cpu_s\":%.3f,\"core0_s\":%.3f,\"core1_s\":%.3f,\"stolen_s\":%.3f%s}\n",
           seconds, to->posted - from->posted, to->answered - from->answered, to->deliveries - from->deliveries,
           run.refused, run.unanswered, run.disorder, fleet.lost, histogram_quantile_ms(&run.heard_after, 0.50),
           histogram_quantile_ms(&run.heard_after, 0.90), histogram_quantile_ms(&run.heard_after, 0.99),
           (double)run.heard_after.longest_us / 1000, histogram_quantile_ms(&run.answered_after, 0.50),
           histogram_quantile_ms(&run.answered_after, 0.90), histogram_quantile_ms(&run.answered_after, 0.99),
           (double)run.answered_after.longest_us / 1000, b->server_cpu_s - a->server_cpu_s,
           b->client_cpu_s - a->client_cpu_s, b->core_s[0] - a->core_s[0], b->core_s[1] - a->core_s[1],
           b->stolen_s - a->stolen_s, more);
    fflush(stdout);
}

void load_closed(double warm_s, double seconds, bool hear)
{
    begin(CLOSED, hear);
    everyone_next();
    poll_until(now_ns() + (uint64_t)(warm_s * 1e9));
    run.measuring = true;
    struct edge from = edge_now();
    poll_until(from.ns + (uint64_t)(seconds * 1e9));
    struct edge to = edge_now();
    run.measuring = false;
    drain();
    report(&from, &to, any_in_flight() ? ",\"drained\":false" : ",\"drained\":true");
}

/* Posts whatever is due until `end_ns`; waits without sleeping past a due time, since the core is ours alone. */
static void post_at_rate(double per_second, uint64_t end_ns)
{
    static unsigned turn;
    uint64_t gap = (uint64_t)(1e9 / per_second);
    for (uint64_t now, due = now_ns(); (now = now_ns()) < end_ns;) {
        for (; due <= now; due += gap) {
            while (!fleet.sessions[turn % fleet.count].sender)
                turn++;
            post(&fleet.sessions[turn++ % fleet.count], due);
        }
        poll_nap((int)((due - now) / 1000000)); /* 0 in the last millisecond: polls on */
    }
}

void load_rate(double warm_s, double seconds, double per_second)
{
    begin(RATE, false);
    post_at_rate(per_second, now_ns() + (uint64_t)(warm_s * 1e9));
    run.measuring = true;
    struct edge from = edge_now();
    post_at_rate(per_second, from.ns + (uint64_t)(seconds * 1e9));
    struct edge to = edge_now();
    drain();
    report(&from, &to, "");
}

/* Receipts that must have been heard once everything has arrived: every session's but the author's, by everyone. */
static uint64_t receipts_due(void)
{
    uint64_t due = 0;
    for (unsigned i = 0; i < fleet.count; i++) {
        const struct session *sender = &fleet.sessions[i];
        uint64_t members = run.members[sender->room];
        due += sender->next_serial * (members - 1) * members;
    }
    return due;
}

void load_receipts(double warm_s, double seconds)
{
    char more[256];
    begin(RECEIPTS, true);
    everyone_next();
    poll_until(now_ns() + (uint64_t)(warm_s * 1e9));
    run.measuring = true;
    struct edge from = edge_now();
    poll_until(from.ns + (uint64_t)(seconds * 1e9));
    struct edge to = edge_now();
    run.measuring = false;
    drain();
    poll_until(now_ns() + NS_PER_SECOND); /* the last receipts' fan-out follows their answers */
    snprintf(more, sizeof more,
             ",\"texts_done\":%lu,\"receipts_answered\":%lu,\"receipts_heard\":%lu,\"all_posted\":%lu,"
             "\"all_receipts_due\":%lu,\"all_receipts_heard\":%lu",
             to.texts_done - from.texts_done, to.receipts_answered - from.receipts_answered,
             to.receipts_heard - from.receipts_heard, run.posted, receipts_due(), run.receipts_heard);
    report(&from, &to, more);
}

void load_append(unsigned each, bool hear)
{
    begin(APPEND, hear);
    run.each = each;
    run.measuring = true;
    struct edge from = edge_now();
    everyone_next();
    while (any_in_flight() && run.unanswered == 0)
        poll_nap(100);
    struct edge to = edge_now();
    report(&from, &to, "");
}

void load_resume(unsigned parallel, unsigned each, double deadline_s)
{
    char more[160];
    begin(RESUME, false);
    run.each = each;
    struct edge from = edge_now();
    uint64_t deadline = from.ns + (uint64_t)(deadline_s * 1e9);
    fleet_connect(parallel, deadline);
    uint64_t connected = now_ns();
    while (run.complete < fleet.count && now_ns() < deadline)
        poll_nap(10);
    struct edge to = edge_now();
    poll_until(now_ns() + LATE_COPIES_S * NS_PER_SECOND);
    for (unsigned i = 0; i < fleet.count; i++)
        if (fleet.sessions[i].expected < each)
            run.missing += each - fleet.sessions[i].expected;
    snprintf(more, sizeof more, ",\"ready\":%u,\"complete\":%lu,\"missing\":%lu,\"twice\":%lu,\"connect_s\":%.3f",
             fleet.ready, run.complete, run.missing, run.twice, (double)(connected - from.ns) / 1e9);
    report(&from, &to, more);
}
