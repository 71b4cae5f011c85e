/* What finds records behind damage (docs/format.md, section 2.2). */
#ifndef EV_CRC_H
#define EV_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC-32 of bytes A is `crc`: what it adds to the CRC-32 of A followed by `bytes` bytes B, which is
 * ev_crc32_shift(crc of A, bytes of B) ^ crc of B. */
uint32_t ev_crc32_shift(uint32_t crc, uint64_t bytes);

/* The first place from `start` on where a marker begins a head whose checksum holds, or where the data ends within
 * what may still become one; `size` if there is none. */
size_t ev_find_head(const uint8_t *data, size_t size, size_t start);

#endif
