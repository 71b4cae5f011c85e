/* Encoding a sequence: find ways to do it, estimate what each costs, and write one. */
#ifndef EV_ENCODE_H
#define EV_ENCODE_H

#include "ev_bins.h"
#include "ev_sequence.h"

/* How hard to look for the cheapest encoding. */
typedef struct {
    uint32_t sample;   /* most values that costs are estimated on, 0 for all */
    uint8_t thorough;  /* whether to look at splits too, and at more grids */
} ev_search;

/* How residuals are to be divided among contexts. */
typedef struct {
    uint8_t class_count;
    uint8_t before_count;
    uint8_t threshold_count;
    uint8_t class_of[256];  /* by kind */
    uint8_t before_of[256];
    uint64_t thresholds[15];
} ev_division;

/* How a sequence could be encoded, with its estimated cost in bytes after compression. */
typedef struct {
    double cost;
    uint8_t transform;
    uint8_t layout;
    uint8_t direct_bits;
    uint8_t mantissa_bits;
    uint8_t kept; /* which of the encoder's bins, or divisions */
    uint8_t gain;
    uint64_t period;
} ev_choice;

#define EV_MAX_CHOICES 24
#define EV_MAX_KEPT 8

/* Where an encoded sequence goes. `part_at[i]` is the position in the description of the byte
 * that names the part of stream i, for the caller to set; noise[i] tells that compressing it is of no use. */
typedef struct {
    ev_sink description;
    ev_sink bytes;
    const uint8_t *description_start;
    const uint8_t *bytes_start;
    unsigned stream_count;
    size_t part_at[EV_MAX_STREAMS];
    size_t stream_start[EV_MAX_STREAMS];
    size_t stream_length[EV_MAX_STREAMS];
    uint8_t noise[EV_MAX_STREAMS];
} ev_output;

/* Bytes that the two sinks need for `count` values of `bits` bits, whatever they are. */
#define EV_DESCRIPTION_ROOM 65536
size_t ev_encode_room(size_t count, unsigned bits);

/* Bytes of scratch that ev_rank and ev_emit need. */
size_t ev_encode_scratch(size_t count, unsigned bits);

/* What is to be encoded, and what ev_emit needs to know beside the choice. The caller sets the first part, ev_rank the rest. */
typedef struct {
    const void *values;    /* aligned */
    uint32_t count;        /* 1 to EV_MAX_EVENTS */
    uint8_t bits;
    uint8_t is_signed;
    const uint8_t *kinds;  /* of the row of each value, or NULL: no classes then */
    const uint8_t *listed; /* the kinds of the block, ascending */
    uint32_t listed_count;
    void *scratch;         /* aligned to 8 bytes, of ev_encode_scratch bytes */

    uint64_t minimum;      /* as a pattern; smallest in the order of the dtype */
    uint64_t scale;
    unsigned bins_kept, divisions_kept;
    ev_bins bins[EV_MAX_KEPT];
    ev_division divisions[EV_MAX_KEPT];
} ev_encoder;

/* Find ways to encode and sort them by cost, cheapest first. Returns the number of choices, 1 to EV_MAX_CHOICES. What the caller set must live until
 * the last ev_emit. */
unsigned ev_rank(ev_encoder *encoder, ev_search search, ev_choice choices[EV_MAX_CHOICES]);

/* Encode by one of the choices. EV_SPACE if a sink is too small. */
int ev_emit(const ev_encoder *encoder, const ev_choice *choice, ev_output *output);

#endif
