/* Attention of one layer (inference/SPEC.md section 5, steps 2.2 to 2.4): rotate, quantise, cache, attend. */

#include "step.h"

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
void store_heads(const rail_model *model, struct job *job, int layer, int thread, int threads)
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
    const struct kernels *k = model->kernels;
    int32_t *scores = s->scores + (int64_t)thread * s->context;
    int16_t *weights = s->weights + (int64_t)thread * s->context;
    const int32_t *value_max = s->value_max + row;
    int64_t sums[256];
    uint64_t total, peak;   /* total <= 2^30 * 2^20; peak < 2^30 * 2^31 */
    k->dots(query, s->keys + row * model->head_stride, n, model->head_stride, scores);
    int32_t max = k->scale_scores(scores, s->key_scales + row, query_scale, n);
    k->exp_shares(scores, max, value_max, n, &total, &peak);
    int drop = bit_length(peak) > 15 ? bit_length(peak) - 15 : 0;
    k->round_weights(scores, value_max, n, drop, weights);
    k->weighted_sum(weights, s->values + row * model->head_stride, n, model->head_stride, sums);
    struct scale scale = scale_ratio(UINT64_C(1) << drop, 127 * total);
    int shift = clamp_int(scale.exponent, 1, 62);
    for (int i = 0; i < model->d.head_dim; i++)
        out[i] = saturate(round_shift(sums[i] * scale.mantissa, shift));
}

void attention(const rail_model *model, struct job *job, int layer, int thread, int threads)
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
