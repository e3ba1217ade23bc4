/* Runs models that the tests wrote to files with every usable kernel set, several thread counts and chunkings, compares
 * all logits with those in the file, and draws the run again, token by token. For compilers and processors on which
 * Python does not run.
 *
 *     harness FILE...      prints a line for each way; exit code 0 when all are equal
 */

#include "kernels.h"
#include "native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int THREADS[] = {1, 2, 3, 7}, CHUNKS[] = {1, 3, 64, 512};
static FILE *file;

/* A model and the run that it must give. */
struct recorded {
    rail_dims *dims;
    rail_matrix *matrices;
    rail_arrays arrays;
    rail_sampling sampling;
    int prompt_tokens, tokens;
    const int32_t *ids;         /* tokens */
    const int32_t *logits;      /* (tokens, vocab) */
};

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

static rail_sampling take_sampling(void)
{
    rail_sampling s = {0};
    s.temperature_micro = number();
    s.top_p_micro = number();
    s.min_p_micro = number();
    s.repetition_micro = number();
    s.frequency_micro = number();
    s.presence_micro = number();
    s.seed = (uint64_t)number();
    s.top_k = (int32_t)number();
    return s;
}

static struct recorded take_recorded(void)
{
    struct recorded r = {.dims = take(sizeof *r.dims)};
    int count = 2 + 7 * r.dims->n_layers;
    size_t norms = (size_t)r.dims->n_layers * (size_t)r.dims->head_dim * sizeof(int32_t);
    r.matrices = calloc((size_t)count, sizeof *r.matrices);
    for (int i = 0; i < count; i++)
        r.matrices[i] = take_matrix();
    r.arrays.rope_turns = take((size_t)r.dims->head_dim / 2 * sizeof(uint64_t));
    r.arrays.codebooks = take((size_t)number() * 256 * 16);
    r.arrays.norm_q = take((size_t)number() * norms);
    r.arrays.norm_k = take((size_t)number() * norms);
    r.sampling = take_sampling();
    r.prompt_tokens = (int)number();
    r.tokens = (int)number();
    r.ids = take((size_t)r.tokens * sizeof *r.ids);
    r.logits = take((size_t)r.tokens * (size_t)r.dims->vocab_size * sizeof *r.logits);
    return r;
}

static void free_recorded(struct recorded *r)
{
    for (int i = 0; i < 2 + 7 * r->dims->n_layers; i++) {
        const void *parts[] = {r->matrices[i].weights, r->matrices[i].codes, r->matrices[i].scales, r->matrices[i].bias};
        for (int j = 0; j < 4; j++)
            free((void *)parts[j]);
    }
    const void *parts[] = {r->arrays.rope_turns, r->arrays.codebooks, r->arrays.norm_q, r->arrays.norm_k,
                           r->dims, r->matrices, r->ids, r->logits};
    for (int i = 0; i < 8; i++)
        free((void *)parts[i]);
}

/* Whether the sequence gives the expected logits when it comes in chunks; half of it twice, from a copied prefix. */
static int same_logits(rail_model *model, const struct recorded *r, int chunk)
{
    size_t vocab = (size_t)r->dims->vocab_size, row = vocab * sizeof(int32_t);
    int32_t *logits = malloc((size_t)r->tokens * row);
    rail_session *first = rail_session_new(model, r->tokens), *second = rail_session_new(model, r->tokens);
    int equal = 1;
    for (int pass = 0; pass < 2; pass++) {
        rail_session *s = pass ? second : first;
        int start = pass ? r->tokens / 2 : 0;
        if (pass)
            rail_session_copy(second, first, start);
        for (int at = start; at < r->tokens; at += chunk) {
            rail_piece piece = {s, r->ids + at, r->tokens - at < chunk ? r->tokens - at : chunk, 0};
            rail_step(model, &piece, 1, logits + (size_t)at * vocab);
        }
        size_t from = (size_t)start * vocab;
        equal &= !memcmp(logits + from, r->logits + from, (size_t)(r->tokens - start) * row);
    }
    rail_session_free(first);
    rail_session_free(second);
    free(logits);
    return equal;
}

/* Whether the run draws the expected ids. */
static int same_ids(rail_model *model, const struct recorded *r, int set)
{
    size_t vocab = (size_t)r->dims->vocab_size;
    int32_t *logits = malloc(vocab * sizeof *logits);
    void *scratch = malloc((size_t)rail_sample_scratch((int32_t)vocab));
    rail_seen seen = {calloc(vocab, sizeof(int32_t)), calloc(vocab, sizeof(int32_t)), 0};
    rail_session *s = rail_session_new(model, r->tokens);
    rail_piece piece = {s, r->ids, r->prompt_tokens, r->prompt_tokens - 1};
    int equal = 1;
    int32_t id;
    rail_seen_add(&seen, r->ids, r->prompt_tokens, 0);
    for (int at = r->prompt_tokens; equal && at < r->tokens; at++) {
        rail_step(model, &piece, 1, logits);
        id = rail_sample(set, &r->sampling, &seen, logits, (int32_t)vocab, (uint64_t)at, scratch);
        rail_seen_add(&seen, &id, 1, 1);
        equal = id == r->ids[at];
        piece = (rail_piece){s, &id, 1, 0};
    }
    rail_session_free(s);
    free(logits);
    free(scratch);
    free(seen.uses);
    free(seen.ids);
    return equal;
}

static int report(const struct recorded *r, int set, int threads, const char *way, int chunk, int equal)
{
    printf("%d tokens, %s, %d threads, %s %d: %s\n", r->tokens, kernels_at(set)->name, threads, way, chunk,
           equal ? "same" : "DIFFERS");
    return equal;
}

static int all_ways(const struct recorded *r, int set)
{
    int equal = 1;
    for (int t = 0; t < 4; t++) {
        rail_model *model = rail_model_new(r->dims, r->matrices, &r->arrays, set, THREADS[t]);
        if (!model)
            return 0;
        for (int c = 0; c < 4; c++)
            equal &= report(r, set, THREADS[t], "chunks of", CHUNKS[c], same_logits(model, r, CHUNKS[c]));
        equal &= report(r, set, THREADS[t], "drawn one by", 1, same_ids(model, r, set));
        rail_model_free(model);
    }
    return equal;
}

int main(int argc, char **argv)
{
    int equal = argc > 1;
    for (int i = 1; i < argc; i++) {
        file = fopen(argv[i], "rb");
        if (!file) {
            fprintf(stderr, "usage: harness FILE...\n");
            return 2;
        }
        struct recorded r = take_recorded();
        fclose(file);
        for (int set = 0; kernels_at(set); set++)
            if (kernels_at(set)->usable())
                equal &= all_ways(&r, set);
        free_recorded(&r);
    }
    return !equal;
}
