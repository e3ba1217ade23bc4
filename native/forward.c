/* The transformer step (inference/SPEC.md section 5). Prefill, decode, batches and replay are this one function: a
 * token's result depends on the cache before it and on nothing else, so neither chunks nor threads can change a bit.
 *
 * All threads of the pool run `forward_chunk` together; each phase splits rows, heads or tokens, a barrier ends it.
 */

#include "step.h"

#include <string.h>

struct range share(int n, int thread, int threads)
{
    return (struct range){(int)((int64_t)n * thread / threads), (int)((int64_t)n * (thread + 1) / threads)};
}

static void embed(const rail_model *model, int32_t id, int32_t *x)
{
    const rail_matrix *m = &model->tok_embed.m;
    const uint8_t *row = m->weights + (int64_t)(id / BLOCK_ROWS) * BLOCK_ROWS * m->depth + id % BLOCK_ROWS * 4;
    int shift = m->exponent - 16;
    for (int i = 0; i < m->cols; i++) {
        int64_t v = (int64_t)(row[i / 4 * 4 * BLOCK_ROWS + i % 4] - 128) * m->scales[id];
        x[i] = saturate(shift > 0 ? round_shift(v, shift) : v);
    }
}

static void begin_token(const rail_model *model, const struct token *token, int t)
{
    int32_t *turn = model->work.turns + (int64_t)t * model->d.head_dim;
    embed(model, token->id, model->work.x + (int64_t)t * model->d.dim);
    for (int i = 0; i < model->d.head_dim / 2; i++)
        sincos_q30((uint64_t)token->position * model->rope_turns[i], &turn[2 * i], &turn[2 * i + 1]);
}

/* Makes row t of a quantised input out of token t. */
typedef void make_row(const rail_model *model, const struct chunk *chunk, struct scratch *own, const struct rows *rows, int t);

static void norm_row(const rail_model *model, const struct chunk *chunk, struct scratch *own, const struct rows *rows, int t)
{
    (void)chunk, (void)own;
    normalise_row(model, model->work.x + (int64_t)t * model->d.dim, model->d.dim, rows, t);
}

static void wanted_row(const rail_model *model, const struct chunk *chunk, struct scratch *own, const struct rows *rows, int t)
{
    (void)own;
    normalise_row(model, model->work.x + (int64_t)chunk->wanted[t] * model->d.dim, model->d.dim, rows, t);
}

static void attention_row(const rail_model *model, const struct chunk *chunk, struct scratch *own, const struct rows *rows,
                          int t)
{
    (void)chunk, (void)own;
    quantise_row(model, model->work.attention + (int64_t)t * model->q_dim, model->q_dim, rows, t);
}

/* The rotation works in place, so it takes a copy where other threads read the same vector. */
static void hidden_row(const rail_model *model, const struct chunk *chunk, struct scratch *own, const struct rows *rows, int t)
{
    int n = model->d.ffn_dim;
    int32_t *x = model->work.hidden + (int64_t)t * n;
    (void)chunk;
    if (rows == &own->rows && model->d.ffn_rotation)
        x = memcpy(own->wide, x, (size_t)n * sizeof *x);
    rotate_row(model, x, n, rows, t);
}

/* `count` rows, made by the threads together, or all of them by each thread if they are few. */
static const struct rows *make_rows(const rail_model *model, const struct chunk *chunk, int count, int thread,
                                    int threads, make_row *make)
{
    struct scratch *own = &model->work.scratch[thread];
    if (count <= PRIVATE_TOKENS) {
        for (int t = 0; t < count; t++)
            make(model, chunk, own, &own->rows, t);
        return &own->rows;
    }
    for (int t = thread; t < count; t += threads)
        make(model, chunk, own, &model->work.rows, t);
    pool_barrier(model->pool);
    return &model->work.rows;
}

/* Copies the inputs of a matrix for a calibration. Any thread's rows will do: all are the same. */
static void capture(const struct chunk *chunk, int thread, const struct rows *in, int count, int layer, int place)
{
    const rail_model *model = chunk->model;
    int64_t row = ((int64_t)layer * 4 + place) * chunk->count;
    for (int t = 0; model->capture && thread == 0 && t < count; t++)
        memcpy(model->capture + (row + t) * model->capture_width, in->data + t * in->stride, (size_t)model->capture_width);
}

