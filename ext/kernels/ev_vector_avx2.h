/* The bodies of ev_vector.h with AVX2. */
#ifndef EV_VECTOR_AVX2_H
#define EV_VECTOR_AVX2_H

#include <immintrin.h>

static inline __m256i ev_load256(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }
static inline void ev_store256(void *to, __m256i vector) { _mm256_storeu_si256((__m256i *)to, vector); }

/* ---- 32-bit lanes ---- */

static inline __m256i ev_unzigzag256_32(__m256i z) {
    __m256i sign = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_and_si256(z, _mm256_set1_epi32(1)));
    return _mm256_xor_si256(_mm256_srli_epi32(z, 1), sign);
}

/* Each lane plus all below it: Hillis and Steele 1986, within the halves, then from the lower half to the upper. */
static inline __m256i ev_prefix256_32(__m256i v) {
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 4));
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 8));
    __m256i lower = _mm256_permute2x128_si256(v, v, 0x08); /* upper half: the lower one; lower half: 0 */
    return _mm256_add_epi32(v, _mm256_shuffle_epi32(lower, 0xFF));
}

static inline __m256i ev_last256_32(__m256i v) { return _mm256_permutevar8x32_epi32(v, _mm256_set1_epi32(7)); }

static inline size_t ev_sum32(EV_SUM_PARAMETERS(32)) {
    __m256i before = _mm256_set1_epi32((int)*sum), factor = _mm256_set1_epi32((int)scale);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i v = ev_load256(values + i);
        if (zigzag) v = ev_unzigzag256_32(v);
        if (scale != 1) v = _mm256_mullo_epi32(v, factor);
        v = ev_prefix256_32(v);
        ev_store256(values + i, _mm256_add_epi32(v, before));
        before = _mm256_add_epi32(before, ev_last256_32(v)); /* the only thing that one round waits for in the one before */
    }
    *sum = (uint32_t)_mm256_cvtsi256_si32(before);
    return i;
}

static inline size_t ev_sum_twice32(EV_SUM_TWICE_PARAMETERS(32)) {
    __m256i before = _mm256_set1_epi32((int)*sum), slope = _mm256_set1_epi32((int)*delta), factor = _mm256_set1_epi32((int)scale);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i v = ev_load256(values + i);
        if (zigzag) v = ev_unzigzag256_32(v);
        v = ev_prefix256_32(v);
        __m256i steps = _mm256_add_epi32(v, slope);
        slope = _mm256_add_epi32(slope, ev_last256_32(v));
        if (scale != 1) steps = _mm256_mullo_epi32(steps, factor);
        steps = ev_prefix256_32(steps);
        ev_store256(values + i, _mm256_add_epi32(steps, before));
        before = _mm256_add_epi32(before, ev_last256_32(steps));
    }
    *sum = (uint32_t)_mm256_cvtsi256_si32(before);
    *delta = (uint32_t)_mm256_cvtsi256_si32(slope);
    return i;
}

/* ---- 64-bit lanes ---- */

static inline __m256i ev_unzigzag256_64(__m256i z) {
    __m256i sign = _mm256_sub_epi64(_mm256_setzero_si256(), _mm256_and_si256(z, _mm256_set1_epi64x(1)));
    return _mm256_xor_si256(_mm256_srli_epi64(z, 1), sign);
}

static inline __m256i ev_prefix256_64(__m256i v) {
    v = _mm256_add_epi64(v, _mm256_slli_si256(v, 8));
    __m256i lower = _mm256_permute4x64_epi64(v, 0x55); /* its second lane is the sum of the lower half */
    return _mm256_add_epi64(v, _mm256_blend_epi32(_mm256_setzero_si256(), lower, 0xF0));
}

static inline __m256i ev_last256_64(__m256i v) { return _mm256_permute4x64_epi64(v, 0xFF); }

static inline __m256i ev_multiply256_64(__m256i a, __m256i b) { /* modulo 2^64 */
#if defined(__AVX512DQ__) && defined(__AVX512VL__)
    return _mm256_mullo_epi64(a, b);
#else
    __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(a, 32), b), _mm256_mul_epu32(a, _mm256_srli_epi64(b, 32)));
    return _mm256_add_epi64(_mm256_mul_epu32(a, b), _mm256_slli_epi64(cross, 32));
#endif
}

static inline uint64_t ev_first256_64(__m256i v) { return (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(v)); }

static inline size_t ev_sum64(EV_SUM_PARAMETERS(64)) {
    __m256i before = _mm256_set1_epi64x((long long)*sum), factor = _mm256_set1_epi64x((long long)scale);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        __m256i v = ev_load256(values + i);
        if (zigzag) v = ev_unzigzag256_64(v);
        if (scale != 1) v = ev_multiply256_64(v, factor);
        v = ev_prefix256_64(v);
        ev_store256(values + i, _mm256_add_epi64(v, before));
        before = _mm256_add_epi64(before, ev_last256_64(v));
    }
    *sum = ev_first256_64(before);
    return i;
}

static inline size_t ev_sum_twice64(EV_SUM_TWICE_PARAMETERS(64)) {
    __m256i before = _mm256_set1_epi64x((long long)*sum), slope = _mm256_set1_epi64x((long long)*delta);
    __m256i factor = _mm256_set1_epi64x((long long)scale);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        __m256i v = ev_load256(values + i);
        if (zigzag) v = ev_unzigzag256_64(v);
        v = ev_prefix256_64(v);
        __m256i steps = _mm256_add_epi64(v, slope);
        slope = _mm256_add_epi64(slope, ev_last256_64(v));
        if (scale != 1) steps = ev_multiply256_64(steps, factor);
        steps = ev_prefix256_64(steps);
        ev_store256(values + i, _mm256_add_epi64(steps, before));
        before = _mm256_add_epi64(before, ev_last256_64(steps));
    }
    *sum = ev_first256_64(before);
    *delta = ev_first256_64(slope);
    return i;
}

#endif
