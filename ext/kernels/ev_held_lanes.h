/* The bodies of ev_held.c for one lane width. */
#include "ev_lanes.h"

static void LANE_NAME(hold)(const void *from, const uint8_t *kinds, size_t count, void *to, size_t *code_count, uint8_t *positions,
                            size_t *position_count) {
    const LANE *values = (const LANE *)from;
    LANE *codes = (LANE *)to;
    ev_held held[2];
    held[0].count = held[1].count = 0;
    size_t used = 0, placed = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned deed = DEEDS[kinds[i]];
        ev_held *list = &held[(deed & BUTTONS) != 0];
        if (deed & PRESSES) press(list, values[i]);
        if (deed & PLACED) {
            unsigned at = place_of(list, values[i]);
            int found = at < list->count;
            positions[placed++] = (uint8_t)(found ? at + 1 : 0);
            if (found && deed & RELEASES) let_go(list, at);
            if (found) continue;
        }
        codes[used++] = values[i];
    }
    *code_count = used;
    *position_count = placed;
}

static int LANE_NAME(release)(const void *from, size_t code_count, const uint8_t *positions, const uint8_t *kinds, size_t count, void *to,
                              ev_error *error) {
    const LANE *codes = (const LANE *)from;
    LANE *values = (LANE *)to;
    ev_held held[2];
    held[0].count = held[1].count = 0;
    size_t used = 0, placed = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned deed = DEEDS[kinds[i]], position = deed & PLACED ? positions[placed++] : 0;
        ev_held *list = &held[(deed & BUTTONS) != 0];
        if (position) {
            if (position > list->count) return ev_fail(error, EV_CORRUPT, "position among held codes", position, list->count);
            values[i] = (LANE)list->code[position - 1];
            if (deed & RELEASES) let_go(list, position - 1);
            continue;
        }
        if (used == code_count) return ev_fail(error, EV_CORRUPT, "held codes", used + 1, used);
        values[i] = codes[used++];
        if (deed & PRESSES) press(list, values[i]);
    }
    return used == code_count ? EV_OK : ev_fail(error, EV_CORRUPT, "held codes", used, code_count);
}

#include "ev_lanes_end.h"
