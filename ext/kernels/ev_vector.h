/* Vector bodies. Each does the first values, as many as whole vectors hold, and returns how many it did: 0 where this CPU level or
 * this lane width has none. The scalar body goes on from there, so that there is one for every level, and nothing is read or written beyond. */
#ifndef EV_VECTOR_H
#define EV_VECTOR_H

#include "ev_base.h"

/* Sums, going on from *sum: values[i] = *sum += scale * step, where the step is values[i], or with `zigzag` unzigzag(values[i]). */
#define EV_SUM_PARAMETERS(bits) uint##bits##_t *values, size_t count, int zigzag, uint##bits##_t scale, uint##bits##_t *sum
/* Sums of sums: values[i] = *sum += scale * (*delta += step). */
#define EV_SUM_TWICE_PARAMETERS(bits) EV_SUM_PARAMETERS(bits), uint##bits##_t *delta

#define EV_NO_VECTOR(bits)                                                                     \
    static inline size_t ev_sum##bits(EV_SUM_PARAMETERS(bits)) {                               \
        (void)values, (void)count, (void)zigzag, (void)scale, (void)sum;                       \
        return 0;                                                                              \
    }                                                                                          \
    static inline size_t ev_sum_twice##bits(EV_SUM_TWICE_PARAMETERS(bits)) {                   \
        (void)values, (void)count, (void)zigzag, (void)scale, (void)sum, (void)delta;          \
        return 0;                                                                              \
    }

EV_NO_VECTOR(8)
EV_NO_VECTOR(16)
#ifdef __AVX2__
#include "ev_vector_avx2.h"
#else
EV_NO_VECTOR(32)
EV_NO_VECTOR(64)
#endif

#endif
