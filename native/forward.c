/* The transformer step (inference/SPEC.md section 5). Prefill, decode and replay are this one function: a token's
 * result depends on the cache before it and on nothing else, so chunking and threads cannot change a bit.
 *
 * All threads of the pool run `forward_chunk` together; each phase splits rows, heads or tokens, a barrier ends it.
 */

#include "model.h"

#include <string.h>

struct job {
    rail_session *session;
    const int32_t *ids;
    int tokens;         /* of this chunk, at positions session->position .. */
    int logits_from;    /* first token of the chunk whose logits are wanted */
    int32_t *logits;    /* (tokens - logits_from, vocab) */
};

struct range {
    int begin, end;
};

/* This thread's share of `n` items, in units of `unit`. */
static struct range share(int n, int unit, int thread, int threads)
{
    int64_t units = (n + unit - 1) / unit;
    int begin = (int)(units * thread / threads) * unit, end = (int)(units * (thread + 1) / threads) * unit;
    return (struct range){begin, end < n ? end : n};
}

static void embed(const rail_model *model, int32_t id, int32_t *x)
{
    const rail_matrix *m = &model->tok_embed.m;
    const int8_t *row = m->weights + (int64_t)id * m->stride;
    int shift = m->exponent - 16;
    for (int i = 0; i < m->cols; i++) {
        int64_t v = (int64_t)row[i] * m->scales[id];
        x[i] = saturate(shift > 0 ? round_shift(v, shift) : v);
    }
}

/* x (q16) to i8 by its own maximum, which is returned: x = i8 * max / 127. Zero stays zero. */
static uint32_t quantise(const rail_model *model, const int32_t *x, int n, int8_t *out)
{
    uint32_t max = model->kernels->max_abs(x, n);
    if (max == 0) {
        memset(out, 0, (size_t)n);
        return 0;
    }
    int bits = bit_length(max);
    int64_t reciprocal = (INT64_C(127) << (23 + bits)) / max;   /* in (127 * 2^23, 127 * 2^24] */
    model->kernels->quantise(x, n, (int32_t)reciprocal, 23 + bits, out);
    return max;
}

/* Scale of a vector in q16 quantised by `quantise`. */
static struct scale plain_scale(uint32_t max)
{
    struct scale s = scale_ratio(max, 127);
    return (struct scale){s.mantissa, s.exponent + 16};
}

/* Scale of RMSNorm(x) quantised: (max / 127) / sqrt(mean(x^2) + eps). The norm's gain is in the next matrix. */
static struct scale norm_scale(const rail_model *model, const int32_t *x, uint32_t max)
{
    if (max == 0)
        return (struct scale){0, 0};
    int dim = model->d.dim, drop = bit_length(max) > 24 ? bit_length(max) - 24 : 0;
    uint64_t squares = 0;   /* dim <= 2^15 times (2^24)^2: under 2^63 */
    for (int i = 0; i < dim; i++) {
        int64_t v = drop ? round_shift(x[i], drop) : x[i];
        squares += (uint64_t)(v * v);
    }
    squares += ((uint64_t)dim * (uint64_t)model->d.norm_eps_q48) >> (16 + 2 * drop);
    int up = (64 - bit_length(squares)) & ~1;
    uint64_t root = isqrt(squares << up);   /* sqrt(squares) * 2^(up/2), in [2^31, 2^32) */
    struct scale s = scale_ratio(max * model->root_dim_q16, 127 * root);
    return (struct scale){s.mantissa, s.exponent + 16 + drop - up / 2};
}

