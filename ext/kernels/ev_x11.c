#include "ev_x11.h"

#include <math.h>

enum { PACKET = 32, REPLY = 1, GENERIC = 35, SENT = 0x80, XKB_STATE = 2 };
enum { RAW_KEY_PRESS = 13, RAW_KEY_RELEASE, RAW_BUTTON_PRESS, RAW_BUTTON_RELEASE, RAW_MOTION };
enum { POINTER_EMULATED = 0x10000 };
enum { MOVE = 0, BUTTON_DOWN, BUTTON_UP, SCROLL, KEY_DOWN, KEY_UP, OTHER = 7 }; /* EventKind */
enum { ABSOLUTE = 1, INJECTED = 4, EMULATED = 8 };                             /* EventFlag */
enum { WHEEL = 1, NOTCH = 120 };
enum { MOST_VALUATORS = 64 };

static uint16_t load16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t load32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* A number of 32 bits before the point and 32 behind it. */
static int64_t load_fixed(const uint8_t *at) { return (int64_t)((uint64_t)load32(at) << 32 | load32(at + 4)); }

/* `value` x 2^32, held inside of what may be added to without an overflow. */
static int64_t fixed(double value) {
    const double most = 1073741824.0; /* 2^30 */
    if (!(value < most)) value = value > 0 ? most : 0; /* and what is no number */
    if (value < -most) value = -most;
    return (int64_t)(value * 4294967296.0);
}

/* What may be added to others without an overflow. */
static int64_t held(int64_t value) {
    const int64_t most = (int64_t)1 << 61;
    return value > most ? most : value < -most ? -most : value;
}

static int32_t narrow(int64_t value) {
    if (value > INT32_MAX) return INT32_MAX;
    if (value < INT32_MIN + 1) return INT32_MIN + 1;
    return (int32_t)value;
}

/* Tell a motion in whole units of 2^-bits, and keep the rest for the next. */
static int32_t whole(int64_t value, int bits, int64_t *rest) {
    const int64_t unit = (int64_t)1 << (32 - bits), total = held(value) + *rest;
    int64_t units = (total + unit / 2) / unit;
    if ((total + unit / 2) % unit < 0) units--; /* division rounds towards zero */
    *rest = total - units * unit;
    return narrow(units);
}

/* The bytes of one raw event that were checked. */
typedef struct {
    const uint8_t *mask;
    const uint8_t *values; /* accelerated; the raw ones follow */
    unsigned valuators;    /* bits of the mask */
    unsigned count;        /* of values */
} event_values;

/* Return the place of a valuator among the values, or -1. */
static int place_of(const event_values *event, unsigned valuator) {
    if (valuator >= event->valuators || !(event->mask[valuator / 8] >> valuator % 8 & 1)) return -1;
    int place = 0;
    for (unsigned i = 0; i < valuator; i++) place += event->mask[i / 8] >> i % 8 & 1;
    return place;
}

static int check_values(const uint8_t *packet, size_t length, event_values *out, ev_error *error) {
    const unsigned words = load16(packet + 22);
    if (words > MOST_VALUATORS / 32) return ev_fail(error, EV_LIMIT, "words of valuators", words, MOST_VALUATORS / 32);
    out->valuators = words * 32;
    out->mask = packet + PACKET;
    out->count = 0;
    const size_t end = PACKET + 4 * (size_t)words;
    if (end > length) return ev_fail(error, EV_CORRUPT, "bytes of a raw event", length, end);
    for (unsigned i = 0; i < out->valuators; i++) out->count += out->mask[i / 8] >> i % 8 & 1;
    if (end + 16 * (size_t)out->count > length)
        return ev_fail(error, EV_CORRUPT, "bytes of a raw event", length, end + 16 * (uint64_t)out->count);
    out->values = packet + end;
    return EV_OK;
}

static int64_t accelerated(const event_values *event, int place) { return load_fixed(event->values + 8 * (size_t)place); }

static int64_t raw(const event_values *event, int place) {
    return load_fixed(event->values + 8 * ((size_t)place + event->count));
}

