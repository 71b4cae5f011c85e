/* Codes of four bits, eight at a time: the bases and numbers of extra bits of sixteen codes fit in registers. Vector bodies for
 * ev_decode_lanes.h; like those of ev_vector.h they do the first residuals, in whole groups, and the scalar body the others. */
#ifndef EV_CODES_AVX2_H
#define EV_CODES_AVX2_H

#include "ev_codes.h"
#include "ev_vector.h"

#if defined(__AVX512F__) && defined(__AVX512VL__)
#define EV_WIDE 1
#else
#define EV_WIDE 0
#endif

/* Sixteen numbers of 32 bits. */
typedef struct {
    __m256i low, high;
} ev_sixteen;

static inline ev_sixteen ev_sixteen_of(const uint32_t numbers[16]) {
    ev_sixteen all = {ev_load256(numbers), ev_load256(numbers + 8)};
    return all;
}

static inline __m256i ev_look_up(const ev_sixteen *table, __m256i codes) { /* each below 16 */
#if EV_WIDE
    return _mm256_permutex2var_epi32(table->low, codes, table->high);
#else
    __m256i low = _mm256_permutevar8x32_epi32(table->low, codes), high = _mm256_permutevar8x32_epi32(table->high, codes);
    __m256 above = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28)); /* bit 3, where the blend looks */
    return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), above));
#endif
}

/* Eight codes of four bits. */
static inline __m256i ev_eight_codes(const uint8_t *codes) {
    uint32_t packed;
    memcpy(&packed, codes, 4);
    __m256i all = _mm256_srlv_epi32(_mm256_set1_epi32((int)packed), _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
    return _mm256_and_si256(all, _mm256_set1_epi32(15));
}

/* What is left of a word behind each of eight numbers of bits, cut to 32 bits. */
static inline __m256i ev_words_behind(uint64_t word, __m256i skipped) {
#if EV_WIDE
    return _mm512_cvtepi64_epi32(_mm512_srlv_epi64(_mm512_set1_epi64((long long)word), _mm512_cvtepu32_epi64(skipped)));
#else
    __m256i all = _mm256_set1_epi64x((long long)word);
    __m256i first = _mm256_srlv_epi64(all, _mm256_cvtepu32_epi64(_mm256_castsi256_si128(skipped)));
    __m256i last = _mm256_srlv_epi64(all, _mm256_cvtepu32_epi64(_mm256_extracti128_si256(skipped, 1)));
    __m256 halves = _mm256_shuffle_ps(_mm256_castsi256_ps(first), _mm256_castsi256_ps(last), 0x88); /* 0 1 4 5 2 3 6 7 */
    return _mm256_permute4x64_epi64(_mm256_castps_si256(halves), 0xD8);
#endif
}

/* Residuals from..to; `from` is even. Returns the first that it left: it ends where eight have more bits than one load holds. */
static inline size_t ev_take_nibbles32(ev_code_reader *reader, size_t from, size_t to, uint32_t *out) {
    uint32_t bases[16], extras[16];
    for (unsigned code = 0; code < 16; code++) {
        bases[code] = (uint32_t)reader->table.base[code];
        extras[code] = reader->table.extra[code];
    }
    ev_sixteen base = ev_sixteen_of(bases), extra = ev_sixteen_of(extras);
    uint64_t at = reader->at;
    size_t i = from;
    for (; i + 8 <= to && at >> 3 <= reader->length; i += 8) {
        __m256i codes = ev_eight_codes(reader->codes + i / 2), count = ev_look_up(&extra, codes), end = ev_prefix256_32(count);
        uint32_t total = (uint32_t)_mm256_extract_epi32(end, 7);
        if (total > 57) break; /* also where a code is none */
        uint64_t word = ev_bits_at(reader, at);
        __m256i bits = ev_words_behind(word, _mm256_sub_epi32(end, count)), one = _mm256_set1_epi32(1);
        __m256i mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, count), one); /* a shift by 32 or more gives 0 */
        ev_store256(out + i, _mm256_add_epi32(ev_look_up(&base, codes), _mm256_and_si256(bits, mask)));
        at += total;
    }
    reader->at = at;
    return i;
}

#if EV_WIDE

/* The same for lanes of 64 bits. */
static inline size_t ev_take_nibbles64(ev_code_reader *reader, size_t from, size_t to, uint64_t *out) {
    uint32_t extras[16];
    for (unsigned code = 0; code < 16; code++) extras[code] = reader->table.extra[code];
    ev_sixteen extra = ev_sixteen_of(extras);
    __m512i low = _mm512_loadu_si512(reader->table.base), high = _mm512_loadu_si512(reader->table.base + 8);
    uint64_t at = reader->at;
    size_t i = from;
    for (; i + 8 <= to && at >> 3 <= reader->length; i += 8) {
        __m256i codes = ev_eight_codes(reader->codes + i / 2), count = ev_look_up(&extra, codes), end = ev_prefix256_32(count);
        uint32_t total = (uint32_t)_mm256_extract_epi32(end, 7);
        if (total > 57) break;
        uint64_t word = ev_bits_at(reader, at);
        __m512i behind = _mm512_srlv_epi64(_mm512_set1_epi64((long long)word), _mm512_cvtepu32_epi64(_mm256_sub_epi32(end, count)));
        __m512i one = _mm512_set1_epi64(1), mask = _mm512_sub_epi64(_mm512_sllv_epi64(one, _mm512_cvtepu32_epi64(count)), one);
        __m512i bases = _mm512_permutex2var_epi64(low, _mm512_cvtepu32_epi64(codes), high);
        _mm512_storeu_si512(out + i, _mm512_add_epi64(bases, _mm512_and_si512(behind, mask)));
        at += total;
    }
    reader->at = at;
    return i;
}

#endif

#endif
