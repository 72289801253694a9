#include "procstat.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int server_pids[PROCSTAT_PIDS];
static int server_count;

void procstat_server(const int *pids, int count)
{
    server_count = count < PROCSTAT_PIDS ? count : PROCSTAT_PIDS;
    memcpy(server_pids, pids, (size_t)server_count * sizeof *pids);
}

static double cpu_of(int pid)
{
    char path[64], text[1024];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *after_name = strrchr(text, ')'); /* proc(5): the name may hold anything but is in brackets */
    if (after_name == NULL ||
        sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void read_cores(struct procstat *stat)
{
    char line[512];
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL)
        return;
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned core;
        unsigned long user, nice, system, idle, waiting, irq, softirq, stolen;
        if (sscanf(line, "cpu%u %lu %lu %lu %lu %lu %lu %lu %lu", &core, &user, &nice, &system, &idle, &waiting, &irq,
                   &softirq, &stolen) != 9 ||
            core > 1)
            continue;
        stat->core_s[core] = (double)(user + nice + system + irq + softirq) * tick;
        stat->stolen_s += (double)stolen * tick;
    }
    fclose(file);
}

struct procstat procstat_now(void)
{
    struct procstat stat = {0};
    struct timespec own;
    for (int i = 0; i < server_count; i++)
        stat.server_cpu_s += cpu_of(server_pids[i]);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    stat.client_cpu_s = (double)own.tv_sec + (double)own.tv_nsec / 1e9;
    read_cores(&stat);
    return stat;
}
