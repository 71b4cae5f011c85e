/* A sequence (docs/format.md, sections 5.2 to 5.4 and 5.6): its description, how to read and how to decode one. */
#ifndef EV_SEQUENCE_H
#define EV_SEQUENCE_H

#include "ev_base.h"

enum { EV_NONE = 0, EV_DELTA = 1, EV_DELTA2 = 2, EV_GRID = 3 };
enum { EV_CONSTANT = 0, EV_PLANES = 1, EV_DICTIONARY = 2, EV_TOKENS = 3, EV_RUNS = 4, EV_BINS = 5, EV_SPLIT = 6 };

#define EV_MAX_PARTS 255
#define EV_MAX_EVENTS 1048576
#define EV_ESCAPE 255
#define EV_MAX_CONTEXTS 16
#define EV_MAX_STREAMS (2 * EV_MAX_CONTEXTS)
#define EV_MAX_PERIOD ((uint64_t)1 << 40)

/* A stream: `length` bytes of part `part`, from `offset` on. */
typedef struct {
    uint64_t offset;
    uint32_t length;
    uint32_t part;
} ev_stream;

/* One level of a sequence: `count` values, w-bit patterns. */
typedef struct {
    uint8_t bits;
    uint8_t transform;
    uint8_t layout;
    uint8_t planes;
    uint8_t direct_bits;
    uint8_t mantissa_bits;
    uint8_t code_bits;
    uint8_t gain;
    uint16_t entry_count;      /* of a dictionary, or bins */
    uint32_t count;
    uint32_t inner_count;      /* escapes, runs, or contexts */
    uint64_t base;             /* base or first */
    uint64_t step;
    uint64_t scale;
    uint64_t period;
    uint64_t constant;
    const uint8_t *entries;    /* their bytes, checked */
    const uint8_t *entries_end;
    ev_stream streams[2];
} ev_level;

/* How residuals are divided among contexts. */
typedef struct {
    uint8_t class_count;        /* of the kind of a row */
    uint8_t before_count;       /* of the kind of the row before */
    uint8_t threshold_count;
    const uint8_t *classes;     /* of each kind of the block, when class_count > 1 */
    const uint8_t *before;      /* likewise, when before_count > 1 */
    uint64_t thresholds[15];
} ev_split;

/* A whole sequence: the outer level, and the escapes, or the run values and run lengths, or the contexts. */
typedef struct {
    ev_level outer;
    ev_split split;
    ev_level inner[EV_MAX_CONTEXTS];
} ev_sequence;

/* How many bytes the streams described so far take from each part, and which parts they name. */
typedef struct {
    uint64_t used[EV_MAX_PARTS];
    uint8_t named[EV_MAX_PARTS];
} ev_part_use;

/* How many values a transform states itself: count less these are the residuals. */
static inline unsigned ev_stated(unsigned transform) { return transform == EV_GRID ? 1 : transform; }

/* What `kind_count` of ev_read_sequence may be beside the number of kinds, where a split has no classes, or may not stand. */
enum { EV_NO_CLASSES = 0, EV_NO_SPLIT = -1 };

/* Read the description of a sequence of `count` >= 1 values of `bits` bits. The cursor's bytes must outlive
 * `sequence`. Everything is checked but the contents of the streams. */
int ev_read_sequence(ev_cursor *cursor, uint32_t count, unsigned bits, int kind_count, ev_sequence *sequence, ev_part_use *use,
                     ev_error *error);

/* Whether contexts depend on the kinds of rows. */
static inline int ev_is_classed(const ev_sequence *sequence) { return sequence->split.class_count > 1 || sequence->split.before_count > 1; }

/* Read the next of the bins that ev_read_sequence has checked. */
int ev_read_bin(ev_cursor *cursor, unsigned bits, uint64_t *gap, uint8_t *extra, ev_error *error);

/* Number of streams of a sequence; `streams[i]` is set to each, in the order of the format. */
unsigned ev_sequence_streams(const ev_sequence *sequence, const ev_stream *streams[EV_MAX_STREAMS]);

/* Bytes of scratch that ev_decode needs. */
size_t ev_decode_scratch(const ev_sequence *sequence);

/* Decode into `values`, room for count values of bits / 8 bytes, aligned to their size. `parts[p]` is the first byte of part p
 * for each part that the sequence takes a stream from, holding at least the bytes that ev_part_use counted. `classes` is the class of each
 * value's row x before_count + that of the row before, and is needed when ev_is_classed.
 * `scratch` is aligned to 8 bytes. Nothing is read or written outside; buffers must not overlap. */
int ev_decode(const ev_sequence *sequence, const uint8_t *const *parts, const uint8_t *classes, void *values, void *scratch,
              ev_error *error);

#endif
