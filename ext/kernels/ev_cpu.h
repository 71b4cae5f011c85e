/* What this machine can run, and the table of kernels for it. */
#ifndef EV_CPU_H
#define EV_CPU_H

#include "ev_kernels.h"

/* Levels as the x86-64 psABI defines them, each with all of those below; other architectures have the first only. */
enum { EV_CPU_BASELINE = 0, EV_CPU_V3 = 1, EV_CPU_V4 = 2, EV_CPU_LEVELS = 3 };

/* "baseline", "x86-64-v3", "x86-64-v4" */
const char *ev_cpu_level_name(unsigned level);

/* The kernels of a level, or NULL where they were not built. Call them only on a machine that has the level. */
const ev_kernels *ev_cpu_kernels(unsigned level);

/* The kernels that Cython calls: of the baseline until another table is set here, before any thread calls one. */
extern const ev_kernels *ev_in_use;

/* The highest level that the processor has and the operating system keeps the registers of. */
unsigned ev_cpu_highest(void);

/* Set names[i] to each feature, of those that levels ask for, that may be used here; returns how many. */
#define EV_CPU_MAX_FEATURES 32
unsigned ev_cpu_features(const char *names[EV_CPU_MAX_FEATURES]);

#endif