/* Rows begin..end of W x for every token, in q16, into out[t * out_stride + row]; added to it when `add` is set. */
static void linear(const rail_model *model, int thread, const struct matrix *w, struct range rows, const int8_t *x,
                   const struct scale *scales, int tokens, int32_t *out, int64_t out_stride, int add)
{
    int32_t *sums = model->work.sums + (int64_t)thread * CHUNK_TOKENS * ROW_BLOCK;
    int32_t *block = model->work.rows + (int64_t)thread * 2 * ROW_BLOCK;
    for (int r = rows.begin; r < rows.end; r += ROW_BLOCK) {
        int n = rows.end - r < ROW_BLOCK ? rows.end - r : ROW_BLOCK;
        model->kernels->gemm(w->m.weights + (int64_t)r * w->m.stride, w->row_sums + r, x, n, tokens, w->m.stride,
                             sums);
        for (int t = 0; t < tokens; t++) {
            int32_t *to = out + t * out_stride + r;
            int shift = clamp_int(w->m.exponent + scales[t].exponent - 16, 1, 62);
            model->kernels->requantise(sums + (int64_t)t * n, w->m.scales + r, scales[t].mantissa, shift, n,
                                       add ? block : to);
            for (int i = 0; add && i < n; i++)
                to[i] = saturate((int64_t)to[i] + block[i]);
        }
    }
}

/* Norm and quantisation of the residual stream for this thread's tokens from `first` on. */
static void normalise(const rail_model *model, struct job *job, int first, int thread, int threads)
{
    const struct workspace *w = &model->work;
    int dim = model->d.dim, stride = model->head.m.stride;
    for (int t = first + thread; t < job->tokens; t += threads) {
        const int32_t *x = w->x + (int64_t)t * dim;
        int8_t *q = w->quantised + (int64_t)t * stride;
        uint32_t max = quantise(model, x, dim, q);
        memset(q + dim, 0, (size_t)(stride - dim));
        w->scales[t] = norm_scale(model, x, max);
    }
}

/* Quantisation of `width` q16 values a token as the input of a matrix of that width. */
static void requantise_rows(const rail_model *model, struct job *job, const int32_t *x, int width, int stride,
                            int thread, int threads)
{
    const struct workspace *w = &model->work;
    for (int t = thread; t < job->tokens; t += threads) {
        int8_t *q = w->quantised + (int64_t)t * stride;
        w->scales[t] = plain_scale(quantise(model, x + (int64_t)t * width, width, q));
        memset(q + width, 0, (size_t)(stride - width));
    }
}

/* Rotates pairs (2i, 2i+1) of one head in place. |x| < 2^31 and |cos|, |sin| <= 2^30: sums stay under 2^62. */
static void rotate(int32_t *x, const int32_t *cosines, const int32_t *sines, int head_dim)
{
    for (int i = 0; i < head_dim / 2; i++) {
        int64_t a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = saturate(round_shift(a * cosines[i] - b * sines[i], 30));
        x[2 * i + 1] = saturate(round_shift(a * sines[i] + b * cosines[i], 30));
    }
}

/* Rotates and quantises the heads of this thread: queries into the workspace, keys and values into the cache. */
static void store_heads(const rail_model *model, struct job *job, int layer, int thread, int threads)
{
    const rail_dims *d = &model->d;
    const struct workspace *w = &model->work;
    rail_session *s = job->session;
    int heads = d->n_heads + 2 * d->n_kv_heads, half = d->head_dim / 2;
    for (int item = thread; item < job->tokens * heads; item += threads) {
        int t = item / heads, head = item % heads;
        int32_t *x = w->qkv + (int64_t)t * (model->q_dim + 2 * model->kv_dim) + (int64_t)head * d->head_dim;
        int kv_head = (head - d->n_heads) % d->n_kv_heads, is_query = head < d->n_heads;
        if (head < d->n_heads + d->n_kv_heads)
            rotate(x, w->cosines + (int64_t)t * half, w->sines + (int64_t)t * half, d->head_dim);
        if (is_query) {
            int64_t slot = (int64_t)t * d->n_heads + head;
            uint32_t max = quantise(model, x, d->head_dim, w->queries + slot * model->head_stride);
            struct scale scale = scale_ratio(max * model->score_factor_q30, 127);
            w->query_scales[slot] = (struct scale){scale.mantissa, scale.exponent + 46};
            continue;
        }
        int64_t slot = cache_row(s, layer, kv_head) + s->position + t;
        if (head < d->n_heads + d->n_kv_heads)
            s->key_scales[slot] = plain_scale(quantise(model, x, d->head_dim, s->keys + slot * model->head_stride));
        else
            s->value_max[slot] = (int32_t)quantise(model, x, d->head_dim, s->values + slot * model->head_stride);
    }
}

