/* Attention of one layer (inference/SPEC.md section 5, steps 2.2 to 2.4): rotate, quantise, cache, attend. */

#include "step.h"

#include <string.h>

/* Norm (where there is one), rotation and quantisation of a query or key head. `x` is used up. */
static struct scale prepare_head(const rail_model *model, int32_t *x, const int32_t *gain, const int32_t *turn,
                                 int8_t *out, int32_t *sum)
{
    int n = model->d.head_dim;
    struct root root = {0, 0};
    if (gain) {
        root = root_of(model, x, n, model->kernels->max_abs(x, n));
        for (int i = 0; i < n; i++)
            x[i] = saturate(round_shift((int64_t)x[i] * gain[i], 16));
    }
    model->kernels->rotate(x, turn, n);
    uint32_t max = quantise(model, x, n, out, sum);
    return gain ? norm_scale(max, n, root) : plain_scale(max);
}

/* Bytes with their offset, four at a time. */
static void store_offset(uint8_t *to, const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    word ^= UINT32_C(0x80808080);
    memcpy(to, &word, sizeof word);
}

/* Four columns of a block row stand together, the next four a whole group on. `key` is padded to four. */
static void store_key(const rail_model *model, uint8_t *keys, int position, const int8_t *key)
{
    uint8_t *row = keys + (int64_t)(position / BLOCK_ROWS) * BLOCK_ROWS * model->key_depth + position % BLOCK_ROWS * 4;
    for (int i = 0; i < model->d.head_dim; i += 4)
        store_offset(row + i * BLOCK_ROWS, key + i);
}

/* A value is a column: its bytes stand four apart, 16 of them in a block. */
static void store_value(const rail_session *s, uint8_t *values, int position, const int8_t *value)
{
    uint8_t *column = values + position / 4 * 4 * BLOCK_ROWS + position % 4;
    for (int i = 0; i < s->model->value_blocks; i++, column += (int64_t)BLOCK_ROWS * s->capacity, value += BLOCK_ROWS)
        for (int r = 0; r < BLOCK_ROWS; r++)
            column[4 * r] = (uint8_t)(value[r] + 128);
}

/* Keys and values of one KV head of a segment's tokens go into the cache. */
static void store_heads(const struct chunk *chunk, const struct segment *segment, int layer, int kv_head)
{
    const rail_model *model = chunk->model;
    const rail_session *s = chunk->tokens[segment->begin].session;
    int64_t row = cache_row(s, layer, kv_head);
    int n = model->d.head_dim;
    int8_t bytes[256] = {0};
    for (int t = segment->begin; t < segment->begin + segment->count; t++) {
        int32_t *key = model->work.qkv + (int64_t)t * (model->q_dim + 2 * model->kv_dim) + model->q_dim + kv_head * n;
        int position = chunk->tokens[t].position;
        int32_t sum;
        struct scale scale = prepare_head(model, key, model->layers[layer].norm_k,
                                          model->work.turns + (int64_t)t * n, bytes, &sum);
        store_key(model, cached_keys(s, row), position, bytes);
        s->key_mantissa[row + position] = (int16_t)scale.mantissa;
        s->key_exponent[row + position] = (int16_t)scale.exponent;
        scale = plain_scale(quantise(model, key + model->kv_dim, n, bytes, &sum));
        store_value(s, cached_values(s, row), position, bytes);
        s->value_mantissa[row + position] = (int16_t)scale.mantissa;
        s->value_exponent[row + position] = (int16_t)(scale.mantissa ? scale.exponent : ZERO_EXPONENT);
    }
}

/* The query heads that share a KV head, of `tokens` tokens from `first` on, as rows of own->queries. */
static void take_queries(const struct chunk *chunk, struct scratch *own, int layer, int kv_head, int first, int tokens)
{
    const rail_model *model = chunk->model;
    int n = model->d.head_dim, group = model->group;
    for (int r = 0; r < tokens * group; r++) {
        int t = first + r / group;
        int32_t *x = model->work.qkv + (int64_t)t * (model->q_dim + 2 * model->kv_dim) +
                     (int64_t)(kv_head * group + r % group) * n;
        int32_t sum;
        struct scale scale = prepare_head(model, x, model->layers[layer].norm_q, model->work.turns + (int64_t)t * n,
                                          own->queries.data + r * own->queries.stride, &sum);
        struct scale s = scale_ratio((uint64_t)scale.mantissa * model->score_factor_q30, 1);
        own->queries.scales[r] = (struct scale){s.mantissa, s.exponent + scale.exponent + 30};
        own->queries.excess[r] = 128 * sum;
    }
}

struct view {
    const rail_session *session;
    int64_t row;     /* of the cache */
    int base;        /* first position looked at, a multiple of 64 */
    int position;    /* of the first token */
    int rows;        /* query heads times tokens */
    int span;        /* positions from base on, to a multiple of 64 */
    int64_t stride;  /* between rows of scores */
};

/* Positions from..to, counted from the base, that query row r attends to. */
static struct range seen(const rail_model *model, const struct view *v, int r)
{
    int to = v->position + r / model->group + 1, window = model->d.window_tokens;
    return (struct range){(window && to > window ? to - window : 0) - v->base, to - v->base};
}

static struct positions positions_at(const struct view *v, int from)
{
    const rail_session *s = v->session;
    int64_t at = v->row + v->base + from;
    return (struct positions){s->key_mantissa + at, s->key_exponent + at, s->value_mantissa + at,
                              s->value_exponent + at};
}

