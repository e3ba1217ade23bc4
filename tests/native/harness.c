/* Runs a model that the tests wrote to a file with every usable kernel set, several thread counts and chunkings, and
 * compares all logits with those in the file. For compilers and processors on which Python does not run.
 *
 *     harness FILE      prints a line for each way; exit code 0 when all are equal
 */

#include "kernels.h"
#include "native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *file;

/* `bytes` bytes of the file, at an address that suits every kernel; NULL for none. */
static void *take(size_t bytes)
{
    if (bytes == 0)
        return NULL;
    void *data = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!data || fread(data, 1, bytes, file) != bytes) {
        fprintf(stderr, "file is too short\n");
        exit(2);
    }
    return data;
}

static int64_t number(void)
{
    int64_t *value = take(sizeof *value), result = *value;
    free(value);
    return result;
}

static rail_matrix take_matrix(void)
{
    rail_matrix m = {0};
    m.rows = (int32_t)number();
    m.cols = (int32_t)number();
    m.depth = (int32_t)number();
    m.exponent = (int32_t)number();
    size_t bits = (size_t)number(), biased = (size_t)number();
    size_t cells = (size_t)(m.rows + 15) / 16 * 16 * (size_t)m.depth;
    m.weights = take(cells * bits / 8);
    m.codes = bits == 4 ? take(cells / 64) : NULL;
    m.scales = take((size_t)m.rows * sizeof *m.scales);
    m.bias = take((size_t)m.rows * biased * sizeof *m.bias);
    return m;
}

/* Whether the sequence gives the expected logits when it comes in chunks; half of it twice, from a copied prefix. */
static int same(rail_model *model, const int32_t *ids, int n, int chunk, int vocab, const int32_t *expected)
{
    int32_t *logits = malloc((size_t)n * (size_t)vocab * sizeof *logits);
    rail_session *first = rail_session_new(model, n), *second = rail_session_new(model, n);
    int equal = 1;
    for (int pass = 0; pass < 2; pass++) {
        rail_session *s = pass ? second : first;
        int start = pass ? n / 2 : 0;
        if (pass)
            rail_session_copy(second, first, start);
        for (int at = start; at < n; at += chunk) {
            rail_piece piece = {s, ids + at, n - at < chunk ? n - at : chunk, 0};
            rail_step(model, &piece, 1, logits + (int64_t)at * vocab);
        }
        size_t from = (size_t)start * (size_t)vocab;
        equal &= !memcmp(logits + from, expected + from, ((size_t)n * (size_t)vocab - from) * sizeof *logits);
    }
    rail_session_free(first);
    rail_session_free(second);
    free(logits);
    return equal;
}

int main(int argc, char **argv)
{
    file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: harness FILE\n");
        return 2;
    }
    rail_dims *dims = take(sizeof *dims);
    int count = 2 + 7 * dims->n_layers, failed = 0;
    rail_matrix *matrices = calloc((size_t)count, sizeof *matrices);
    for (int i = 0; i < count; i++)
        matrices[i] = take_matrix();
    size_t norms = (size_t)dims->n_layers * (size_t)dims->head_dim * sizeof(int32_t);
    rail_arrays arrays;
    arrays.rope_turns = take((size_t)dims->head_dim / 2 * sizeof(uint64_t));
    arrays.codebooks = take((size_t)number() * 256 * 16);
    arrays.norm_q = take((size_t)number() * norms);
    arrays.norm_k = take((size_t)number() * norms);
    int n = (int)number();
    const int32_t *ids = take((size_t)n * sizeof *ids);
    const int32_t *expected = take((size_t)n * (size_t)dims->vocab_size * sizeof *expected);
    static const int THREADS[] = {1, 2, 3, 7}, CHUNKS[] = {1, 3, 64, 512};
    for (int set = 0; kernels_at(set); set++) {
        if (!kernels_at(set)->usable())
            continue;
        for (int t = 0; t < 4; t++) {
            rail_model *model = rail_model_new(dims, matrices, &arrays, set, THREADS[t]);
            for (int c = 0; model && c < 4; c++) {
                int equal = same(model, ids, n, CHUNKS[c], dims->vocab_size, expected);
                printf("%s threads %d chunk %d: %s\n", kernels_at(set)->name, THREADS[t], CHUNKS[c],
                       equal ? "same" : "DIFFERS");
                failed |= !equal;
            }
            failed |= !model;
            rail_model_free(model);
        }
    }
    return failed;
}
