/* Runs a target on inputs without libFuzzer: replay PACK..., each a pack of inputs: little-endian u32 length and bytes, again and again. */
#include "fuzz.h"

int main(int count, char **names) {
    size_t inputs = 0;
    for (int i = 1; i < count; i++) {
        FILE *pack = fopen(names[i], "rb");
        uint8_t head[4];
        require(pack != NULL, "the pack can be read");
        while (fread(head, 1, 4, pack) == 4) {
            size_t size = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
            uint8_t *data = exact(size, 0);
            require(fread(data, 1, size, pack) == size, "the pack is whole");
            LLVMFuzzerTestOneInput(data, size);
            release(data, size);
            inputs++;
        }
        fclose(pack);
    }
    printf("%zu\n", inputs);
    return 0;
}
