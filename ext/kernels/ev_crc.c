#include "ev_crc.h"

#include <string.h>

enum { HEAD_BYTES = 16, MARKER_BYTES = 4 };

static const uint8_t MARKER[MARKER_BYTES] = {0xEC, 0x45, 0x56, 0x43};

/* ---- CRC-32 ----
 * A CRC is the remainder of a polynomial over GF(2), here with the coefficient of x^0 in the highest bit. Bytes that follow
 * multiply what came before by x^8 each, so the CRC of joined bytes follows from theirs: the property that zlib's manual
 * documents with crc32_combine. */

#define POLYNOMIAL 0xEDB88320u

/* x^(2^i) modulo the polynomial; the order of x divides 2^32 - 1, so the powers repeat from i = 32 on */
static const uint32_t POWERS[32] = {
    0x40000000, 0x20000000, 0x08000000, 0x00800000, 0x00008000, 0xedb88320, 0xb1e6b092, 0xa06a2517,
    0xed627dae, 0x88d14467, 0xd7bbfe6a, 0xec447f11, 0x8e7ea170, 0x6427800e, 0x4d47bae0, 0x09fe548f,
    0x83852d0f, 0x30362f1a, 0x7b5a9cc3, 0x31fec169, 0x9fec022a, 0x6c8dedc4, 0x15d6874d, 0x5fde7a4e,
    0xbad90e37, 0x2e4e5eef, 0x4eaba214, 0xa8a472c0, 0x429a969e, 0x148d302a, 0xc40ba6d0, 0xc4e22c3c};

static uint32_t product(uint32_t a, uint32_t b) {
    uint32_t sum = 0;
    for (; a; a <<= 1) {
        if (a & 0x80000000u) sum ^= b;
        b = (b >> 1) ^ (POLYNOMIAL & (0u - (b & 1)));
    }
    return sum;
}

uint32_t ev_crc32_shift(uint32_t crc, uint64_t bytes) {
    for (unsigned i = 3; bytes; bytes >>= 1, i++)
        if (bytes & 1) crc = product(crc, POWERS[i & 31]);
    return crc;
}

/* ---- heads of records ---- */

static uint16_t crc16(const uint8_t *data, size_t size) {
    uint32_t crc = 0;
    for (size_t i = 0; i < size; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (0x1021u & (0u - (crc >> 15 & 1)));
    }
    return (uint16_t)crc;
}

static int is_head(const uint8_t *at, size_t left) {
    if (memcmp(at, MARKER, left < MARKER_BYTES ? left : MARKER_BYTES) != 0) return 0;
    return left < HEAD_BYTES || crc16(at, HEAD_BYTES - 2) == (at[HEAD_BYTES - 2] | at[HEAD_BYTES - 1] << 8);
}

size_t ev_find_head(const uint8_t *data, size_t size, size_t start) {
    while (start < size) {
        const uint8_t *found = memchr(data + start, MARKER[0], size - start);
        if (found == NULL) return size;
        start = (size_t)(found - data);
        if (is_head(found, size - start)) return start;
        start++;
    }
    return size;
}
