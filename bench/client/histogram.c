#include "histogram.h"

#include <string.h>

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

static unsigned bucket_of(uint64_t us)
{
    if (us < HISTOGRAM_SUB)
        return (unsigned)us;
    unsigned octave = 63u - (unsigned)__builtin_clzll(us);
    unsigned sub = (unsigned)(us >> (octave - 6)) & (HISTOGRAM_SUB - 1);
    unsigned bucket = (octave - 5) * HISTOGRAM_SUB + sub;
    unsigned last = HISTOGRAM_OCTAVES * HISTOGRAM_SUB - 1;
    return bucket < last ? bucket : last;
}

static uint64_t lower_edge_us(unsigned bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    unsigned octave = bucket / HISTOGRAM_SUB + 5;
    uint64_t sub = bucket % HISTOGRAM_SUB;
    return (1ull << octave) + (sub << (octave - 6));
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
    uint64_t us = nanoseconds / 1000;
    if (us > histogram->longest_us)
        histogram->longest_us = us;
    histogram->counts[bucket_of(us)]++;
    histogram->total++;
}

double histogram_quantile_ms(const struct histogram *histogram, double quantile)
{
    uint64_t wanted = (uint64_t)(quantile * (double)histogram->total);
    uint64_t seen = 0;
    if (histogram->total == 0)
        return 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_OCTAVES * HISTOGRAM_SUB; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > wanted)
            return (double)lower_edge_us(bucket) / 1000;
    }
    return (double)histogram->longest_us / 1000;
}
