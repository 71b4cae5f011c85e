/* Finding heads behind damage, and checksums of joined bytes, beside the plain way to do each.
 *
 * Input: shape, start, then bytes; with shape 1 every marker's head gets the checksum that it needs. */
#include "ev_crc.h"
#include "fuzz.h"

static const uint8_t MARKER[4] = {0xEC, 0x45, 0x56, 0x43};

static uint16_t crc16(const uint8_t *bytes, size_t size) {
    unsigned crc = 0;
    for (size_t i = 0; i < size * 8; i++) {
        unsigned bit = (crc >> 15 ^ bytes[i / 8] >> (7 - i % 8)) & 1;
        crc = (crc << 1 & 0xFFFF) ^ (bit ? 0x1021 : 0);
    }
    return (uint16_t)crc;
}

static uint32_t crc32(const uint8_t *bytes, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size * 8; i++) {
        uint32_t bit = (crc ^ bytes[i / 8] >> i % 8) & 1;
        crc = crc >> 1 ^ (bit ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static int may_be_head(const uint8_t *at, size_t left) {
    for (size_t i = 0; i < 4 && i < left; i++)
        if (at[i] != MARKER[i]) return 0;
    return left < 16 || crc16(at, 14) == (at[14] | at[15] << 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size};
    unsigned shape = take(&in);
    size_t start = take(&in), length = (size_t)(in.end - in.at), at;
    uint8_t *bytes = exact_copy(in.at, length);
    for (at = 0; shape & 1 && at + 16 <= length; at++)
        if (!memcmp(bytes + at, MARKER, 4)) {
            uint16_t sum = crc16(bytes + at, 14);
            bytes[at + 14] = (uint8_t)sum;
            bytes[at + 15] = (uint8_t)(sum >> 8);
        }
    if (start > length) start = length;
    for (at = start; at < length && !may_be_head(bytes + at, length - at);) at++;
    require(ev_find_head(bytes, length, start) == at, "the first head is found");
    uint32_t whole = crc32(bytes, length), joined = ev_crc32_shift(crc32(bytes, start), length - start) ^ crc32(bytes + start, length - start);
    require(whole == joined, "the checksum of joined bytes follows from theirs");
    release(bytes, length);
    return 0;
}
