/* Names and types for one lane width. Include with EV_BITS set to 8, 16, 32 or 64; a file that holds the bodies for
 * every width includes itself through this once for each. */
#define EV_PASTE2(a, b) a##b
#define EV_PASTE(a, b) EV_PASTE2(a, b)
#define LANE EV_PASTE(EV_PASTE(uint, EV_BITS), _t)
#define LANE_NAME(name) EV_PASTE(name, EV_BITS)
/* uint8_t and uint16_t promote to int: every result is cut back to the lane. */
#define LANE_UNZIGZAG(z) ((LANE)((LANE)((LANE)(z) >> 1) ^ (LANE)(0 - (LANE)((z) & 1))))
#define LANE_ZIGZAG(v) ((LANE)((LANE)((LANE)(v) << 1) ^ (LANE)(0 - (LANE)((LANE)(v) >> (EV_BITS - 1)))))
