#include "ev_cpu.h"

extern const ev_kernels ev_kernel_table_baseline;
#ifdef EV_CPU_BUILT_V3
extern const ev_kernels ev_kernel_table_v3;
#endif
#ifdef EV_CPU_BUILT_V4
extern const ev_kernels ev_kernel_table_v4;
#endif

static const ev_kernels *const TABLES[EV_CPU_LEVELS] = {
    &ev_kernel_table_baseline,
#ifdef EV_CPU_BUILT_V3
    &ev_kernel_table_v3,
#else
    NULL,
#endif
#ifdef EV_CPU_BUILT_V4
    &ev_kernel_table_v4,
#else
    NULL,
#endif
};

const ev_kernels *ev_in_use = &ev_kernel_table_baseline;

const ev_kernels *ev_cpu_kernels(unsigned level) { return level < EV_CPU_LEVELS ? TABLES[level] : NULL; }

const char *ev_cpu_level_name(unsigned level) {
    static const char *const NAMES[EV_CPU_LEVELS] = {"baseline", "x86-64-v3", "x86-64-v4"};
    return level < EV_CPU_LEVELS ? NAMES[level] : "";
}

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>

static void ask(uint32_t leaf, uint32_t part, uint32_t registers[4]) {
    int answer[4];
    __cpuidex(answer, (int)leaf, (int)part);
    memcpy(registers, answer, sizeof answer);
}

static uint64_t saved_registers(void) { return _xgetbv(0); }

#else
#include <cpuid.h>

static void ask(uint32_t leaf, uint32_t part, uint32_t registers[4]) {
    __cpuid_count(leaf, part, registers[0], registers[1], registers[2], registers[3]);
}

static uint64_t saved_registers(void) { /* the intrinsic would need a compiler flag for the whole file */
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

enum { LEAF_1_ECX, LEAF_7_EBX, LEAF_80000001_ECX, WORDS };
enum { SAVED_AVX = 0x06, SAVED_AVX512 = 0xE6 }; /* xmm, ymm; and opmask, the upper zmm */

typedef struct {
    const char *name;
    uint8_t level; /* the first that has it; v2 is counted as part of v3 */
    uint8_t word;
    uint8_t bit;
    uint8_t saved; /* registers that the operating system must keep */
} ev_feature;

/* Intel, Software Developer's Manual, volume 2, CPUID; levels: x86-64 psABI, table 3.1. */
static const ev_feature FEATURES[] = {
    {"sse3", EV_CPU_V3, LEAF_1_ECX, 0, 0},
    {"ssse3", EV_CPU_V3, LEAF_1_ECX, 9, 0},
    {"fma", EV_CPU_V3, LEAF_1_ECX, 12, SAVED_AVX},
    {"cmpxchg16b", EV_CPU_V3, LEAF_1_ECX, 13, 0},
    {"sse4.1", EV_CPU_V3, LEAF_1_ECX, 19, 0},
    {"sse4.2", EV_CPU_V3, LEAF_1_ECX, 20, 0},
    {"movbe", EV_CPU_V3, LEAF_1_ECX, 22, 0},
    {"popcnt", EV_CPU_V3, LEAF_1_ECX, 23, 0},
    {"osxsave", EV_CPU_V3, LEAF_1_ECX, 27, 0},
    {"avx", EV_CPU_V3, LEAF_1_ECX, 28, SAVED_AVX},
    {"f16c", EV_CPU_V3, LEAF_1_ECX, 29, SAVED_AVX},
    {"bmi1", EV_CPU_V3, LEAF_7_EBX, 3, 0},
    {"avx2", EV_CPU_V3, LEAF_7_EBX, 5, SAVED_AVX},
    {"bmi2", EV_CPU_V3, LEAF_7_EBX, 8, 0},
    {"lahf", EV_CPU_V3, LEAF_80000001_ECX, 0, 0},
    {"lzcnt", EV_CPU_V3, LEAF_80000001_ECX, 5, 0},
    {"avx512f", EV_CPU_V4, LEAF_7_EBX, 16, SAVED_AVX512},
    {"avx512dq", EV_CPU_V4, LEAF_7_EBX, 17, SAVED_AVX512},
    {"avx512cd", EV_CPU_V4, LEAF_7_EBX, 28, SAVED_AVX512},
    {"avx512bw", EV_CPU_V4, LEAF_7_EBX, 30, SAVED_AVX512},
    {"avx512vl", EV_CPU_V4, LEAF_7_EBX, 31, SAVED_AVX512},
};
enum { FEATURE_COUNT = sizeof FEATURES / sizeof FEATURES[0], OSXSAVE_BIT = 27 };

/* Set has[i] for each feature that may be used. */
static void find_features(uint8_t has[FEATURE_COUNT]) {
    uint32_t words[WORDS] = {0}, registers[4];
    uint64_t saved = 0;
    ask(0, 0, registers);
    uint32_t last = registers[0];
    ask(1, 0, registers);
    words[LEAF_1_ECX] = registers[2];
    if (words[LEAF_1_ECX] >> OSXSAVE_BIT & 1) saved = saved_registers();
    if (last >= 7) {
        ask(7, 0, registers);
        words[LEAF_7_EBX] = registers[1];
    }
    ask(0x80000000u, 0, registers);
    if (registers[0] >= 0x80000001u) {
        ask(0x80000001u, 0, registers);
        words[LEAF_80000001_ECX] = registers[2];
    }
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const ev_feature *feature = &FEATURES[i];
        has[i] = (words[feature->word] >> feature->bit & 1) && (saved & feature->saved) == feature->saved;
    }
}

unsigned ev_cpu_highest(void) {
    uint8_t has[FEATURE_COUNT];
    unsigned level = EV_CPU_V4;
    find_features(has);
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (!has[i] && level >= FEATURES[i].level) level = FEATURES[i].level - 1u;
    return level;
}

unsigned ev_cpu_features(const char *names[EV_CPU_MAX_FEATURES]) {
    uint8_t has[FEATURE_COUNT];
    unsigned count = 0;
    find_features(has);
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (has[i]) names[count++] = FEATURES[i].name;
    return count;
}

#else

unsigned ev_cpu_highest(void) { return EV_CPU_BASELINE; }

unsigned ev_cpu_features(const char *names[EV_CPU_MAX_FEATURES]) {
    (void)names;
    return 0;
}

#endif
