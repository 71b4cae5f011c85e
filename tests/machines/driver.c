/* Runs the kernels on a file of cases (cases.py) and compares what they do with what the file says: driver FILE [THREADS [STEP]].
 *
 * It prints the byte order of the machine, how many cases of each sort it ran, and a digest of every error that a kernel gave, so that
 * two machines can be compared. Exit status 1: a case came out otherwise; 2: the file cannot be read.
 * With THREADS every thread runs all cases, on the same input; with STEP each STEP-th case only. */
#include <pthread.h>
#include <string.h>

#include "cases.h"
#include "ev_block.h"
#include "ev_cpu.h"
#include "ev_crc.h"
#include "ev_held.h"

enum { TABLES = 1, ENCODE = 2, KINDS = 3, RECORDS = 4, SORTS = 5 };
enum { BLOCK_ROWS = 0xFFFFFFFF };
enum { ACCEPTED, CORRUPT, UNSUPPORTED, LIMIT };

typedef struct {
    const ev_kernels *kernels;
    span file;
    unsigned step, ran[SORTS];
    unsigned rejected, columns, ways, failed;
    uint64_t digest;
    const char *name;
    int name_length;
} session;

static void differs(session *on, const char *what, unsigned long long found, unsigned long long allowed) {
    if (on->failed++ < 20) printf("DIFFERS %.*s: %s: found %llu, allowed %llu\n", on->name_length, on->name, what, found, allowed);
}

/* FNV-1a, 64 bits. */
static void digest(session *on, const void *data, size_t length) {
    for (size_t i = 0; i < length; i++) on->digest = (on->digest ^ ((const uint8_t *)data)[i]) * 1099511628211u;
}

static void digest_number(session *on, uint64_t value) {
    for (unsigned i = 0; i < 8; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * i);
        digest(on, &byte, 1);
    }
}

static int outcome_of(session *on, int status, const ev_error *error) {
    if (!status) return ACCEPTED;
    require(status != EV_SPACE, "a buffer is too small");
    digest_number(on, (uint64_t)-status);
    digest(on, error->what, strlen(error->what));
    digest_number(on, error->found);
    digest_number(on, error->allowed);
    return status == EV_LIMIT ? LIMIT : status == EV_UNSUPPORTED ? UNSUPPORTED : CORRUPT;
}

/* ---- tables: the block or the index of a stream, decoded ---- */

typedef struct {
    span body;
    ev_rows rows;
    ev_column *columns;
    uint32_t column_count, part_count;
    ev_part parts[EV_MAX_PARTS];
    const uint8_t *starts[EV_MAX_PARTS]; /* of the bytes of each part, decompressed; NULL for those that could not be */
} table;

static int read_table(table *of, int in_index, span standard, ev_error *error) {
    ev_cursor cursor = {of->body.at, of->body.end};
    ev_part_use use;
    memset(&use, 0, sizeof use);
    int status = ev_read_column_count(&cursor, &of->column_count, error);
    of->columns = room((status ? 0 : of->column_count) * sizeof *of->columns);
    for (uint32_t i = 0; !status && i < of->column_count; i++)
        status = ev_read_column(&cursor, &of->rows, in_index, standard.at, (uint32_t)length_of(standard) - 1, &of->columns[i], &use, error);
    return status ? status : ev_read_parts(&cursor, &use, of->parts, &of->part_count, error);
}

/* The decompressed parts of a table, each in a buffer of its exact size that starts where nothing is aligned. */
static void take_parts(span *from, table *of) {
    uint32_t count = (uint32_t)number(from, 4);
    require(count == of->part_count, "another number of parts");
    for (uint32_t i = 0; i < count; i++) {
        of->starts[i] = NULL;
        if (number(from, 1)) of->starts[i] = run(from).at;
        else if (!of->parts[i].codec) of->starts[i] = of->parts[i].bytes;
    }
}

