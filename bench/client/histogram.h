/* Durations counted in buckets a 64th of an octave wide: exact below 64 µs, within 1.6 % above. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB 64     /* buckets per octave */
#define HISTOGRAM_OCTAVES 40 /* 2^40 µs is twelve days: longer than any run */

struct histogram {
    uint64_t counts[HISTOGRAM_OCTAVES * HISTOGRAM_SUB];
    uint64_t total;
    uint64_t longest_us;
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

/* The duration, in milliseconds, that the share `quantile` (0..1) of the counted ones does not exceed; 0 when empty. */
double histogram_quantile_ms(const struct histogram *histogram, double quantile);

#endif
