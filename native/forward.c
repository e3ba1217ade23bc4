/* The transformer step (inference/SPEC.md section 5). Prefill, decode and replay are this one function: a token's
 * result depends on the cache before it and on nothing else, so chunking and threads cannot change a bit.
 *
 * All threads of the pool run `forward_chunk` together; each phase splits rows, heads or tokens, a barrier ends it.
 */

#include "step.h"

#include <string.h>

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

/* What becomes of a row of W x: it replaces the output, is added to it, or is gated by it: silu(output) * row. */
enum sink { STORE, ADD, GATE };

/* Rows begin..end of W x for every token, in q16, into out[t * out_stride + row]. */
static void linear(const rail_model *model, int thread, const struct matrix *w, struct range rows, const int8_t *x,
                   const struct scale *scales, int tokens, int32_t *out, int64_t out_stride, enum sink sink)
{
    int32_t *sums = model->work.sums + (int64_t)thread * CHUNK_TOKENS * ROW_BLOCK;
    int32_t *block = model->work.rows + (int64_t)thread * ROW_BLOCK;
    for (int r = rows.begin; r < rows.end; r += ROW_BLOCK) {
        int n = rows.end - r < ROW_BLOCK ? rows.end - r : ROW_BLOCK;
        model->kernels->gemm(w->m.weights + (int64_t)r * w->m.stride, w->row_sums + r, x, n, tokens, w->m.stride,
                             sums);
        for (int t = 0; t < tokens; t++) {
            int32_t *to = out + t * out_stride + r;
            int shift = clamp_int(w->m.exponent + scales[t].exponent - 16, 1, 62);
            model->kernels->requantise(sums + (int64_t)t * n, w->m.scales + r, scales[t].mantissa, shift, n,
                                       sink == STORE ? to : block);
            for (int i = 0; sink == ADD && i < n; i++)
                to[i] = saturate((int64_t)to[i] + block[i]);
            if (sink == GATE)
                model->kernels->silu_mul(to, block, n, to);
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

static void forward_layer(const rail_model *model, struct job *job, int layer, int thread, int threads)
{
    const rail_dims *d = &model->d;
    const struct layer *l = &model->layers[layer];
    const struct workspace *w = &model->work;
    int qkv_stride = model->q_dim + 2 * model->kv_dim;
    struct range q = share(model->q_dim, 16, thread, threads), kv = share(model->kv_dim, 16, thread, threads);
    struct range out = share(d->dim, 16, thread, threads), ffn = share(d->ffn_dim, 16, thread, threads);

    normalise(model, job, 0, thread, threads);
    pool_barrier(model->pool);
    linear(model, thread, &l->wq, q, w->quantised, w->scales, job->tokens, w->qkv, qkv_stride, STORE);
    linear(model, thread, &l->wk, kv, w->quantised, w->scales, job->tokens, w->qkv + model->q_dim, qkv_stride, STORE);
    linear(model, thread, &l->wv, kv, w->quantised, w->scales, job->tokens, w->qkv + model->q_dim + model->kv_dim,
           qkv_stride, STORE);
    pool_barrier(model->pool);
    store_heads(model, job, layer, thread, threads);
    pool_barrier(model->pool);
    attention(model, job, layer, thread, threads);
    pool_barrier(model->pool);
    requantise_rows(model, job, w->attention, model->q_dim, l->wo.m.stride, thread, threads);
    pool_barrier(model->pool);
    linear(model, thread, &l->wo, out, w->quantised, w->scales, job->tokens, w->x, d->dim, ADD);
    pool_barrier(model->pool);

    normalise(model, job, 0, thread, threads);
    pool_barrier(model->pool);
    linear(model, thread, &l->w1, ffn, w->quantised, w->scales, job->tokens, w->hidden, d->ffn_dim, STORE);
    linear(model, thread, &l->w3, ffn, w->quantised, w->scales, job->tokens, w->hidden, d->ffn_dim, GATE);
    pool_barrier(model->pool);
    requantise_rows(model, job, w->hidden, d->ffn_dim, l->w2.m.stride, thread, threads);
    pool_barrier(model->pool);
    linear(model, thread, &l->w2, out, w->quantised, w->scales, job->tokens, w->x, d->dim, ADD);
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
           d->vocab_size, STORE);
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
