/* What the kernel says of the cores and of the server's processes. */
#ifndef PROCSTAT_H
#define PROCSTAT_H

#define PROCSTAT_PIDS 16 /* a server and its children */

struct procstat {
    double server_cpu_s; /* CPU time of the server's processes so far */
    double client_cpu_s; /* … and ours */
    double core_s[2];    /* time each of the two cores has been busy with anything */
    double stolen_s;     /* time both cores wanted to run and the host did not let them */
};

void procstat_server(const int *pids, int count);
struct procstat procstat_now(void);

#endif