/* One head of one token over positions 0..n-1: softmax in base 2 in two passes, then the weighted sum of values. */
static void attend(const rail_model *model, rail_session *s, int thread, int64_t row, const int8_t *query,
                   struct scale query_scale, int n, int32_t *out)
{
    int32_t *scores = s->scores + (int64_t)thread * s->context;
    int16_t *weights = s->weights + (int64_t)thread * s->context;
    int64_t sums[256];
    int32_t max = -INT32_LIMIT;
    model->kernels->dots(query, s->keys + row * model->head_stride, n, model->head_stride, scores);
    for (int j = 0; j < n; j++) {
        struct scale k = s->key_scales[row + j];
        int shift = clamp_int(query_scale.exponent + k.exponent - 16, 1, 62);
        scores[j] = saturate(round_shift((int64_t)scores[j] * (query_scale.mantissa * k.mantissa), shift));
        max = scores[j] > max ? scores[j] : max;
    }
    uint64_t total = 0, peak = 0;   /* total <= 2^30 * 2^20; products < 2^30 * 2^31 */
    for (int j = 0; j < n; j++) {
        scores[j] = exp2_neg_q30((uint32_t)((int64_t)max - scores[j]));
        uint64_t product = (uint64_t)scores[j] * (uint32_t)s->value_max[row + j];
        total += (uint64_t)scores[j];
        peak = product > peak ? product : peak;
    }
    int drop = bit_length(peak) > 15 ? bit_length(peak) - 15 : 0;
    for (int j = 0; j < n; j++) {
        int64_t product = (int64_t)scores[j] * s->value_max[row + j];
        int64_t weight = drop ? round_shift(product, drop) : product;
        weights[j] = (int16_t)(weight < 32767 ? weight : 32767);
    }
    model->kernels->weighted_sum(weights, s->values + row * model->head_stride, n, model->head_stride, sums);
    struct scale scale = scale_ratio(UINT64_C(1) << drop, 127 * total);
    int shift = clamp_int(scale.exponent, 1, 62);
    for (int i = 0; i < model->d.head_dim; i++)
        out[i] = saturate(round_shift(sums[i] * scale.mantissa, shift));
}

static void attention(const rail_model *model, struct job *job, int layer, int thread, int threads)
{
    const rail_dims *d = &model->d;
    const struct workspace *w = &model->work;
    rail_session *s = job->session;
    int group = d->n_heads / d->n_kv_heads;
    for (int item = thread; item < job->tokens * d->n_heads; item += threads) {
        int t = item / d->n_heads, head = item % d->n_heads;
        attend(model, s, thread, cache_row(s, layer, head / group), w->queries + (int64_t)item * model->head_stride,
               w->query_scales[item], s->position + t + 1,
               w->attention + (int64_t)t * model->q_dim + (int64_t)head * d->head_dim);
    }
}

/* hidden = silu(W1 x) * (W3 x) for this thread's rows. */
static void gated_hidden(const rail_model *model, struct job *job, const struct layer *l, int thread, int threads)
{
    const struct workspace *w = &model->work;
    int ffn = model->d.ffn_dim;
    int32_t *sums = w->sums + (int64_t)thread * CHUNK_TOKENS * ROW_BLOCK;
    int32_t *up = w->rows + (int64_t)thread * 2 * ROW_BLOCK;
    struct range rows = share(ffn, 16, thread, threads);
    linear(model, thread, &l->w1, rows, w->quantised, w->scales, job->tokens, w->hidden, ffn, 0);
    for (int r = rows.begin; r < rows.end; r += ROW_BLOCK) {
        int n = rows.end - r < ROW_BLOCK ? rows.end - r : ROW_BLOCK;
        model->kernels->gemm(l->w3.m.weights + (int64_t)r * l->w3.m.stride, l->w3.row_sums + r, w->quantised, n,
                             job->tokens, l->w3.m.stride, sums);
        for (int t = 0; t < job->tokens; t++) {
            int32_t *hidden = w->hidden + (int64_t)t * ffn + r;
            int shift = clamp_int(l->w3.m.exponent + w->scales[t].exponent - 16, 1, 62);
            model->kernels->requantise(sums + (int64_t)t * n, l->w3.m.scales + r, w->scales[t].mantissa, shift, n, up);
            model->kernels->silu_mul(hidden, up, n, hidden);
        }
    }
}