/* Make a MOVE, a SCROLL, both, or an OTHER where nothing that we know has changed. */
static size_t move(const event_values *event, ev_x11_device *device, ev_x11_row *rows, const ev_x11_row *like) {
    size_t made = 0;
    int at[2] = {place_of(event, device->axis[0]), place_of(event, device->axis[1])};
    if (at[0] >= 0 || at[1] >= 0) {
        int64_t shift[2] = {0, 0};
        int32_t motion[2] = {0, 0};
        for (int i = 0; i < 2; i++) {
            if (device->absolute) {
                shift[i] = (int64_t)((uint64_t)(uint32_t)EV_X11_UNCHANGED << 32);
                if (at[i] >= 0)
                    shift[i] = fixed(((double)accelerated(event, at[i]) / 4294967296.0 - device->low[i]) * device->scale[i]);
            } else if (at[i] >= 0) {
                shift[i] = accelerated(event, at[i]);
                motion[i] = whole(raw(event, at[i]), device->motion_bits, &device->rest[i]);
            }
        }
        ev_x11_row *row = rows + made++;
        *row = *like;
        row->kind = MOVE;
        row->ax = shift[0], row->ay = shift[1];
        row->dx = motion[0], row->dy = motion[1];
        if (device->absolute) row->flags |= ABSOLUTE;
    }
    int32_t scrolled[2] = {0, 0};
    int has_scrolled = 0;
    for (int i = 0; i < 2; i++) {
        int place = device->scroll_unit[i] != 0 ? place_of(event, device->scroll_axis[i]) : -1;
        if (place < 0) continue;
        double total = (double)raw(event, place) / 4294967296.0 * device->scroll_unit[i] + device->scroll_rest[i];
        if (!(fabs(total) < 1e9)) total = 0; /* no wheel turns that far */
        double units = floor(total + 0.5);
        device->scroll_rest[i] = total - units;
        scrolled[i] = (int32_t)units;
        has_scrolled = 1;
    }
    if (has_scrolled) {
        ev_x11_row *row = rows + made++;
        *row = *like;
        row->kind = SCROLL;
        row->dy = -scrolled[0]; /* valuators count downwards */
        row->dx = scrolled[1];
        row->scroll_source = device->scroll_source;
    }
    if (!made) {
        rows[made] = *like;
        rows[made++].kind = OTHER;
    }
    return made;
}

static int32_t button_code(uint32_t detail) {
    if (detail == 2) return 3;
    if (detail == 3) return 2;
    return (int32_t)(detail < 8 ? detail : detail - 4);
}

static size_t press(uint32_t detail, int is_down, int is_emulated, const ev_x11_device *device, ev_x11_row *row,
                    const ev_x11_row *like) {
    *row = *like;
    if (is_emulated) row->flags |= EMULATED;
    if (detail >= 4 && detail <= 7) {
        const int axis = detail >= 6; /* 4 up, 5 down, 6 left, 7 right */
        if (!is_down || (is_emulated && device->scroll_unit[axis] != 0)) return 0; /* its valuators tell it better */
        row->kind = SCROLL;
        row->scroll_source = WHEEL;
        if (axis)
            row->dx = detail == 6 ? -NOTCH : NOTCH;
        else
            row->dy = detail == 4 ? NOTCH : -NOTCH;
        return 1;
    }
    row->kind = is_down ? BUTTON_DOWN : BUTTON_UP;
    row->code = button_code(detail & 0xFFFF);
    return 1;
}

/* Whether the device's unit cannot hold a raw motion. */
static int is_finer(const event_values *event, const ev_x11_device *device) {
    if (device->absolute || device->motion_bits) return 0;
    for (int i = 0; i < 2; i++) {
        int place = place_of(event, device->axis[i]);
        if (place >= 0 && (uint32_t)raw(event, place)) return 1;
    }
    return 0;
}

static int64_t time_of(uint32_t ms, const ev_x11_state *state) {
    if (!state->is_monotonic) return state->now_t;
    const int64_t now_ms = state->now_t / 1000000;
    return (now_ms + (int32_t)(ms - (uint32_t)now_ms)) * 1000000; /* it wraps after 49 days */
}