/* Scores of every row, and their maxima. */
static void score(const rail_model *model, const struct scratch *own, const struct view *v)
{
    int end = v->position + v->rows / model->group;
    model->kernels->gemm(cached_keys(v->session, v->row) + (int64_t)v->base * model->key_depth,
                         BLOCK_ROWS * model->key_depth, round_up(end - v->base, BLOCK_ROWS) / BLOCK_ROWS,
                         model->key_depth, vectors_of(&own->queries), v->rows, own->scores, v->stride);
    for (int r = 0; r < v->rows; r++) {
        struct range in = seen(model, v, r);
        struct positions p = positions_at(v, in.begin);
        model->kernels->scale_scores(own->scores + r * v->stride + in.begin, own->queries.scales[r], &p,
                                     in.end - in.begin, &own->found[r]);
    }
}

/* Digits of the weights of row r over depth positions from `from` on. */
static void weigh_piece(const rail_model *model, const struct scratch *own, const struct view *v, int r, int from,
                        int depth)
{
    struct range in = seen(model, v, r);
    struct softmax *found = &own->found[r];
    int64_t stride = row_stride(depth);
    int8_t *high = own->digits + r * stride, *low = high + v->rows * stride;
    int begin = in.begin > from ? in.begin - from : 0, end = in.end - from < depth ? in.end - from : depth;
    found->high = found->low = 0;
    memset(high, 0, (size_t)depth);
    memset(low, 0, (size_t)depth);
    if (begin < end) {
        struct positions p = positions_at(v, from + begin);
        model->kernels->weigh(own->scores + r * v->stride + from + begin, &p, end - begin, high + begin, low + begin,
                              found);
    }
    own->digit_excess[r] = 128 * found->high;
    own->digit_excess[v->rows + r] = 128 * found->low;
}

/* Sums of weights times values over the span, the two digits joined, for every row. */
static void sum_values(const rail_model *model, const struct scratch *own, const struct view *v)
{
    int width = model->value_blocks * BLOCK_ROWS;
    memset(own->values, 0, (size_t)v->rows * (size_t)width * sizeof *own->values);
    for (int from = 0; from < v->span; from += PIECE) {
        int depth = v->span - from < PIECE ? v->span - from : PIECE;
        for (int r = 0; r < v->rows; r++)
            weigh_piece(model, own, v, r, from, depth);
        struct vectors digits = {own->digits, row_stride(depth), own->digit_excess};
        model->kernels->gemm(cached_values(v->session, v->row) + ((int64_t)v->base + from) * BLOCK_ROWS,
                             (int64_t)v->session->capacity * BLOCK_ROWS, model->value_blocks, depth, digits,
                             2 * v->rows, own->halves, width);
        for (int i = 0; i < v->rows * width; i++)
            own->values[i] += (int64_t)own->halves[i] * 128 + own->halves[v->rows * width + i];
    }
}

/* One KV head of up to attend_tokens tokens of a session: softmax in base 2 in two passes over the scores. */
static void attend(const struct chunk *chunk, struct scratch *own, int layer, int kv_head, int first, int tokens)
{
    const rail_model *model = chunk->model;
    const rail_session *s = chunk->tokens[first].session;
    int position = chunk->tokens[first].position, window = model->d.window_tokens;
    int base = window && position >= window ? (position - window + 1) & ~63 : 0;
    int span = round_up(position + tokens - base, 64);
    struct view v = {s, cache_row(s, layer, kv_head), base, position, tokens * model->group, span, row_stride(span)};
    take_queries(chunk, own, layer, kv_head, first, tokens);
    score(model, own, &v);
    sum_values(model, own, &v);
    for (int r = 0; r < v.rows; r++) {
        int64_t head = kv_head * model->group + r % model->group, t = first + r / model->group;
        int peak = (own->found[r].top - own->found[r].max + 65535) >> 16;
        struct scale scale = scale_ratio(1, own->found[r].total);
        scale.exponent -= 41 + peak;
        model->kernels->combine(own->values + (int64_t)r * model->value_blocks * BLOCK_ROWS, scale,
                                model->d.head_dim, model->work.attention + t * model->q_dim + head * model->d.head_dim);
    }
}

void attention(struct chunk *chunk, int layer, int thread, int threads)
{
    const rail_model *model = chunk->model;
    struct scratch *own = &model->work.scratch[thread];
    int heads = model->d.n_kv_heads, item = 0;
    for (int i = 0; i < chunk->segment_count * heads; i++) {
        if (i % threads != thread)
            continue;
        const struct segment *segment = &chunk->segments[i / heads];
        store_heads(chunk, segment, layer, i % heads);
        if (chunk->decode)
            attend(chunk, own, layer, i % heads, segment->begin, 1);
    }
    if (chunk->decode)
        return;
    pool_barrier(model->pool);
    for (int i = 0; i < chunk->segment_count; i++) {
        const struct segment *segment = &chunk->segments[i];
        for (int done = 0; done < segment->count; done += model->attend_tokens)
            for (int head = 0; head < heads; head++, item++) {
                int left = segment->count - done;
                if (item % threads == thread)
                    attend(chunk, own, layer, head, segment->begin + done,
                           left < model->attend_tokens ? left : model->attend_tokens);
            }
    }
}