static void forward_layer(struct chunk *chunk, int layer, int thread, int threads)
{
    const rail_model *model = chunk->model;
    const struct layer *l = &model->layers[layer];
    const struct workspace *w = &model->work;
    int n = chunk->count, dim = model->d.dim, qkv = model->q_dim + 2 * model->kv_dim;

    const struct rows *in = make_rows(model, chunk, n, thread, threads, norm_row);
    capture(chunk, thread, in, n, layer, 0);
    linear(model, thread, threads, &l->wq, in, n, w->qkv, qkv, STORE);
    linear(model, thread, threads, &l->wk, in, n, w->qkv + model->q_dim, qkv, STORE);
    linear(model, thread, threads, &l->wv, in, n, w->qkv + model->q_dim + model->kv_dim, qkv, STORE);
    pool_barrier(model->pool);
    attention(chunk, layer, thread, threads);
    pool_barrier(model->pool);
    in = make_rows(model, chunk, n, thread, threads, attention_row);
    capture(chunk, thread, in, n, layer, 1);
    linear(model, thread, threads, &l->wo, in, n, w->x, dim, ADD);
    pool_barrier(model->pool);

    in = make_rows(model, chunk, n, thread, threads, norm_row);
    capture(chunk, thread, in, n, layer, 2);
    gated(model, thread, threads, l, in, n, w->hidden);
    pool_barrier(model->pool);
    in = make_rows(model, chunk, n, thread, threads, hidden_row);
    capture(chunk, thread, in, n, layer, 3);
    linear(model, thread, threads, &l->w2, in, n, w->x, dim, ADD);
    pool_barrier(model->pool);
}

static void forward_chunk(void *argument, int thread)
{
    struct chunk *chunk = argument;
    const rail_model *model = chunk->model;
    int threads = pool_active(model->pool);
    for (int t = thread; t < chunk->count; t += threads)
        begin_token(model, &chunk->tokens[t], t);
    pool_barrier(model->pool);
    for (int layer = 0; layer < model->d.n_layers; layer++)
        forward_layer(chunk, layer, thread, threads);
    if (chunk->wanted_count) {
        const struct rows *in = make_rows(model, chunk, chunk->wanted_count, thread, threads, wanted_row);
        capture(chunk, thread, in, chunk->wanted_count, model->d.n_layers, 0);
        linear(model, thread, threads, &model->head, in, chunk->wanted_count, chunk->logits, model->d.vocab_size, STORE);
    }
}

/* Adds the tokens of a piece from `done` on, as many as there is room for, and returns how many. */
static int fill(struct chunk *chunk, const rail_piece *piece, int done)
{
    int room = CHUNK_TOKENS - chunk->count, n = piece->count - done < room ? piece->count - done : room;
    for (int i = done; i < done + n; i++) {
        if (i >= piece->logits_from)
            chunk->wanted[chunk->wanted_count++] = chunk->count + i - done;
        chunk->tokens[chunk->count + i - done] =
            (struct token){piece->session, piece->ids[i], piece->session->position + i - done};
    }
    chunk->segments[chunk->segment_count++] = (struct segment){chunk->count, n};
    chunk->decode &= n == 1;
    chunk->count += n;
    return n;
}

void rail_capture(rail_model *model, int8_t *out, int32_t width)
{
    model->capture = out;
    model->capture_width = width;
}

int32_t rail_capture_tokens(void) { return CHUNK_TOKENS; }

void rail_step(rail_model *model, const rail_piece *pieces, int32_t count, int32_t *logits)
{
    struct chunk chunk = {.model = model, .logits = logits, .decode = 1};
    for (int p = 0, done = 0; p < count;) {
        int taken = fill(&chunk, &pieces[p], done);
        done += taken;
        if (done == pieces[p].count) {
            p++;
            done = 0;
        }
        if (chunk.count < CHUNK_TOKENS && p < count)
            continue;
        pool_run(model->pool, forward_chunk, &chunk, model->weights * chunk.count < ALONE_BELOW);
        for (int i = 0; i < chunk.segment_count; i++)
            chunk.tokens[chunk.segments[i].begin].session->position += chunk.segments[i].count;
        chunk.logits += (int64_t)chunk.wanted_count * model->d.vocab_size;
        chunk.count = chunk.segment_count = chunk.wanted_count = 0;
        chunk.decode = 1;
    }
}
