/* Making and freeing models. Every allocation is checked; a failure frees what was made. */

#include "model.h"

#include <stdlib.h>
#include <string.h>

#define LOG2E_Q30 UINT64_C(1549082005)   /* round(log2(e) * 2^30) */

/* The allocations of a model in a row, so that freeing needs no second list of them. */
struct allocation {
    struct allocation *next;
    _Alignas(64) char data[];
};

/* `count` zeroed items of `size` bytes, freed with the model; NULL when memory is short. */
static void *take(rail_model *model, size_t count, size_t size)
{
    size_t bytes = (sizeof(struct allocation) + count * size + 63) & ~(size_t)63;
    struct allocation *a = aligned_alloc(64, bytes);
    if (!a) {
        model->short_of_memory = 1;
        return NULL;
    }
    memset(a, 0, bytes);
    a->next = model->allocations;
    model->allocations = a;
    return a->data;
}

static struct matrix take_matrix(const rail_matrix *m, const uint8_t *codebooks)
{
    return (struct matrix){*m, {m->weights, m->codes, codebooks}, (m->rows + BLOCK_ROWS - 1) / BLOCK_ROWS};
}

static struct rows take_rows(rail_model *model, size_t count, int width)
{
    int stride = row_stride(width);
    return (struct rows){take(model, count, (size_t)stride), stride, take(model, count, sizeof(struct scale)),
                         take(model, count, sizeof(int32_t))};
}

static void take_layers(rail_model *model, const rail_matrix *m, const rail_arrays *arrays)
{
    const rail_dims *d = &model->d;
    model->layers = take(model, (size_t)d->n_layers, sizeof *model->layers);
    for (int i = 0; model->layers && i < d->n_layers; i++, m += 7) {
        struct matrix of[7];
        for (int j = 0; j < 7; j++)
            of[j] = take_matrix(m + j, arrays->codebooks);
        model->layers[i] = (struct layer){of[0], of[1], of[2], of[3], of[4], of[5], of[6],
                                          arrays->norm_q ? arrays->norm_q + (int64_t)i * d->head_dim : NULL,
                                          arrays->norm_k ? arrays->norm_k + (int64_t)i * d->head_dim : NULL};
    }
}

static void take_scratch(rail_model *model, struct scratch *s, int widest, int deepest_packed)
{
    size_t rows = (size_t)model->attend_rows, width = (size_t)model->value_blocks * BLOCK_ROWS;
    size_t span = (size_t)row_stride(model->d.context_tokens), piece = span < PIECE ? span : (size_t)row_stride(PIECE);
    s->rows = take_rows(model, PRIVATE_TOKENS, widest);
    s->wide = take(model, (size_t)widest, sizeof *s->wide);
    s->sums = take(model, (size_t)CHUNK_TOKENS * TILE_ROWS, sizeof *s->sums);
    s->more = take(model, (size_t)CHUNK_TOKENS * TILE_ROWS, sizeof *s->more);
    s->unpacked = take(model, (size_t)TILE_ROWS, (size_t)deepest_packed);
    s->queries = take_rows(model, rows, model->d.head_dim);
    s->scores = take(model, rows * span, sizeof *s->scores);
    s->found = take(model, rows, sizeof *s->found);
    s->digits = take(model, 2 * rows * piece, 1);
    s->digit_excess = take(model, 2 * rows, sizeof *s->digit_excess);
    s->halves = take(model, 2 * rows * width, sizeof *s->halves);
    s->values = take(model, rows * width, sizeof *s->values);
}

static void take_workspace(rail_model *model, int threads)
{
    const rail_dims *d = &model->d;
    struct workspace *w = &model->work;
    int widest = d->dim > d->ffn_dim ? d->dim : d->ffn_dim, deepest = 0;
    widest = widest > model->q_dim ? widest : model->q_dim;
    if (model->layers && model->layers[0].wq.m.codes)
        deepest = round_up(widest, 8);
    else if (model->head.m.codes)
        deepest = model->head.m.depth;
    w->x = take(model, (size_t)CHUNK_TOKENS * (size_t)d->dim, sizeof *w->x);
    /* The attention's vectors are over when the feed-forward's begin: the same memory serves both. */
    size_t qkv = (size_t)(model->q_dim + 2 * model->kv_dim), both = qkv + (size_t)model->q_dim;
    size_t shared = both > (size_t)d->ffn_dim ? both : (size_t)d->ffn_dim;
    w->hidden = w->qkv = take(model, CHUNK_TOKENS * shared, sizeof *w->qkv);
    w->attention = w->qkv ? w->qkv + CHUNK_TOKENS * qkv : NULL;
    w->rows = take_rows(model, CHUNK_TOKENS, widest);
    w->turns = take(model, (size_t)CHUNK_TOKENS * (size_t)d->head_dim, sizeof *w->turns);
    w->scratch = take(model, (size_t)threads, sizeof *w->scratch);
    for (int i = 0; w->scratch && i < threads; i++)
        take_scratch(model, &w->scratch[i], widest, deepest);
}

static void take_dims(rail_model *model)
{
    const rail_dims *d = &model->d;
    model->q_dim = d->n_heads * d->head_dim;
    model->kv_dim = d->n_kv_heads * d->head_dim;
    model->group = d->n_heads / d->n_kv_heads;
    model->key_depth = round_up(d->head_dim, 4);
    model->value_blocks = round_up(d->head_dim, BLOCK_ROWS) / BLOCK_ROWS;
    int rows = ATTEND_CELLS / round_up(d->context_tokens, 64);
    rows = rows < ATTEND_ROWS ? rows : ATTEND_ROWS;
    model->attend_tokens = rows > model->group ? rows / model->group : 1;
    model->attend_rows = model->attend_tokens * model->group;
    model->weights = (int64_t)d->n_layers * d->dim * (2 * model->q_dim + 2 * model->kv_dim + 3 * d->ffn_dim);
    model->score_factor_q30 = (LOG2E_Q30 << 16) / isqrt((uint64_t)d->head_dim << 32);
}

rail_model *rail_model_new(const rail_dims *dims, const rail_matrix *matrices, const rail_arrays *arrays,
                           int32_t kernels, int32_t threads)
{
    rail_model *model = calloc(1, sizeof *model);
    if (!model)
        return NULL;
    size_t pairs = (size_t)dims->head_dim / 2;
    model->d = *dims;
    model->kernels = kernels_at(kernels);
    take_dims(model);
    model->tok_embed = take_matrix(matrices, arrays->codebooks);
    model->head = take_matrix(matrices + 1 + 7 * dims->n_layers, arrays->codebooks);
    take_layers(model, matrices + 1, arrays);
    take_workspace(model, threads);
    model->rope_turns = take(model, pairs, sizeof *model->rope_turns);
    model->pool = pool_new(threads);
    if (model->short_of_memory || !model->pool) {
        rail_model_free(model);
        return NULL;
    }
    memcpy(model->rope_turns, arrays->rope_turns, pairs * sizeof *model->rope_turns);
    return model;
}

void rail_model_free(rail_model *model)
{
    if (!model)
        return;
    pool_free(model->pool);
    for (struct allocation *a = model->allocations, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(model);
}
