/* Runs one kernel on a made-up input: driver LEVEL KERNEL. Without arguments it lists kernels, a line each.
 * What is counted is what runs inside of `measured`. Exit status 3: this machine or this build does not have the level. */
#include <stdio.h>
#include <stdlib.h>

#include "ev_cpu.h"

enum { EVENTS = 65536 };
static const ev_search SEARCH = {4096, 0};

static const ev_kernels *kernels;

static void require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "driver: %s\n", what);
    exit(1);
}

/* ---- inputs: a linear congruential generator (Knuth 3.3.4, MMIX) is the same everywhere ---- */

static uint64_t state;

static uint32_t draw(uint32_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % below);
}

/* Position of a hand: its speed changes in small steps, and now and then it rests. */
static void fill_motion(void *values) {
    int32_t *x = values, at = 900, speed = 0;
    for (unsigned i = 0; i < EVENTS; i++) {
        speed += (int32_t)draw(7) - 3 - speed / 8;
        if (!draw(200)) speed = (int32_t)draw(120) - 60;
        x[i] = at += speed;
    }
}

/* A clock of whole milliseconds that polls every eight, in ns. */
static void fill_clock(void *values) {
    int64_t *t = values, at = 1000000000;
    for (unsigned i = 0; i < EVENTS; i++) t[i] = at += 1000000 * (int64_t)(draw(10) ? 8 : draw(40) ? 7 + draw(4) : draw(3000));
}

/* A clock with jitter of some microseconds, in ns. */
static void fill_jitter(void *values) {
    int64_t *t = values, at = 1000000000;
    for (unsigned i = 0; i < EVENTS; i++) t[i] = at += 990000 + (int64_t)draw(20000) + (draw(50) ? 0 : draw(90000000));
}

/* Moves with a click or a key here and there. */
static void fill_kinds(void *values) {
    uint8_t *kinds = values, held = 0;
    for (unsigned i = 0; i < EVENTS; i++) {
        kinds[i] = 0;
        if (draw(30)) continue;
        kinds[i] = held ? held : draw(2) ? 1 : 4;
        held = held ? 0 : kinds[i] + 1;
    }
}

/* Codes of keys. */
static void fill_keys(void *values) {
    int32_t *codes = values;
    for (unsigned i = 0; i < EVENTS; i++) codes[i] = (int32_t)(draw(4) ? 30 + draw(24) : 1 + draw(120));
}

/* Values that nothing foretells. */
static void fill_noise(void *values) {
    uint32_t *noise = values;
    for (unsigned i = 0; i < EVENTS; i++) noise[i] = draw(1u << 24);
}

typedef struct {
    const char *name;
    void (*fill)(void *values);
    unsigned bits;
    int is_signed;
    int transform; /* of the encoding to decode; -1: the cheapest */
    int layout;
} column;

static const column COLUMNS[] = {
    {"motion", fill_motion, 32, 1, -1, 0},
    {"clock", fill_clock, 64, 1, -1, 0},
    {"jitter", fill_jitter, 64, 1, -1, 0},
    {"kinds", fill_kinds, 8, 0, -1, 0},
    {"keys", fill_keys, 32, 1, -1, 0},
    {"noise", fill_noise, 32, 0, -1, 0},
    {"motion-tokens", fill_motion, 32, 1, EV_DELTA2, EV_TOKENS},
    {"motion-planes", fill_motion, 32, 1, EV_DELTA, EV_PLANES},
    {"clock-dictionary", fill_clock, 64, 1, EV_DELTA, EV_DICTIONARY},
    {"jitter-tokens", fill_jitter, 64, 1, EV_DELTA, EV_TOKENS},
    {"kinds-runs", fill_kinds, 8, 0, EV_NONE, EV_RUNS},
};
enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0] };

static const char *const BY_KIND[] = {"count-kinds", "kinds-match", "kinds-with-values", "gather", "scatter-few", "scatter-most", "range", "find-kinds"};
enum { BY_KIND_COUNT = sizeof BY_KIND / sizeof BY_KIND[0] };

/* ---- what is measured ---- */

typedef struct {
    int what; /* 0 encode, 1 decode, 2 and on: BY_KIND */
    const column *chosen;
    void *values, *out, *scratch;
    uint8_t *kinds, selected[256];
    ev_encoder encoder;
    ev_choice choices[EV_MAX_CHOICES];
    unsigned found;
    ev_output output;
    ev_sequence sequence;
    const uint8_t *parts[EV_MAX_PARTS];
    uint32_t counts[256];
    uint8_t listed[5];
    uint32_t rows[5];
    size_t stored;
    ev_error error;
} work;

__attribute__((noinline)) void measured(work *job);

__attribute__((noinline)) void measured(work *job) {
    int status = EV_OK;
    int64_t low, high;
    switch (job->what) {
    case 0:
        job->found = kernels->rank(&job->encoder, SEARCH, job->choices);
        status = kernels->emit(&job->encoder, &job->choices[0], &job->output);
        break;
    case 1: status = kernels->decode(&job->sequence, job->parts, NULL, job->out, job->scratch, &job->error); break;
    case 2: kernels->count_kinds(job->kinds, EVENTS, job->counts); break;
    case 3: status = !kernels->kinds_match(job->kinds, EVENTS, job->listed, job->rows, 5); break;
    case 4: kernels->kinds_with_values(job->values, 4, job->kinds, EVENTS, 256, job->selected); break;
    case 5: kernels->gather(job->values, 4, job->kinds, EVENTS, job->selected, job->out); break;
    case 6:
    case 7: status = kernels->scatter(job->values, job->stored, 4, job->kinds, EVENTS, job->selected, job->out, &job->error); break;
    case 9: kernels->find_kinds(job->kinds, EVENTS, job->selected, job->out, EVENTS); break;
    default: kernels->range(job->values, EVENTS, &low, &high); break;
    }
    require(!status, "the kernel failed");
}

