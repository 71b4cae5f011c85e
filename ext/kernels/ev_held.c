#include "ev_held.h"

enum { BUTTON_DOWN = 1, BUTTON_UP = 2, KEY_DOWN = 4, KEY_UP = 5, KEY_REPEAT = 8 };

int ev_takes_position(unsigned kind) { return kind == BUTTON_UP || kind == KEY_UP || kind == KEY_REPEAT; }

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
    memmove(held->code + at, held->code + at + 1, (held->count - at) * sizeof *held->code);
}

static void press(ev_held *held, uint64_t code) {
    if (place_of(held, code) < held->count) return;
    if (held->count == EV_MOST_HELD) let_go(held, 0);
    held->code[held->count++] = code;
}

static uint64_t value_at(const void *values, size_t size, size_t i) {
    switch (size) {
    case 1: return ((const uint8_t *)values)[i];
    case 2: return ((const uint16_t *)values)[i];
    case 4: return ((const uint32_t *)values)[i];
    default: return ((const uint64_t *)values)[i];
    }
}

static void set_value(void *values, size_t size, size_t i, uint64_t value) {
    switch (size) {
    case 1: ((uint8_t *)values)[i] = (uint8_t)value; break;
    case 2: ((uint16_t *)values)[i] = (uint16_t)value; break;
    case 4: ((uint32_t *)values)[i] = (uint32_t)value; break;
    default: ((uint64_t *)values)[i] = value;
    }
}

static int is_button(unsigned kind) { return kind == BUTTON_DOWN || kind == BUTTON_UP; }

void ev_hold(const void *values, size_t size, const uint8_t *kinds, size_t count, void *codes, size_t *code_count, uint8_t *positions,
             size_t *position_count) {
    ev_held held[2];
    held[0].count = held[1].count = 0;
    *code_count = *position_count = 0;
    for (size_t i = 0; i < count; i++) {
        ev_held *list = &held[is_button(kinds[i])];
        uint64_t value = value_at(values, size, i);
        if (ev_takes_position(kinds[i])) {
            unsigned at = place_of(list, value);
            int found = at < list->count;
            positions[(*position_count)++] = (uint8_t)(found ? at + 1 : 0);
            if (found && kinds[i] != KEY_REPEAT) let_go(list, at);
            if (found) continue;
        } else if (kinds[i] == BUTTON_DOWN || kinds[i] == KEY_DOWN)
            press(list, value);
        set_value(codes, size, (*code_count)++, value);
    }
}

int ev_release(const void *codes, size_t code_count, size_t size, const uint8_t *positions, const uint8_t *kinds, size_t count, void *values,
               ev_error *error) {
    ev_held held[2];
    held[0].count = held[1].count = 0;
    size_t used = 0, placed = 0;
    for (size_t i = 0; i < count; i++) {
        ev_held *list = &held[is_button(kinds[i])];
        unsigned position = ev_takes_position(kinds[i]) ? positions[placed++] : 0;
        if (position > list->count) return ev_fail(error, EV_CORRUPT, "position among held codes", position, list->count);
        if (position) {
            set_value(values, size, i, list->code[position - 1]);
            if (kinds[i] != KEY_REPEAT) let_go(list, position - 1);
            continue;
        }
        if (used == code_count) return ev_fail(error, EV_CORRUPT, "held codes", used + 1, used);
        uint64_t value = value_at(codes, size, used++);
        if (kinds[i] == BUTTON_DOWN || kinds[i] == KEY_DOWN) press(list, value);
        set_value(values, size, i, value);
    }
    return used == code_count ? EV_OK : ev_fail(error, EV_CORRUPT, "held codes", used, code_count);
}
