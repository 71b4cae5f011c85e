/* Undoes ev_lanes.h. */
#undef EV_PASTE2
#undef EV_PASTE
#undef LANE
#undef LANE_NAME
#undef LANE_UNZIGZAG
#undef LANE_ZIGZAG
#undef EV_BITS
