/* A sequence (docs/format.md, section 5.2): its description, how to read one, how to decode and to encode one. */
#ifndef EV_SEQUENCE_H
#define EV_SEQUENCE_H

#include "ev_base.h"

enum { EV_NONE = 0, EV_DELTA = 1, EV_DELTA2 = 2 };
enum { EV_CONSTANT = 0, EV_PLANES = 1, EV_DICTIONARY = 2, EV_TOKENS = 3, EV_RUNS = 4 };

#define EV_MAX_PARTS 255
#define EV_MAX_EVENTS 1048576
#define EV_ESCAPE 255

/* A stream: `length` bytes of part `part`, from `offset` on. */
typedef struct {
    uint32_t part;
    uint64_t offset;
    uint64_t length;
} ev_stream;

/* One level of a sequence. Values are w-bit patterns; `count` values, `count - transform` residuals. */
typedef struct {
    uint8_t bits;
    uint8_t transform;
    uint8_t layout;
    uint8_t planes;
    uint8_t direct_bits;
    uint8_t mantissa_bits;
    uint16_t dictionary_size;
    uint32_t count;
    uint32_t inner_count;      /* escapes, or runs */
    uint64_t base;             /* base or first */
    uint64_t step;
    uint64_t scale;
    uint64_t constant;
    const uint8_t *dictionary; /* its varints, checked */
    const uint8_t *dictionary_end;
    ev_stream streams[2];
} ev_level;

/* A whole sequence: the outer level, and the escapes, or the run values and run lengths. */
typedef struct {
    ev_level outer;
    ev_level inner[2];
} ev_sequence;

/* How many bytes the streams described so far take from each part, and which parts they name. */
typedef struct {
    uint64_t used[EV_MAX_PARTS];
    uint8_t named[EV_MAX_PARTS];
} ev_part_use;

/* Read the description of a sequence of `count` >= 1 values of `bits` bits. The cursor's bytes must outlive
 * `sequence`. Everything is checked but the contents of the streams. */
int ev_read_sequence(ev_cursor *cursor, uint32_t count, unsigned bits, ev_sequence *sequence, ev_part_use *use,
                     ev_error *error);

/* Number of streams of a sequence, at most 4; `streams[i]` is set to each, in the order of the format. */
unsigned ev_sequence_streams(const ev_sequence *sequence, const ev_stream *streams[4]);

/* Bytes of scratch that ev_decode needs. */
size_t ev_decode_scratch(const ev_sequence *sequence);

/* Decode into `values`, room for count values of bits / 8 bytes, aligned to their size. `parts[p]` is the first byte of part p
 * for each part that the sequence takes a stream from, holding at least the bytes that ev_part_use counted.
 * `scratch` is aligned to 8 bytes. Nothing is read or written outside; buffers must not overlap. */
int ev_decode(const ev_sequence *sequence, const uint8_t *const *parts, void *values, void *scratch, ev_error *error);

/* ---- encoding ---- */

/* How a sequence could be encoded, with its estimated cost in bytes after compression. */
typedef struct {
    double cost;
    uint8_t transform;
    uint8_t layout;
    uint8_t direct_bits;
    uint8_t mantissa_bits;
} ev_choice;

#define EV_MAX_CHOICES 16

/* Where an encoded sequence goes. `part_at[i]` is the position in the description of the byte
 * that names the part of stream i, for the caller to set; noise[i] tells that compressing it is of no use. */
typedef struct {
    ev_sink description;
    ev_sink bytes;
    const uint8_t *description_start;
    const uint8_t *bytes_start;
    unsigned stream_count;
    size_t part_at[4];
    size_t stream_start[4];
    size_t stream_length[4];
    uint8_t noise[4];
} ev_output;

/* Bytes that the two sinks need for `count` values of `bits` bits, whatever they are. */
#define EV_DESCRIPTION_ROOM 4096
size_t ev_encode_room(size_t count, unsigned bits);

/* Bytes of scratch that ev_rank and ev_emit need. */
size_t ev_encode_scratch(size_t count, unsigned bits);

/* Everything ev_emit needs to know beside the choice; filled by ev_rank. */
typedef struct {
    const void *values;
    uint32_t count;
    uint8_t bits;
    uint64_t minimum; /* as a pattern; smallest in the order of the dtype */
    uint64_t scale;
    void *scratch;
} ev_encoder;

/* Find ways to encode `count` >= 1 values and sort them by cost, cheapest first. `sample` is the most values
 * that costs are estimated on, 0 for all. Returns the number of choices, 1 to EV_MAX_CHOICES. `values` and `scratch` are kept
 * in `encoder` and must live until the last ev_emit. */
unsigned ev_rank(ev_encoder *encoder, const void *values, uint32_t count, unsigned bits, int is_signed, uint32_t sample,
                 void *scratch, ev_choice choices[EV_MAX_CHOICES]);

/* Encode by one of the choices. EV_SPACE if a sink is too small. */
int ev_emit(const ev_encoder *encoder, const ev_choice *choice, ev_output *output);

#endif
