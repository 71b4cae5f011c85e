#include "ev_held.h"

enum { BUTTON_DOWN = 1, BUTTON_UP = 2, KEY_DOWN = 4, KEY_UP = 5, KEY_REPEAT = 8 };

/* What each kind does: whether it presses, releases, takes a position, and which list it is about. */
enum { PRESSES = 1, RELEASES = 2, PLACED = 4, BUTTONS = 8 };

static const uint8_t DEEDS[256] = {
    [BUTTON_DOWN] = PRESSES | BUTTONS, [BUTTON_UP] = RELEASES | PLACED | BUTTONS, [KEY_DOWN] = PRESSES, [KEY_UP] = RELEASES | PLACED, [KEY_REPEAT] = PLACED};

int ev_takes_position(uint8_t kind) { return (DEEDS[kind] & PLACED) != 0; }

/* Codes that are down, the longest first. */
typedef struct {
    uint64_t code[EV_MOST_HELD];
    unsigned count;
} ev_held;

static unsigned place_of(const ev_held *held, uint64_t code) { /* count when it is not there */
    unsigned at = 0;
    while (at < held->count && held->code[at] != code) at++;
    return at;
}

static void let_go(ev_held *held, unsigned at) {
    held->count--;
    for (; at < held->count; at++) held->code[at] = held->code[at + 1];
}

static void press(ev_held *held, uint64_t code) {
    if (place_of(held, code) < held->count) return;
    if (held->count == EV_MOST_HELD) let_go(held, 0);
    held->code[held->count++] = code;
}

#define EV_BITS 8
#include "ev_held_lanes.h"
#define EV_BITS 16
#include "ev_held_lanes.h"
#define EV_BITS 32
#include "ev_held_lanes.h"
#define EV_BITS 64
#include "ev_held_lanes.h"

void ev_hold(const void *values, size_t size, const uint8_t *kinds, size_t count, void *codes, size_t *code_count, uint8_t *positions,
             size_t *position_count) {
    switch (size) {
    case 1: hold8(values, kinds, count, codes, code_count, positions, position_count); break;
    case 2: hold16(values, kinds, count, codes, code_count, positions, position_count); break;
    case 4: hold32(values, kinds, count, codes, code_count, positions, position_count); break;
    default: hold64(values, kinds, count, codes, code_count, positions, position_count);
    }
}

int ev_release(const void *codes, size_t code_count, size_t size, const uint8_t *positions, const uint8_t *kinds, size_t count, void *values,
               ev_error *error) {
    switch (size) {
    case 1: return release8(codes, code_count, positions, kinds, count, values, error);
    case 2: return release16(codes, code_count, positions, kinds, count, values, error);
    case 4: return release32(codes, code_count, positions, kinds, count, values, error);
    default: return release64(codes, code_count, positions, kinds, count, values, error);
    }
}
