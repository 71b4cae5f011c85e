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

double ev_entropy_bytes(const uint32_t histogram[256]) {
    double total = 0, sum = 0;
    for (unsigned i = 0; i < 256; i++)
        if (histogram[i]) {
            total += histogram[i];
            sum += histogram[i] * log2(histogram[i]);
        }
    return total ? (total * log2(total) - sum) / 8 : 0;
}
