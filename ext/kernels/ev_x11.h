/* What an X server sends, as rows of events: raw events of XInput2 and states of XKB; all else is left to the caller.
 *
 * Bytes are in the machine's own order, as our connections ask for. Nothing of the bytes is believed: lengths are checked
 * against what is there. Fixed-point numbers have 32 bits before and 32 behind the point.
 */
#ifndef EV_X11_H
#define EV_X11_H

#include "ev_base.h"

enum {
    EV_X11_DEVICES = 256,         /* the server numbers its devices below that */
    EV_X11_LONGEST = 1 << 17,     /* bytes: nothing that we ask for has more */
    EV_X11_UNCHANGED = INT32_MIN, /* high half of a position that an event did not tell */
};

/* Why reading stopped. */
enum {
    EV_X11_MORE = 0,   /* the bytes end, maybe inside of a packet */
    EV_X11_OTHER = 1,  /* a whole packet that the caller must look at */
    EV_X11_FULL = 2,   /* no room for two more rows */
    EV_X11_DEVICE = 3, /* a raw event of a device that is not in the table */
    EV_X11_FINER = 4   /* a raw motion that is no multiple of the device's unit */
};

typedef struct {
    double scroll_unit[2]; /* vertical, horizontal: 1/120 notches for one of the valuator, 0 where it has none */
    double scroll_rest[2]; /* what was scrolled and is not yet told, in 1/120 notch */
    double low[2];         /* of an absolute axis: its least value, */
    double scale[2];       /* and pixels for one */
    int64_t rest[2];       /* raw motion not yet told, fixed-point */
    uint16_t id;           /* of the column `source`; 0: not known */
    uint16_t flags;        /* EventFlag */
    uint8_t absolute;
    uint8_t motion_bits; /* raw motion is in units of 2^-motion_bits, 0 to 16 */
    uint8_t axis[2];     /* valuators that move the pointer; 255: none */
    uint8_t scroll_axis[2];
    uint8_t scroll_source;
    uint8_t unused[5];
} ev_x11_device;

typedef struct {
    int64_t now_t;        /* ns */
    int32_t is_monotonic; /* whether the server's clock is that of now_t */
    uint32_t modifiers;
    uint16_t layout;
    uint8_t opcode;      /* of XInput2 */
    uint8_t xkb_event;   /* first of XKB; 0: none */
    uint8_t keyboard;    /* device whose states count */
    uint8_t unused[3];
} ev_x11_state;

typedef struct {
    int64_t t, os_time;
    int64_t ax, ay; /* accelerated motion, or the position of an absolute device; fixed-point */
    int32_t x, y, code, dx, dy;
    uint32_t keysym, modifiers;
    uint16_t source, flags, layout;
    uint8_t kind, scroll_source, key_class, x_sub, y_sub, unused[9];
} ev_x11_row;

/* Read packets of `data` until something stops it. Sets how many bytes were dealt with, how many rows were made, why it
 * stopped, and for EV_X11_OTHER the length of the packet that stands at `taken`. */
int ev_x11_read(const uint8_t *data, size_t size, ev_x11_state *state, ev_x11_device devices[EV_X11_DEVICES], ev_x11_row *rows,
                size_t room, size_t *taken, size_t *count, int *stop, size_t *length, ev_error *error);

/* Sum up motions to positions, from `start` on and inside of `size` pixels; `start` becomes the last position.
 * Of injected motions it cannot be seen whether they are relative: `injected_absolute` says which to assume. */
void ev_x11_place(ev_x11_row *rows, size_t count, int64_t start[2], const int32_t size[2], int injected_absolute);

#endif
