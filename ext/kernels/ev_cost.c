#include "ev_cost.h"

#include <math.h>

ev_sample ev_sample_of(size_t count, size_t wanted) {
    enum { SPAN = 256 };
    ev_sample sample = {1, count, 0, 1.0};
    if (wanted == 0 || count <= wanted || wanted < SPAN) return sample;
    sample.spans = wanted / SPAN;
    sample.span_length = SPAN;
    sample.stride = (count - SPAN) / (sample.spans > 1 ? sample.spans - 1 : 1);
    sample.weight = (double)count / (double)(sample.spans * SPAN);
    return sample;
}

double ev_stream_bytes(const uint32_t histogram[256], double weight) {
    double total = 0, sum = 0;
    unsigned used = 0;
    for (unsigned i = 0; i < 256; i++)
        if (histogram[i]) {
            used++;
            total += histogram[i];
            sum += histogram[i] * log2(histogram[i]);
        }
    if (used < 2) return 2;
    double bits = total * log2(total) - sum + (weight > 1 ? (used - 1) * 0.7213 : 0);
    return bits / 8 * weight + used / 2.0;
}
