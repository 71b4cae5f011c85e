/* Where a polled device's reports stand beside its grid (docs/format.md, section 5.4). */
#ifndef EV_GRID_H
#define EV_GRID_H

#include <stdint.h>

typedef struct {
    int64_t period; /* 2 to 2^40 */
    int64_t gain;   /* 1 to 15, in sixteenths */
    int64_t offset; /* of the last report, in 1/256 units */
} ev_grid;

/* Shifts round down: right shifts of negative numbers keep the sign on every compiler that is supported. */
static inline int64_t ev_grid_correction(const ev_grid *grid) { return (grid->offset + 128) >> 8; }

static inline void ev_grid_step(ev_grid *grid, int64_t step) {
    int64_t correction = ev_grid_correction(grid), phase = step % grid->period;
    phase += phase < 0 ? grid->period : 0;
    phase -= phase >= grid->period - grid->period / 2 ? grid->period : 0;
    int64_t error = phase * 256 + grid->offset - correction * 256;
    grid->offset = error - ((error * grid->gain) >> 4);
}

#endif