static int decode_column(session *on, const table *of, uint32_t at, const uint8_t *kinds, void *out, ev_error *error) {
    const ev_column *column = &of->columns[at];
    unsigned size = ev_dtype_bits(column->dtype) / 8;
    memset(out, 0, (size_t)of->rows.rows * size);
    if (!column->stored) return EV_OK;
    const ev_stream *streams[EV_MAX_COLUMN_STREAMS];
    for (unsigned i = on->kernels->column_streams(column, streams); i-- > 0;)
        if (streams[i]->length && !of->starts[streams[i]->part]) return EV_OK; /* its part cannot be decompressed */
    void *scratch = room(on->kernels->column_scratch(column, of->rows.rows));
    int status = on->kernels->decode_column(column, &of->rows, of->starts, kinds, out, scratch, error);
    free(scratch);
    return status;
}

/* Decode the columns of a table and compare them. `kinds` are those of all rows, once they are known. */
static int decode_table(session *on, table *of, span *expected, uint8_t **kinds, const ev_block_head *head, ev_error *error) {
    int status = EV_OK;
    if (head && !*kinds) { /* the kind column comes first: it places the rows of all others */
        *kinds = room(of->rows.rows);
        memset(*kinds, 0, of->rows.rows);
        for (uint32_t i = 0; !status && i < of->column_count; i++) {
            if (of->columns[i].id != EV_KIND_COLUMN) continue;
            if (of->columns[i].dtype != 4) return ev_fail(error, EV_CORRUPT, "dtype of kind", of->columns[i].dtype, 4);
            status = decode_column(on, of, i, NULL, *kinds, error);
            if (!status && !on->kernels->kinds_match(*kinds, of->rows.rows, head->kinds, head->kind_rows, head->kind_count))
                status = ev_fail(error, EV_CORRUPT, "kinds", 0, 0);
        }
    }
    for (uint32_t i = 0; !status && i < of->column_count; i++) {
        const ev_column *column = &of->columns[i];
        unsigned size = ev_dtype_bits(column->dtype) / 8;
        int compare = expected->at < expected->end && number(expected, 1);
        uint64_t dtype = compare ? number(expected, 1) : 0;
        span values = compare ? run(expected) : (span){NULL, NULL};
        void *out = room((size_t)of->rows.rows * size);
        status = decode_column(on, of, i, *kinds, out, error);
        if (compare && !status) {
            on->columns++;
            if (dtype != column->dtype) differs(on, "dtype", column->dtype, dtype);
            else if (length_of(values) != (size_t)of->rows.rows * size || !same_numbers(out, values, size)) differs(on, "values of column", i, i);
        }
        int64_t low, high;
        if (!status && head && column->id == 1 && size == 8 && of->rows.rows) {
            on->kernels->range(out, of->rows.rows, &low, &high);
            if (low != head->t_min || high != head->t_max) status = ev_fail(error, EV_CORRUPT, "t", (uint64_t)low, (uint64_t)high);
        }
        free(out);
    }
    return status;
}

static void run_tables(session *on, span from) {
    span payload = run(&from), standard = run(&from);
    uint32_t rows = (uint32_t)number(&from, 4);
    int wanted = (int)number(&from, 1), status, hidden = 0;
    span parts = run(&from), expected = run(&from);
    ev_block_head head;
    ev_error error = {"", 0, 0};
    uint32_t count = 1;
    table *tables;
    memset(&head, 0, sizeof head);
    if (rows == BLOCK_ROWS) {
        status = ev_read_block_head(payload.at, length_of(payload), &head, &error);
        count = status ? 0 : head.section_count;
    } else status = EV_OK;
    tables = room(count * sizeof *tables);
    memset(tables, 0, count * sizeof *tables);
    for (uint32_t i = 0; !status && i < count; i++) {
        tables[i].body = payload;
        tables[i].rows = (ev_rows){rows, 0, NULL, NULL};
        if (rows == BLOCK_ROWS) {
            tables[i].rows = (ev_rows){head.events, head.kind_count, head.kinds, head.kind_rows};
            hidden |= head.sections[i].storage && !head.sections[i].group;
            if (head.sections[i].storage) continue;
            tables[i].body.at += head.sections[i].offset;
            tables[i].body.end = tables[i].body.at + head.sections[i].length;
        }
        status = read_table(&tables[i], rows != BLOCK_ROWS, standard, &error);
    }
    uint8_t *kinds = NULL;
    for (uint32_t i = 0; !status && !hidden && i < count; i++) {
        if (!tables[i].columns) continue; /* encrypted */
        take_parts(&parts, &tables[i]);
        status = decode_table(on, &tables[i], &expected, &kinds, rows == BLOCK_ROWS ? &head : NULL, &error);
    }
    int outcome = outcome_of(on, status, &error);
    if (outcome != wanted) differs(on, status ? error.what : "accepted", (unsigned)outcome, (unsigned)wanted);
    on->rejected += outcome != ACCEPTED;
    for (uint32_t i = 0; i < count; i++) free(tables[i].columns);
    free(tables);
    free(kinds);
}

