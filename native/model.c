/* Making and freeing models and sessions. Every allocation is checked; a failure frees what was made. */

#include "model.h"

#include <stdlib.h>
#include <string.h>

#define LOG2E_Q30 UINT64_C(1549082005)   /* round(log2(e) * 2^30) */

static int round_up(int v, int to) { return (v + to - 1) / to * to; }

static int take_matrix(struct matrix *out, const rail_matrix *m)
{
    out->m = *m;
    out->row_sums = malloc((size_t)m->rows * sizeof *out->row_sums);
    if (!out->row_sums)
        return 0;
    for (int r = 0; r < m->rows; r++) {
        const int8_t *row = m->weights + (int64_t)r * m->stride;
        int32_t sum = 0;
        for (int k = 0; k < m->stride; k++)
            sum += row[k];
        out->row_sums[r] = sum;
    }
    return 1;
}

static int take_layer(struct layer *layer, const rail_matrix *m)
{
    return take_matrix(&layer->wq, m) && take_matrix(&layer->wk, m + 1) && take_matrix(&layer->wv, m + 2) &&
           take_matrix(&layer->wo, m + 3) && take_matrix(&layer->w1, m + 4) && take_matrix(&layer->w3, m + 5) &&
           take_matrix(&layer->w2, m + 6);
}

static int take_workspace(rail_model *model, int threads)
{
    const rail_dims *d = &model->d;
    struct workspace *w = &model->work;
    int widest = d->dim > d->ffn_dim ? d->dim : d->ffn_dim;
    widest = round_up(widest > model->q_dim ? widest : model->q_dim, 64);
    w->x = calloc((size_t)CHUNK_TOKENS * d->dim, sizeof *w->x);
    w->qkv = calloc((size_t)CHUNK_TOKENS * (model->q_dim + 2 * model->kv_dim), sizeof *w->qkv);
    w->attention = calloc((size_t)CHUNK_TOKENS * model->q_dim, sizeof *w->attention);
    w->hidden = calloc((size_t)CHUNK_TOKENS * d->ffn_dim, sizeof *w->hidden);
    w->quantised = calloc((size_t)CHUNK_TOKENS * widest, 1);
    w->scales = calloc(CHUNK_TOKENS, sizeof *w->scales);
    w->queries = calloc((size_t)CHUNK_TOKENS * d->n_heads * model->head_stride, 1);
    w->query_scales = calloc((size_t)CHUNK_TOKENS * d->n_heads, sizeof *w->query_scales);
    w->cosines = calloc((size_t)CHUNK_TOKENS * (d->head_dim / 2), sizeof *w->cosines);
    w->sines = calloc((size_t)CHUNK_TOKENS * (d->head_dim / 2), sizeof *w->sines);
    w->sums = calloc((size_t)threads * CHUNK_TOKENS * ROW_BLOCK, sizeof *w->sums);
    w->rows = calloc((size_t)threads * ROW_BLOCK, sizeof *w->rows);
    return w->x && w->qkv && w->attention && w->hidden && w->quantised && w->scales && w->queries &&
           w->query_scales && w->cosines && w->sines && w->sums && w->rows;
}

rail_model *rail_model_new(const rail_dims *dims, const rail_matrix *matrices, const uint64_t *rope_turns,
                           int32_t kernels, int32_t threads)
{
    rail_model *model = calloc(1, sizeof *model);
    if (!model)
        return NULL;
    model->d = *dims;
    model->kernels = kernels_at(kernels);
    model->q_dim = dims->n_heads * dims->head_dim;
    model->kv_dim = dims->n_kv_heads * dims->head_dim;
    model->head_stride = round_up(dims->head_dim, 32);
    model->weights = (int64_t)dims->n_layers * dims->dim * (2 * model->q_dim + 2 * model->kv_dim + 3 * dims->ffn_dim);
    model->root_dim_q16 = isqrt((uint64_t)dims->dim << 32);
    model->score_factor_q30 = (LOG2E_Q30 << 16) / isqrt((uint64_t)dims->head_dim << 32);
    size_t turns = (size_t)dims->head_dim / 2 * sizeof *rope_turns;
    model->rope_turns = malloc(turns);
    model->layers = calloc((size_t)dims->n_layers, sizeof *model->layers);
    int ok = model->rope_turns && model->layers && take_matrix(&model->tok_embed, matrices);
    for (int i = 0; ok && i < dims->n_layers; i++)
        ok = take_layer(&model->layers[i], matrices + 1 + 7 * i);
    ok = ok && take_matrix(&model->head, matrices + 1 + 7 * dims->n_layers) && take_workspace(model, threads) &&
         (model->pool = pool_new(threads));
    if (!ok) {
        rail_model_free(model);
        return NULL;
    }
    memcpy(model->rope_turns, rope_turns, turns);
    return model;
}

void rail_model_free(rail_model *model)
{
    if (!model)
        return;
    pool_free(model->pool);
    free(model->tok_embed.row_sums);
    free(model->head.row_sums);
    for (int i = 0; model->layers && i < model->d.n_layers; i++) {
        struct layer *l = &model->layers[i];
        struct matrix *all[] = {&l->wq, &l->wk, &l->wv, &l->wo, &l->w1, &l->w3, &l->w2};
        for (int j = 0; j < 7; j++)
            free(all[j]->row_sums);
    }
    free(model->layers);
    free(model->rope_turns);
    struct workspace *w = &model->work;
    void *buffers[] = {w->x, w->qkv, w->attention, w->hidden, w->quantised, w->scales, w->queries, w->query_scales,
                       w->cosines, w->sines, w->sums, w->rows};
    for (int i = 0; i < (int)(sizeof buffers / sizeof *buffers); i++)
        free(buffers[i]);
    free(model);
}

rail_session *rail_session_new(rail_model *model, int32_t context_tokens)
{
    rail_session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    int threads = pool_threads(model->pool);
    size_t rows = (size_t)model->d.n_layers * model->d.n_kv_heads * context_tokens;
    s->model = model;
    s->context = context_tokens;
    s->keys = calloc(rows, model->head_stride);
    s->values = calloc(rows, model->head_stride);
    s->key_scales = calloc(rows, sizeof *s->key_scales);
    s->value_max = calloc(rows, sizeof *s->value_max);
    s->scores = calloc((size_t)threads * context_tokens, sizeof *s->scores);
    s->weights = calloc((size_t)threads * context_tokens, sizeof *s->weights);
    if (s->keys && s->values && s->key_scales && s->value_max && s->scores && s->weights)
        return s;
    rail_session_free(s);
    return NULL;
}

void rail_session_free(rail_session *s)
{
    if (!s)
        return;
    void *buffers[] = {s->keys, s->values, s->key_scales, s->value_max, s->scores, s->weights};
    for (int i = 0; i < (int)(sizeof buffers / sizeof *buffers); i++)
        free(buffers[i]);
    free(s);
}

int32_t rail_position(const rail_session *s) { return s->position; }

void rail_truncate(rail_session *s, int32_t position) { s->position = position; }
