/* load PROTOCOL PORT[,PORT] PLAN: a fleet of sessions that does what standard input says, one command a line, and answers each
 * with one line of JSON.
 *
 *   server PID…                        whose CPU time counts as the server's
 *   connect PARALLEL DEADLINE_S        everyone logs in
 *   quiet SECONDS                      only heartbeats are answered
 *   closed WARM_S SECONDS HEAR         load_closed …
 *   rate WARM_S SECONDS PER_SECOND
 *   receipts WARM_S SECONDS
 *   append EACH HEAR
 *   drop                               every connection is cut
 *   resume PARALLEL EACH DEADLINE_S
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "fleet.h"
#include "load.h"
#include "procstat.h"

#define COMMAND_ROOM 256

static char command[COMMAND_ROOM];
static size_t command_length;
static bool command_given;

static void done(void)
{
    printf("{}\n");
    fflush(stdout);
}

static void do_server(char *arguments)
{
    int pids[PROCSTAT_PIDS], count = 0;
    for (char *pid; (pid = strsep(&arguments, " ")) != NULL && count < PROCSTAT_PIDS;)
        pids[count++] = atoi(pid);
    procstat_server(pids, count);
    done();
}

static void do_connect(unsigned parallel, double deadline_s)
{
    struct procstat before = procstat_now();
    uint64_t start = now_ns();
    fleet_connect(parallel, start + (uint64_t)(deadline_s * 1e9));
    double seconds = (double)(now_ns() - start) / 1e9;
    struct procstat after = procstat_now();
    printf("{\"sessions\":%u,\"ready\":%u,\"lost\":%u,\"seconds\":%.3f,\"server_cpu_s\":%.3f,\"client_cpu_s\":%.3f,"
           "\"core0_s\":%.3f,\"core1_s\":%.3f,\"stolen_s\":%.3f}\n",
           fleet.count, fleet.ready, fleet.lost, seconds, after.server_cpu_s - before.server_cpu_s,
           after.client_cpu_s - before.client_cpu_s, after.core_s[0] - before.core_s[0],
           after.core_s[1] - before.core_s[1], after.stolen_s - before.stolen_s);
    fflush(stdout);
}

static void do_quiet(double seconds)
{
    uint64_t deadline = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < deadline)
        poll_nap(10);
    done();
}

static void obey(char *line)
{
    double a = 0, b = 0, c = 0;
    char *arguments = strchr(line, ' ');
    if (arguments != NULL)
        *arguments++ = '\0';
    sscanf(arguments != NULL ? arguments : "", "%lf %lf %lf", &a, &b, &c);
    if (strcmp(line, "server") == 0) {
        do_server(arguments);
    } else if (strcmp(line, "connect") == 0) {
        do_connect((unsigned)a, b);
    } else if (strcmp(line, "quiet") == 0) {
        do_quiet(a);
    } else if (strcmp(line, "closed") == 0) {
        load_closed(a, b, c != 0);
    } else if (strcmp(line, "rate") == 0) {
        load_rate(a, b, c);
    } else if (strcmp(line, "receipts") == 0) {
        load_receipts(a, b);
    } else if (strcmp(line, "append") == 0) {
        load_append((unsigned)a, b != 0);
    } else if (strcmp(line, "drop") == 0) {
        fleet_drop();
        done();
    } else if (strcmp(line, "move") == 0) {
        fleet_move();
        done();
    } else if (strcmp(line, "resume") == 0) {
        load_resume((unsigned)a, (unsigned)b, c);
    } else {
        fprintf(stderr, "no such command: %s\n", line);
        exit(2);
    }
}

static void on_input(struct watched *input, uint32_t events)
{
    (void)events;
    ssize_t arrived = read(input->fd, command + command_length, sizeof command - 1 - command_length);
    if (arrived <= 0)
        exit(0); /* whoever started us is done */
    command_length += (size_t)arrived;
    command[command_length] = '\0';
    char *end = strchr(command, '\n'); /* the next command is only given after the answer to this one */
    if (end == NULL)
        return;
    *end = '\0';
    command_length = 0;
    command_given = true; /* obeyed outside the poll, which a load runs itself */
}

static enum protocol protocol_named(const char *name)
{
    if (strcmp(name, "legato") == 0)
        return LEGATO;
    if (strcmp(name, "socketio") == 0)
        return SOCKETIO;
    if (strcmp(name, "xmpp") == 0)
        return XMPP;
    fprintf(stderr, "no such protocol: %s\n", name);
    exit(2);
}

int main(int count, char **arguments)
{
    struct rlimit files;
    struct watched input = {.fd = STDIN_FILENO, .ready = on_input};
    if (count != 4) {
        fprintf(stderr, "usage: load legato|socketio|xmpp PORT[,PORT] PLAN\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    fleet.protocol = protocol_named(arguments[1]);
    if (sscanf(arguments[2], "%d,%d", &fleet.ports[0], &fleet.ports[1]) == 1)
        fleet.ports[1] = fleet.ports[0];
    poll_start();
    fleet_read(arguments[3]);
    poll_watch(&input, EPOLLIN);
    for (;;) {
        poll_wait();
        if (command_given) {
            command_given = false;
            obey(command);
        }
    }
}