/* ---- encode: a column, by every way that is found for it, and back ---- */

static void decode_way(session *on, const ev_encoder *encoder, const ev_output *output, const uint32_t *kind_rows, uint8_t dtype, span expected) {
    static const uint8_t ALL[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    const uint8_t *parts[EV_MAX_PARTS];
    ev_part_use *use = room(sizeof *use);
    ev_error error = {"", 0, 0};
    ev_column column;
    ev_rows rows = {encoder->count, encoder->listed_count, encoder->listed, kind_rows};
    ev_cursor cursor = {output->description_start, output->description.at};
    memset(&column, 0, sizeof column);
    memset(use, 0, sizeof *use);
    column.id = 3;
    column.dtype = dtype;
    column.mask = ALL;
    column.stored = encoder->count;
    for (unsigned i = 0; i < output->stream_count; i++) parts[i] = output->bytes_start + output->stream_start[i];
    int status = ev_read_sequence(&cursor, encoder->count, encoder->bits, (int)encoder->listed_count, &column.sequence, use, &error);
    void *out = room((size_t)encoder->count * encoder->bits / 8), *scratch = room(status ? 0 : on->kernels->column_scratch(&column, encoder->count));
    if (!status) status = on->kernels->decode_column(&column, &rows, parts, encoder->kinds, out, scratch, &error);
    if (status) differs(on, error.what, error.found, error.allowed);
    else if (!same_numbers(out, expected, encoder->bits / 8u)) differs(on, "values that were encoded", 0, 0);
    free(out);
    free(scratch);
    free(use);
}

static void compare_output(session *on, ev_output *output, span *expected) {
    span description = run(expected);
    unsigned count = (unsigned)number(expected, 1);
    size_t length = (size_t)(output->description.at - output->description_start);
    if (length != length_of(description) || memcmp(output->description_start, description.at, length)) differs(on, "description", length, length_of(description));
    if (count != output->stream_count) differs(on, "streams", output->stream_count, count);
    for (unsigned i = 0; i < count; i++) {
        size_t place = (size_t)number(expected, 4);
        unsigned noise = (unsigned)number(expected, 1);
        span stream = run(expected);
        if (i >= output->stream_count) continue;
        if (place != output->part_at[i] || !noise != !output->noise[i]) differs(on, "place of a part, or noise", output->part_at[i], place);
        if (length_of(stream) != output->stream_length[i] || memcmp(output->bytes_start + output->stream_start[i], stream.at, length_of(stream)))
            differs(on, "bytes of stream", i, output->stream_length[i]);
    }
}

static void run_encode(session *on, span from) {
    ev_encoder encoder;
    ev_choice choices[EV_MAX_CHOICES];
    ev_search search;
    uint32_t kind_rows[256] = {0}, own_rows[256] = {0};
    memset(&encoder, 0, sizeof encoder);
    encoder.bits = (uint8_t)number(&from, 1);
    encoder.is_signed = (uint8_t)number(&from, 1);
    search.sample = (uint32_t)number(&from, 4);
    search.thorough = (uint8_t)number(&from, 1);
    span values = run(&from), kinds = run(&from), listed = run(&from);
    void *own = own_numbers(values, encoder.bits / 8u);
    encoder.values = own;
    encoder.count = (uint32_t)(length_of(values) / (encoder.bits / 8u));
    if (length_of(kinds)) {
        encoder.kinds = kinds.at;
        encoder.listed = listed.at;
        encoder.listed_count = (uint32_t)length_of(listed);
        on->kernels->count_kinds(kinds.at, encoder.count, kind_rows);
        for (uint32_t i = 0; i < encoder.listed_count; i++) own_rows[i] = kind_rows[listed.at[i]];
    }
    encoder.scratch = room(on->kernels->encode_scratch(encoder.count, encoder.bits));
    unsigned found = on->kernels->rank(&encoder, search, choices), wanted = (unsigned)number(&from, 1);
    if (found != wanted) differs(on, "ways", found, wanted);
    size_t length = on->kernels->encode_room(encoder.count, encoder.bits);
    uint8_t *space = room(EV_DESCRIPTION_ROOM + length);
    uint8_t dtype = (uint8_t)(ev_log2(encoder.bits) - 3 + (encoder.is_signed ? 0 : 4));
    for (unsigned way = 0; way < found && way < wanted; way++) {
        ev_output output;
        memset(&output, 0, sizeof output);
        output.description = (ev_sink){space, space + EV_DESCRIPTION_ROOM, 0};
        output.bytes = (ev_sink){space + EV_DESCRIPTION_ROOM, space + EV_DESCRIPTION_ROOM + length, 0};
        output.description_start = output.description.at;
        output.bytes_start = output.bytes.at;
        require(!on->kernels->emit(&encoder, &choices[way], &output), "a sink is too small");
        compare_output(on, &output, &from);
        for (unsigned i = 0; i < output.stream_count; i++) space[output.part_at[i]] = (uint8_t)i;
        decode_way(on, &encoder, &output, own_rows, dtype, values);
        on->ways++;
    }
    free(own);
    free(encoder.scratch);
    free(space);
}

/* ---- kinds: rows by kind, and held codes ---- */

static void run_kinds(session *on, span from) {
    unsigned size = (unsigned)number(&from, 1);
    span values = run(&from), kinds = run(&from), selected = run(&from), counts = run(&from), nonzero = run(&from), gathered = run(&from);
    span scattered = run(&from), codes = run(&from), positions = run(&from), range = run(&from);
    size_t count = length_of(kinds), code_count, position_count, found;
    void *own = own_numbers(values, size), *out = room((count + 1) * size);
    uint32_t own_counts[256] = {0};
    uint8_t own_nonzero[256], *own_positions = room(count);
    ev_error error = {"", 0, 0};
    on->kernels->count_kinds(kinds.at, count, own_counts);
    if (!same_numbers(own_counts, counts, 4)) differs(on, "counts of kinds", 0, 0);
    on->kernels->kinds_with_values(own, size, kinds.at, count, 256, own_nonzero);
    if (memcmp(own_nonzero, nonzero.at, 256)) differs(on, "kinds with values", 0, 0);
    found = on->kernels->gather(own, size, kinds.at, count, selected.at, out);
    if (found * size != length_of(gathered) || !same_numbers(out, gathered, size)) differs(on, "gathered values", found, length_of(gathered) / size);
    void *back = room((count + 1) * size);
    memset(back, 0, (count + 1) * size);
    if (on->kernels->scatter(out, found, size, kinds.at, count, selected.at, back, &error)) differs(on, error.what, error.found, error.allowed);
    if (!same_numbers(back, scattered, size)) differs(on, "scattered values", 0, 0);
    ev_hold(own, size, kinds.at, count, out, &code_count, own_positions, &position_count);
    if (code_count * size != length_of(codes) || !same_numbers(out, codes, size)) differs(on, "held codes", code_count, length_of(codes) / size);
    if (position_count != length_of(positions) || memcmp(own_positions, positions.at, position_count)) differs(on, "positions", position_count, length_of(positions));
    if (ev_release(out, code_count, size, own_positions, kinds.at, count, back, &error)) differs(on, error.what, error.found, error.allowed);
    else if (!same_numbers(back, values, size)) differs(on, "released values", 0, 0);
    if (length_of(range)) {
        int64_t ends[2];
        on->kernels->range(own, count, &ends[0], &ends[1]);
        if (!same_numbers(ends, range, 8)) differs(on, "smallest and largest", 0, 0);
    }
    free(own);
    free(out);
    free(back);
    free(own_positions);
}

/* ---- records: where they begin, and checksums of joined bytes ---- */

static void run_records(session *on, span from) {
    span data = run(&from), places = run(&from);
    size_t length = length_of(data), at = 0;
    for (size_t i = 0; i < length_of(places) / 4; i++, at++) {
        at = ev_find_head(data.at, length, at);
        if (at != number_at(places.at + 4 * i, 4)) differs(on, "head of a record", at, number_at(places.at + 4 * i, 4));
    }
    while (from.at < from.end) {
        uint32_t crc = (uint32_t)number(&from, 4), shifted = ev_crc32_shift(crc, number(&from, 8)), wanted = (uint32_t)number(&from, 4);
        if (shifted != wanted) differs(on, "shifted CRC-32", shifted, wanted);
    }
}

/* ---- around them ---- */

static void *run_all(void *given) {
    session *on = given;
    span file = on->file;
    on->digest = 14695981039346656037u;
    on->kernels = ev_in_use;
#ifdef SEEDED_RACE
    ev_in_use = ev_cpu_kernels(EV_CPU_BASELINE); /* what must be done before any thread starts: ThreadSanitizer has to see it */
#endif
    require(number(&file, 8) == 0x31534553414345u, "this is no file of cases"); /* "ECASES1" */
    for (uint64_t left = number(&file, 4); left; left--) {
        unsigned sort = (unsigned)number(&file, 1);
        span name = run(&file), body = run(&file);
        if (left % on->step) continue;
        on->name = (const char *)name.at;
        on->name_length = (int)length_of(name);
        require(sort > 0 && sort < SORTS, "a case of no known sort");
        on->ran[sort]++;
        if (sort == TABLES) run_tables(on, body);
        else if (sort == ENCODE) run_encode(on, body);
        else if (sort == KINDS) run_kinds(on, body);
        else run_records(on, body);
    }
    require(file.at == file.end, "bytes behind the last case");
    return NULL;
}

static span whole_file(const char *path) {
    FILE *file = fopen(path, "rb");
    require(file != NULL && !fseek(file, 0, SEEK_END), "the file of cases cannot be opened");
    long length = ftell(file);
    require(length >= 0, "the file of cases has no length");
    uint8_t *data = room((size_t)length);
    rewind(file);
    require(fread(data, 1, (size_t)length, file) == (size_t)length, "the file of cases cannot be read");
    fclose(file);
    return (span){data, data + length};
}

int main(int count, char **arguments) {
    enum { MOST_THREADS = 16 };
    static session sessions[MOST_THREADS];
    pthread_t threads[MOST_THREADS];
    const uint16_t one = 1;
    int wanted = count > 2 ? atoi(arguments[2]) : 1, step = count > 3 ? atoi(arguments[3]) : 1, failed = 0;
    require(count >= 2 && count <= 4 && wanted >= 1 && wanted <= MOST_THREADS && step >= 1, "usage: driver FILE [THREADS [STEP]]");
    for (int i = 0; i < wanted; i++) {
        sessions[i].file = i ? sessions[0].file : whole_file(arguments[1]);
        sessions[i].step = (unsigned)step;
    }
    ev_in_use = ev_cpu_kernels(EV_CPU_BASELINE);
    for (int i = 1; i < wanted; i++) require(!pthread_create(&threads[i], NULL, run_all, &sessions[i]), "no thread");
    run_all(&sessions[0]);
    for (int i = 1; i < wanted; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < wanted; i++) {
        const session *on = &sessions[i];
        if (on->digest != sessions[0].digest) failed += printf("DIFFERS thread %d: its digest\n", i) > 0;
        failed += on->failed > 0;
    }
    printf("%s-endian, tables %u, rejected %u, columns %u, encoded %u, ways %u, kinds %u, records %u, differ %u, digest %016llx\n",
           *(const uint8_t *)&one ? "little" : "big", sessions[0].ran[TABLES], sessions[0].rejected, sessions[0].columns,
           sessions[0].ran[ENCODE], sessions[0].ways, sessions[0].ran[KINDS], sessions[0].ran[RECORDS], sessions[0].failed, (unsigned long long)sessions[0].digest);
    return failed ? 1 : 0;
}
