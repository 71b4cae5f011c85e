/* What a stream of bytes will cost after compression, estimated from its histogram. */
#ifndef EV_COST_H
#define EV_COST_H

#include "ev_base.h"

/* Positions a cost is estimated on: all, or evenly spread spans of consecutive values (neighbours matter for runs). */
typedef struct {
    size_t spans;
    size_t span_length;
    size_t stride;
    double weight; /* values that one sampled value stands for */
} ev_sample;

ev_sample ev_sample_of(size_t count, size_t wanted);

/* Shannon's order-0 entropy of a histogram of 256 counts, in bytes for all that were counted. */
double ev_entropy_bytes(const uint32_t histogram[256]);

/* Bytes that a further stream costs whatever it holds: its entry, its share of zstd headers and tables. */
#define EV_STREAM_OVERHEAD 6.0

#endif
