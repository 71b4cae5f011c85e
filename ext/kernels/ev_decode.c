/* Decoding a sequence that ev_read_sequence has checked: the layout gives residuals, the transform gives values. */
#include "ev_codes.h"
#include "ev_grid.h"
#include "ev_vector.h"

#ifdef __AVX2__
#include "ev_codes_avx2.h"
#endif

#define EV_BITS 8
#include "ev_decode_lanes.h"
#define EV_BITS 16
#include "ev_decode_lanes.h"
#define EV_BITS 32
#include "ev_decode_lanes.h"
#define EV_BITS 64
#include "ev_decode_lanes.h"

int ev_decode(const ev_sequence *sequence, const uint8_t *const *parts, const uint8_t *classes, void *values, void *scratch,
              ev_error *error) {
    switch (sequence->outer.bits) {
    case 8: return decode8(sequence, parts, classes, values, scratch, error);
    case 16: return decode16(sequence, parts, classes, values, scratch, error);
    case 32: return decode32(sequence, parts, classes, values, scratch, error);
    default: return decode64(sequence, parts, classes, values, scratch, error);
    }
}
