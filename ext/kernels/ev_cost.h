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

/* Bytes that a stream takes whose bytes have these frequencies, each counted byte standing for `weight`: Shannon's entropy, what a sample of rare
 * bytes has too little of (Miller and Madow 1955: (used - 1) / 2 nats a sample), and a table of codes. */
double ev_stream_bytes(const uint32_t histogram[256], double weight);

/* Bytes that a further stream costs whatever it holds: its entry, its share of zstd headers and tables. */
#define EV_STREAM_OVERHEAD 6.0

#endif