static void forward_layer(const rail_model *model, struct job *job, int layer, int thread, int threads)
{
    const rail_dims *d = &model->d;
    const struct layer *l = &model->layers[layer];
    const struct workspace *w = &model->work;
    int qkv_stride = model->q_dim + 2 * model->kv_dim;
    struct range q = share(model->q_dim, 16, thread, threads), kv = share(model->kv_dim, 16, thread, threads);
    struct range out = share(d->dim, 16, thread, threads);

    normalise(model, job, 0, thread, threads);
    pool_barrier(model->pool);
    linear(model, thread, &l->wq, q, w->quantised, w->scales, job->tokens, w->qkv, qkv_stride, 0);
    linear(model, thread, &l->wk, kv, w->quantised, w->scales, job->tokens, w->qkv + model->q_dim, qkv_stride, 0);
    linear(model, thread, &l->wv, kv, w->quantised, w->scales, job->tokens, w->qkv + model->q_dim + model->kv_dim,
           qkv_stride, 0);
    pool_barrier(model->pool);
    store_heads(model, job, layer, thread, threads);
    pool_barrier(model->pool);
    attention(model, job, layer, thread, threads);
    pool_barrier(model->pool);
    requantise_rows(model, job, w->attention, model->q_dim, l->wo.m.stride, thread, threads);
    pool_barrier(model->pool);
    linear(model, thread, &l->wo, out, w->quantised, w->scales, job->tokens, w->x, d->dim, 1);
    pool_barrier(model->pool);

    normalise(model, job, 0, thread, threads);
    pool_barrier(model->pool);
    gated_hidden(model, job, l, thread, threads);
    pool_barrier(model->pool);
    requantise_rows(model, job, w->hidden, d->ffn_dim, l->w2.m.stride, thread, threads);
    pool_barrier(model->pool);
    linear(model, thread, &l->w2, out, w->quantised, w->scales, job->tokens, w->x, d->dim, 1);
    pool_barrier(model->pool);
}

static void forward_chunk(void *argument, int thread)
{
    struct job *job = argument;
    const rail_model *model = job->session->model;
    const rail_dims *d = &model->d;
    const struct workspace *w = &model->work;
    int threads = pool_active(model->pool), half = d->head_dim / 2;

    for (int t = thread; t < job->tokens; t += threads) {
        embed(model, job->ids[t], w->x + (int64_t)t * d->dim);
        for (int i = 0; i < half; i++)
            sincos_q30((uint64_t)(job->session->position + t) * model->rope_turns[i],
                       w->cosines + (int64_t)t * half + i, w->sines + (int64_t)t * half + i);
    }
    for (int layer = 0; layer < d->n_layers; layer++) {
        pool_barrier(model->pool);
        forward_layer(model, job, layer, thread, threads);
    }
    int first = job->logits_from;
    if (first >= job->tokens)
        return;
    normalise(model, job, first, thread, threads);
    pool_barrier(model->pool);
    linear(model, thread, &model->head, share(d->vocab_size, 16, thread, threads),
           w->quantised + (int64_t)first * model->head.m.stride, w->scales + first, job->tokens - first, job->logits,
           d->vocab_size, 0);
}

int32_t rail_forward(rail_session *session, const int32_t *ids, int32_t count, int32_t all_logits, int32_t *logits)
{
    for (int done = 0; done < count;) {
        int tokens = count - done < CHUNK_TOKENS ? count - done : CHUNK_TOKENS;
        int last = done + tokens == count;
        struct job job = {session, ids + done, tokens, all_logits ? 0 : last ? tokens - 1 : tokens, logits};
        pool_run(session->model->pool, forward_chunk, &job, session->model->weights * tokens < ALONE_BELOW);
        session->position += tokens;
        done += tokens;
        if (all_logits)
            logits += (int64_t)tokens * session->model->d.vocab_size;
    }
    return session->position;
}
