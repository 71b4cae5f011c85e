/* Selecting rows by kind, with AVX2 and, where the CPU level has it, AVX-512: a vector body for ev_kinds_lanes.h. Like those
 * of ev_vector.h it does the first rows, in whole groups, and the scalar body the others. */
#ifndef EV_ROWS_AVX2_H
#define EV_ROWS_AVX2_H

#include "ev_vector.h"

/* A set of kinds as 256 bits, byte j holding kinds 8j to 8j + 7: bytes 0 to 15, and 16 to 31, in both halves of a vector. */
typedef struct {
    __m256i low, high;
} ev_kind_set;

static inline ev_kind_set ev_kind_set_of(const uint8_t selected[256]) {
    uint8_t bits[32] = {0};
    for (unsigned kind = 0; kind < 256; kind++) bits[kind / 8] |= (uint8_t)((selected[kind] != 0) << kind % 8);
    ev_kind_set set = {_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bits)),
                       _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(bits + 16)))};
    return set;
}

/* Bit i: whether kinds[i] is in the set, of 32. */
static inline uint32_t ev_rows_of(const ev_kind_set *set, const uint8_t *kinds) {
    const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i kind = ev_load256(kinds), byte = _mm256_and_si256(_mm256_srli_epi16(kind, 3), _mm256_set1_epi8(15));
    __m256i bits = _mm256_blendv_epi8(_mm256_shuffle_epi8(set->low, byte), _mm256_shuffle_epi8(set->high, byte), kind);
    __m256i bit = _mm256_shuffle_epi8(bit_of, _mm256_and_si256(kind, _mm256_set1_epi8(7)));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(bits, bit), bit));
}

/* Set the numbers of selected rows, up to `most` of them, as long as there is room for those of a whole group. */
static inline size_t ev_find_rows(const uint8_t *kinds, size_t count, const uint8_t selected[256], int64_t *rows, size_t most, size_t *found) {
    const ev_kind_set set = ev_kind_set_of(selected);
    size_t i = 0, at = 0;
    for (; i + 32 <= count && most - at >= 32; i += 32)
        for (uint32_t some = ev_rows_of(&set, kinds + i); some; some &= some - 1) rows[at++] = (int64_t)(i + (size_t)_mm_popcnt_u32((some & (0u - some)) - 1));
    *found = at;
    return i;
}

#if defined(__AVX512F__) && defined(__AVX512VL__)

static inline __m256i ev_expand32(__m256i v, unsigned rows) { return _mm256_maskz_expand_epi32((__mmask8)rows, v); }

#else

/* Lane j of the entry of a mask, 4 bits each. Lane j takes as many values on as there are set bits
 * below bit j. */
#define EV_BIT(m, j) ((m) >> (j)&1u)
#define EV_ONES(m) (EV_BIT(m, 0) + EV_BIT(m, 1) + EV_BIT(m, 2) + EV_BIT(m, 3) + EV_BIT(m, 4) + EV_BIT(m, 5) + EV_BIT(m, 6))
#define EV_BELOW(m, j) (EV_ONES((m) & ((1u << (j)) - 1)) << 4 * (j))
#define EV_EXPAND1(m) EV_BELOW(m, 1) | EV_BELOW(m, 2) | EV_BELOW(m, 3) | EV_BELOW(m, 4) | EV_BELOW(m, 5) | EV_BELOW(m, 6) | EV_BELOW(m, 7)
#define EV_EXPAND4(m) EV_EXPAND1(m), EV_EXPAND1((m) + 1u), EV_EXPAND1((m) + 2u), EV_EXPAND1((m) + 3u)
#define EV_EXPAND16(m) EV_EXPAND4(m), EV_EXPAND4((m) + 4u), EV_EXPAND4((m) + 8u), EV_EXPAND4((m) + 12u)
#define EV_EXPAND64(m) EV_EXPAND16(m), EV_EXPAND16((m) + 16u), EV_EXPAND16((m) + 32u), EV_EXPAND16((m) + 48u)
static const uint32_t EV_EXPAND[256] = {EV_EXPAND64(0u), EV_EXPAND64(64u), EV_EXPAND64(128u), EV_EXPAND64(192u)};

/* Four bits of a 32-bit number to each of eight lanes; the lanes use the lowest three of what they get. */
static inline __m256i ev_nibbles(uint32_t eight) {
    return _mm256_srlv_epi32(_mm256_set1_epi32((int)eight), _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
}

static inline __m256i ev_expand32(__m256i v, unsigned rows) {
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i selected = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)rows), bit), bit);
    return _mm256_and_si256(_mm256_permutevar8x32_epi32(v, ev_nibbles(EV_EXPAND[rows])), selected);
}

#endif

/* Bring stored values to the selected rows, and 0 to the others. Sets *found to how many it took. Eight are read at once, so it ends while there are
 * enough left for a whole group. */
static inline size_t ev_scatter_rows32(const uint32_t *stored, size_t stored_count, const uint8_t *kinds, size_t count, const uint8_t selected[256],
                                       uint32_t *out, size_t *found) {
    const ev_kind_set set = ev_kind_set_of(selected);
    size_t i = 0, at = 0;
    for (; i + 32 <= count && stored_count - at >= 32; i += 32) {
        uint32_t rows = ev_rows_of(&set, kinds + i);
        for (unsigned eight = 0; eight < 32; eight += 8) {
            unsigned some = rows >> eight & 255;
            ev_store256(out + i + eight, ev_expand32(ev_load256(stored + at), some));
            at += (unsigned)_mm_popcnt_u32(some);
        }
    }
    *found = at;
    return i;
}

#endif
