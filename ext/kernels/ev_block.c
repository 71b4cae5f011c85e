#include "ev_block.h"

static int read_span(ev_cursor *cursor, ev_block_head *head, ev_error *error) {
    uint64_t low, span;
    int status = ev_get_svarint(cursor, &low, error);
    if (!status) status = ev_get_varint(cursor, &span, error);
    if (status) return status;
    memcpy(&head->t_min, &low, 8);
    uint64_t most = (uint64_t)INT64_MAX - low; /* what can be added before t_max leaves int64; modulo 2^64 */
    if (span > most) return ev_fail(error, EV_CORRUPT, "span of t", span, most);
    uint64_t high = low + span;
    memcpy(&head->t_max, &high, 8);
    if (!head->events && (low || span)) return ev_fail(error, EV_CORRUPT, "t_min or span of a block without events", low | span, 0);
    return EV_OK;
}

static int read_kinds(ev_cursor *cursor, ev_block_head *head, ev_error *error) {
    uint64_t value, left = head->events;
    int status = ev_get_varint(cursor, &value, error);
    if (status) return status;
    if (value > EV_MAX_KINDS || (value == 0) != (head->events == 0))
        return ev_fail(error, EV_CORRUPT, "kinds of a block", value, head->events ? EV_MAX_KINDS : 0);
    head->kind_count = (uint32_t)value;
    for (uint32_t i = 0; i < head->kind_count; i++) {
        status = ev_get_u8(cursor, &head->kinds[i], error);
        if (!status) status = ev_get_varint(cursor, &value, error);
        if (status) return status;
        if (i && head->kinds[i] <= head->kinds[i - 1])
            return ev_fail(error, EV_CORRUPT, "kind out of order", head->kinds[i], head->kinds[i - 1] + 1u);
        if (value < 1 || value > left) return ev_fail(error, EV_CORRUPT, "events of a kind", value, left);
        head->kind_rows[i] = (uint32_t)value;
        left -= value;
    }
    return left ? ev_fail(error, EV_CORRUPT, "events of all kinds", head->events - left, head->events) : EV_OK;
}

static int read_sections(ev_cursor *cursor, const uint8_t *bytes, ev_block_head *head, ev_error *error) {
    uint64_t value;
    int status = ev_get_varint(cursor, &value, error);
    if (status) return status;
    if (value > 255) return ev_fail(error, EV_CORRUPT, "sections of a block", value, 255);
    head->section_count = (uint32_t)value;
    for (uint32_t i = 0; i < head->section_count; i++) {
        ev_section *section = &head->sections[i];
        status = ev_get_u8(cursor, &section->group, error);
        if (!status) status = ev_get_u8(cursor, &section->storage, error);
        if (!status) status = ev_get_varint(cursor, &section->length, error);
        if (status) return status;
        if (i && section->group <= section[-1].group)
            return ev_fail(error, EV_CORRUPT, "group out of order", section->group, section[-1].group + 1u);
    }
    for (uint32_t i = 0; i < head->section_count; i++) {
        ev_section *section = &head->sections[i];
        if (section->length > ev_left(cursor))
            return ev_fail(error, EV_SHORT, "bytes left for a section", ev_left(cursor), section->length);
        section->offset = (uint64_t)(cursor->at - bytes);
        cursor->at += section->length;
    }
    return ev_left(cursor) ? ev_fail(error, EV_CORRUPT, "bytes behind the last section", ev_left(cursor), 0) : EV_OK;
}

int ev_read_block_head(const uint8_t *bytes, size_t length, ev_block_head *head, ev_error *error) {
    ev_cursor cursor = {bytes, bytes + length};
    uint64_t value;
    int status = ev_get_varint(&cursor, &value, error);
    if (status) return status;
    if (value > EV_MAX_EVENTS) return ev_fail(error, EV_LIMIT, "events of a block", value, EV_MAX_EVENTS);
    head->events = (uint32_t)value;
    status = read_span(&cursor, head, error);
    if (!status) status = read_kinds(&cursor, head, error);
    if (!status) status = read_sections(&cursor, bytes, head, error);
    return status;
}