/* Make rows of a raw event; *stop stays as it is, or says why none was made. */
static int raw_event(const uint8_t *packet, size_t length, const ev_x11_state *state, ev_x11_device *devices, ev_x11_row *rows,
                     size_t *made, int *stop, ev_error *error) {
    event_values values;
    int status = check_values(packet, length, &values, error);
    if (status) return status;
    const unsigned type = load16(packet + 8), number = load16(packet + 20);
    const uint32_t detail = load32(packet + 16);
    if (number >= EV_X11_DEVICES || !devices[number].id) {
        *stop = EV_X11_DEVICE;
        return EV_OK;
    }
    ev_x11_device *device = devices + number;
    ev_x11_row like = {.os_time = load32(packet + 12), .source = device->id, .flags = device->flags};
    like.t = time_of((uint32_t)like.os_time, state);
    switch (type) {
    case RAW_MOTION:
        if (is_finer(&values, device)) {
            *stop = EV_X11_FINER;
            return EV_OK;
        }
        *made = move(&values, device, rows, &like);
        break;
    case RAW_BUTTON_PRESS:
    case RAW_BUTTON_RELEASE:
        *made = press(detail, type == RAW_BUTTON_PRESS, (load32(packet + 24) & POINTER_EMULATED) != 0, device, rows, &like);
        break;
    default:
        *rows = like;
        rows->kind = type == RAW_KEY_PRESS ? KEY_DOWN : KEY_UP;
        rows->code = (int32_t)(detail & 0xFFFF) - 8;
        rows->modifiers = state->modifiers;
        rows->layout = state->layout;
        *made = 1;
    }
    return EV_OK;
}

int ev_x11_read(const uint8_t *data, size_t size, ev_x11_state *state, ev_x11_device devices[EV_X11_DEVICES], ev_x11_row *rows,
                size_t room, size_t *taken, size_t *count, int *stop, size_t *length, ev_error *error) {
    *taken = *count = *length = 0;
    *stop = EV_X11_MORE;
    while (size - *taken >= PACKET) {
        const uint8_t *packet = data + *taken;
        const unsigned type = packet[0];
        size_t bytes = PACKET;
        if (type == GENERIC || type == REPLY) {
            const uint32_t words = load32(packet + 4);
            if (words > (EV_X11_LONGEST - PACKET) / 4)
                return ev_fail(error, EV_LIMIT, "length of a packet", words, (EV_X11_LONGEST - PACKET) / 4);
            bytes += 4 * (size_t)words;
        }
        if (size - *taken < bytes) break;
        if (type == GENERIC && packet[1] == state->opcode && load16(packet + 8) >= RAW_KEY_PRESS && load16(packet + 8) <= RAW_MOTION) {
            size_t made = 0;
            if (room - *count < 2) *stop = EV_X11_FULL;
            if (*stop) return EV_OK;
            int status = raw_event(packet, bytes, state, devices, rows + *count, &made, stop, error);
            if (status) return status;
            *count += made;
        } else if (state->xkb_event && type == state->xkb_event && packet[1] == XKB_STATE) {
            if (packet[8] == state->keyboard) {
                state->modifiers = packet[9];
                state->layout = packet[13];
            }
        } else {
            *stop = EV_X11_OTHER;
        }
        if (*stop) {
            *length = bytes;
            return EV_OK;
        }
        *taken += bytes;
    }
    return EV_OK;
}

void ev_x11_place(ev_x11_row *rows, size_t count, int64_t start[2], const int32_t size[2], int injected_absolute) {
    int64_t at[2] = {start[0], start[1]};
    const int64_t most[2] = {((int64_t)size[0] << 32) - 1, ((int64_t)size[1] << 32) - 1};
    for (size_t i = 0; i < count; i++) {
        ev_x11_row *row = rows + i;
        if (row->kind == MOVE) {
            const int64_t told[2] = {row->ax, row->ay};
            const int is_absolute = (row->flags & ABSOLUTE) || (injected_absolute && (row->flags & INJECTED));
            for (int axis = 0; axis < 2; axis++) {
                if (!is_absolute)
                    at[axis] += held(told[axis]);
                else if (told[axis] >> 32 != EV_X11_UNCHANGED)
                    at[axis] = told[axis];
                if (at[axis] < 0) at[axis] = 0;
                if (at[axis] > most[axis]) at[axis] = most[axis];
            }
        }
        row->x = (int32_t)(at[0] >> 32), row->y = (int32_t)(at[1] >> 32);
        row->x_sub = (uint8_t)(at[0] >> 24), row->y_sub = (uint8_t)(at[1] >> 24);
    }
    start[0] = at[0], start[1] = at[1];
}
