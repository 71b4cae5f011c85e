/* What all targets share: taking small numbers from the input, buffers of exact size, and the standard columns.
 *
 * A target makes the calls that ext/evcodec/_codec.pyx makes, with the guarantees that the kernels' headers ask for and no others. Every buffer ends
 * where the kernel was told that it ends, so that AddressSanitizer sees a single byte beyond. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "ev_cpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that does not hold. */
static inline void require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

/* ---- buffers ---- */

/* `size` bytes, all `fill`; of no bytes: an address of which nothing may be touched. Free with `release`. */
static inline void *exact(size_t size, int fill) {
    uint8_t *bytes = malloc(size ? size : 8);
    require(bytes != NULL, "memory of the machine");
    memset(bytes, fill, size ? size : 8);
    return size ? bytes : bytes + 8;
}

static inline void release(void *bytes, size_t size) { free(size ? bytes : (uint8_t *)bytes - 8); }

static inline void *exact_copy(const void *from, size_t size) {
    void *bytes = exact(size, 0);
    if (size) memcpy(bytes, from, size);
    return bytes;
}

/* ---- the input ---- */

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} input;

static inline uint8_t take(input *in) { return in->at < in->end ? *in->at++ : 0; }

/* A count: most bytes give small ones, the largest give counts beyond the 1,024 residuals that kernels decode at a time. */
static inline uint32_t take_count(input *in) {
    unsigned byte = take(in);
    return byte < 224 ? byte + 1 : (byte - 223) * 64 + 1;
}

/* Bytes of what is left of the input, from its front again when they are used up. */
static inline void fill_from(input *in, const uint8_t *start, uint8_t *to, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (in->at == in->end) in->at = start;
        to[i] = take(in);
    }
}

/* ---- the standard columns: dtype of each id (docs/format.md, section 5.1; tests/test_fuzz_corpus.py compares) ---- */

static const uint8_t STANDARD_DTYPES[] = {0, 3, 4, 2, 2, 2, 2, 2, 5, 6, 3, 5, 5, 4, 6, 6, 6, 6, 5, 4, 6, 6};
static const uint8_t INDEX_DTYPES[] = {0, 3, 3, 4, 3, 3, 3, 7};

/* ---- CPU levels ---- */

/* Kept, since a virtual machine is slow to tell. */
static inline unsigned highest_level(void) {
    static int known;
    static unsigned highest;
    if (!known) highest = ev_cpu_highest();
    known = 1;
    return highest;
}

/* The next level from `level` on that is built and that this machine has, or EV_CPU_LEVELS. */
static inline unsigned next_level(unsigned level) {
    while (level < EV_CPU_LEVELS && (level > highest_level() || !ev_cpu_kernels(level))) level++;
    return level;
}

#define EACH_LEVEL(level) unsigned level = next_level(0); level < EV_CPU_LEVELS; level = next_level(level + 1)

/* ---- a column, at each level ---- */

/* What every level must agree on; not on what an error says: a vector body goes on a few residuals farther before one is seen. */
typedef struct {
    int known, status;
    uint8_t *values;
} agreed;

static inline void agree(agreed *first, int status, uint8_t *values, size_t size) {
    if (!first->known) {
        *first = (agreed){1, status, values};
        return;
    }
    require(status == first->status, "every level gives the same status");
    if (!status) require(!memcmp(values, first->values, size), "every level gives the same values");
    release(values, size);
}

/* Decode as Table.decode does, at each level. Scratch holds other bytes at each level, so that what was never written shows.
 * Returns the values, to be released, or NULL. */
static inline uint8_t *decode_everywhere(const ev_column *column, const ev_rows *rows, const uint8_t *const *parts, const uint8_t *kinds) {
    size_t size = (size_t)rows->rows * (ev_dtype_bits(column->dtype) / 8);
    agreed first = {0};
    for (EACH_LEVEL(level)) {
        const ev_kernels *kernels = ev_cpu_kernels(level);
        ev_error error = {"", 0, 0};
        uint8_t *values = exact(size, column->stored < rows->rows ? 0 : 0x51 + (int)level);
        int status = EV_OK;
        if (column->stored) {
            int needed = kernels->needs_kinds(column, rows->rows);
            if (needed && !kinds) {
                release(values, size);
                return NULL;
            }
            size_t room = kernels->column_scratch(column, rows->rows);
            uint8_t *scratch = exact(room, 0xA7 + (int)level);
            status = kernels->decode_column(column, rows, parts, needed ? kinds : NULL, values, scratch, &error);
            release(scratch, room);
        }
        agree(&first, status, values, size);
    }
    require(first.status != EV_SPACE, "no buffer is too small");
    if (!first.status) return first.values;
    release(first.values, size);
    return NULL;
}

#endif
