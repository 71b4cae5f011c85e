/* Names of what is compiled once for each CPU level: EV_CPU_SUFFIX (setup.py) is appended to each, so that all levels can be
 * linked together. Every function that a file of setup.py's PER_LEVEL shows to others stands here. */
#ifndef EV_NAMES_H
#define EV_NAMES_H

#ifdef EV_CPU_SUFFIX
#define EV_CPU_PASTE2(a, b) a##b
#define EV_CPU_PASTE(a, b) EV_CPU_PASTE2(a, b)
#define EV_CPU_NAME(name) EV_CPU_PASTE(name, EV_CPU_SUFFIX)

#define ev_kernel_table EV_CPU_NAME(ev_kernel_table)

#define ev_decode EV_CPU_NAME(ev_decode)

#define ev_needs_kinds EV_CPU_NAME(ev_needs_kinds)
#define ev_column_streams EV_CPU_NAME(ev_column_streams)
#define ev_column_scratch EV_CPU_NAME(ev_column_scratch)
#define ev_decode_column EV_CPU_NAME(ev_decode_column)

#define ev_encode_room EV_CPU_NAME(ev_encode_room)
#define ev_encode_scratch EV_CPU_NAME(ev_encode_scratch)
#define ev_rank EV_CPU_NAME(ev_rank)
#define ev_emit EV_CPU_NAME(ev_emit)

#define ev_sort EV_CPU_NAME(ev_sort)
#define ev_choose_bins EV_CPU_NAME(ev_choose_bins)
#define ev_cover EV_CPU_NAME(ev_cover)
#define ev_trim EV_CPU_NAME(ev_trim)
#define ev_search_bin EV_CPU_NAME(ev_search_bin)
#define ev_set_finder EV_CPU_NAME(ev_set_finder)

#define ev_count_kinds EV_CPU_NAME(ev_count_kinds)
#define ev_kinds_match EV_CPU_NAME(ev_kinds_match)
#define ev_kinds_with_values EV_CPU_NAME(ev_kinds_with_values)
#define ev_find_kinds EV_CPU_NAME(ev_find_kinds)
#define ev_is_sparse EV_CPU_NAME(ev_is_sparse)
#define ev_gather EV_CPU_NAME(ev_gather)
#define ev_scatter EV_CPU_NAME(ev_scatter)
#define ev_range EV_CPU_NAME(ev_range)
#endif

#endif