/* ---- around it ---- */

static void prepare_output(ev_output *output, uint8_t *space, size_t room) {
    memset(output, 0, sizeof *output);
    output->description = (ev_sink){space, space + EV_DESCRIPTION_ROOM, 0};
    output->bytes = (ev_sink){space + EV_DESCRIPTION_ROOM, space + EV_DESCRIPTION_ROOM + room, 0};
    output->description_start = output->description.at;
    output->bytes_start = output->bytes.at;
}

/* Encode, and read the description, so that `measured` only decodes. */
static void prepare_decode(work *job, uint8_t *space, size_t room) {
    const column *chosen = job->chosen;
    job->found = kernels->rank(&job->encoder, SEARCH, job->choices);
    ev_choice pick = job->choices[0];
    if (chosen->transform >= 0) {
        memset(&pick, 0, sizeof pick);
        pick.transform = (uint8_t)chosen->transform;
        pick.layout = (uint8_t)chosen->layout;
        pick.direct_bits = chosen->bits == 64 ? 4 : 5;
        pick.mantissa_bits = 2;
    }
    prepare_output(&job->output, space, room);
    require(!kernels->emit(&job->encoder, &pick, &job->output), "it cannot be encoded");
    for (unsigned i = 0; i < job->output.stream_count; i++) {
        space[job->output.part_at[i]] = (uint8_t)i;
        job->parts[i] = job->output.bytes_start + job->output.stream_start[i];
    }
    static ev_part_use use;
    ev_cursor cursor = {space, job->output.description.at};
    require(!ev_read_sequence(&cursor, EVENTS, chosen->bits, EV_NO_CLASSES, &job->sequence, &use, &job->error), "its description cannot be read");
    job->scratch = calloc(ev_decode_scratch(&job->sequence), 1);
    require(job->scratch != NULL, "no memory");
}

static void prepare_kinds(work *job) {
    static const uint8_t LISTED[] = {0, 1, 2, 4, 5};
    if (job->what == 8) fill_clock(job->values);
    else fill_motion(job->values);
    kernels->count_kinds(job->kinds, EVENTS, job->counts);
    for (unsigned i = 0; i < 5; i++) {
        job->listed[i] = LISTED[i];
        job->rows[i] = job->counts[LISTED[i]];
    }
    job->selected[job->what == 7 ? 0 : 4] = 1;
    job->selected[5] = job->what != 7;
    for (unsigned kind = 0; kind < 256; kind++) job->stored += job->selected[kind] ? job->counts[kind] : 0;
}

static int run(const char *name, work *job) {
    size_t room = kernels->encode_room(EVENTS, 64);
    uint8_t *space = calloc(EV_DESCRIPTION_ROOM + room, 1);
    job->values = calloc(EVENTS + 1, 8);
    job->out = calloc(EVENTS + 1, 8);
    job->kinds = calloc(EVENTS, 1);
    job->scratch = calloc(kernels->encode_scratch(EVENTS, 64), 1);
    require(space && job->values && job->out && job->kinds && job->scratch, "no memory");
    fill_kinds(job->kinds);
    job->what = -1;
    for (int i = 0; i < BY_KIND_COUNT; i++)
        if (!strcmp(name, BY_KIND[i])) job->what = 2 + i;
    for (int i = 0; i < COLUMN_COUNT && job->what < 0; i++)
        if (strlen(name) > 7 && !strcmp(name + 7, COLUMNS[i].name)) {
            job->what = !strncmp(name, "decode-", 7);
            job->chosen = &COLUMNS[i];
        }
    if (job->what < 0) return 1;
    if (job->what >= 2) prepare_kinds(job);
    else {
        job->chosen->fill(job->values);
        job->encoder.values = job->values;
        job->encoder.count = EVENTS;
        job->encoder.bits = (uint8_t)job->chosen->bits;
        job->encoder.is_signed = (uint8_t)job->chosen->is_signed;
        job->encoder.scratch = job->scratch;
        if (job->what) prepare_decode(job, space, room);
        else prepare_output(&job->output, space, room);
    }
    measured(job);
    if (job->what == 1) require(!memcmp(job->values, job->out, (size_t)EVENTS * job->chosen->bits / 8), "other values came out");
    return 0;
}

int main(int count, char **arguments) {
    static work job;
    if (count != 3) {
        for (int i = 0; i < COLUMN_COUNT; i++) {
            if (COLUMNS[i].transform < 0) printf("encode-%s\n", COLUMNS[i].name);
            printf("decode-%s\n", COLUMNS[i].name);
        }
        for (int i = 0; i < BY_KIND_COUNT; i++) puts(BY_KIND[i]);
        return 0;
    }
    for (unsigned level = 0; level <= ev_cpu_highest(); level++)
        if (!strcmp(arguments[1], ev_cpu_level_name(level))) kernels = ev_cpu_kernels(level);
    if (!kernels) return 3;
    require(!run(arguments[2], &job), "no such kernel");
    return 0;
}
