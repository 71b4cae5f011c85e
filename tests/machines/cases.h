/* The file of cases, read on machines of any byte order: all its numbers are little-endian, as cases.py writes them. */
#ifndef CASES_H
#define CASES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A run of bytes of the file, read from the front; to read more than there is ends the program. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} span;

static inline void require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "driver: %s\n", what);
    exit(2);
}

static inline const uint8_t *take(span *from, size_t length) {
    require(length <= (size_t)(from->end - from->at), "the file of cases ends too early");
    from->at += length;
    return from->at - length;
}

/* An unsigned integer of `size` little-endian bytes: spelled out, for it judges the loads of the kernels. */
static inline uint64_t number_at(const uint8_t *at, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static inline uint64_t number(span *from, unsigned size) { return number_at(take(from, size), size); }

static inline span run(span *from) { /* a length of four bytes, and so many bytes */
    size_t length = (size_t)number(from, 4);
    const uint8_t *at = take(from, length);
    return (span){at, at + length};
}

static inline size_t length_of(span of) { return (size_t)(of.end - of.at); }

static inline void *room(size_t length) {
    void *at = malloc(length ? length : 1);
    require(at != NULL, "no memory");
    return at;
}

/* An integer of this machine, in the order of its bytes here. */
static inline uint64_t own_number(const void *values, size_t i, unsigned size) {
    switch (size) {
    case 1: return ((const uint8_t *)values)[i];
    case 2: return ((const uint16_t *)values)[i];
    case 4: return ((const uint32_t *)values)[i];
    default: return ((const uint64_t *)values)[i];
    }
}

/* The integers of a run, as this machine has them. */
static inline void *own_numbers(span of, unsigned size) {
    size_t count = length_of(of) / size;
    void *values = room((count + 1) * size);
    for (size_t i = 0; i < count; i++) {
        uint64_t value = number_at(of.at + i * size, size);
        switch (size) {
        case 1: ((uint8_t *)values)[i] = (uint8_t)value; break;
        case 2: ((uint16_t *)values)[i] = (uint16_t)value; break;
        case 4: ((uint32_t *)values)[i] = (uint32_t)value; break;
        default: ((uint64_t *)values)[i] = value;
        }
    }
    return values;
}

static inline int same_numbers(const void *values, span expected, unsigned size) {
    for (size_t i = 0; i < length_of(expected) / size; i++)
        if (own_number(values, i, size) != number_at(expected.at + i * size, size)) return 0;
    return 1;
}

#endif
