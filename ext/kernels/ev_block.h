/* The head of a block (docs/format.md, section 4). */
#ifndef EV_BLOCK_H
#define EV_BLOCK_H

#include "ev_table.h"

typedef struct {
    uint8_t group;
    uint8_t storage;
    uint64_t offset; /* from the first byte of the payload */
    uint64_t length;
} ev_section;

typedef struct {
    uint32_t events;
    int64_t t_min;
    int64_t t_max;
    uint32_t kind_count;
    uint8_t kinds[EV_MAX_KINDS];
    uint32_t kind_rows[EV_MAX_KINDS];
    uint32_t section_count;
    ev_section sections[EV_MAX_PARTS];
} ev_block_head;

/* Read and check the head of a block whose payload is `bytes`. */
int ev_read_block_head(const uint8_t *bytes, size_t length, ev_block_head *head, ev_error *error);

#endif
