/* Making, freeing and copying sessions: the KV cache of one sequence. */

#include "model.h"

#include <stdlib.h>
#include <string.h>

/* Pages of memory that no position has touched cost nothing, so the whole context is asked for at once. */
rail_session *rail_session_new(rail_model *model, int32_t context_tokens)
{
    rail_session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->model = model;
    s->capacity = round_up(context_tokens, 64);
    size_t rows = (size_t)model->d.n_layers * model->d.n_kv_heads * (size_t)s->capacity;
    s->keys = calloc(rows, (size_t)model->key_depth);
    s->values = calloc(rows, (size_t)model->value_blocks * BLOCK_ROWS);
    s->key_mantissa = calloc(rows, sizeof *s->key_mantissa);
    s->key_exponent = calloc(rows, sizeof *s->key_exponent);
    s->value_mantissa = calloc(rows, sizeof *s->value_mantissa);
    s->value_exponent = calloc(rows, sizeof *s->value_exponent);
    if (s->keys && s->values && s->key_mantissa && s->key_exponent && s->value_mantissa && s->value_exponent)
        return s;
    rail_session_free(s);
    return NULL;
}

void rail_session_free(rail_session *s)
{
    if (!s)
        return;
    void *buffers[] = {s->keys, s->values, s->key_mantissa, s->key_exponent, s->value_mantissa, s->value_exponent};
    for (int i = 0; i < (int)(sizeof buffers / sizeof *buffers); i++)
        free(buffers[i]);
    free(s);
}

/* Bytes of the cache that the present positions have touched. */
int64_t rail_session_bytes(const rail_session *s)
{
    const rail_model *model = s->model;
    int64_t heads = (int64_t)model->d.n_layers * model->d.n_kv_heads;
    return heads * s->position * (model->key_depth + model->value_blocks * BLOCK_ROWS + 4 * (int64_t)sizeof(int16_t));
}

int32_t rail_position(const rail_session *s) { return s->position; }

void rail_truncate(rail_session *s, int32_t position) { s->position = position; }

static void copy_head(rail_session *to, const rail_session *from, int64_t to_row, int64_t from_row, int n)
{
    const rail_model *model = from->model;
    memcpy(cached_keys(to, to_row), cached_keys(from, from_row),
           (size_t)round_up(n, BLOCK_ROWS) * (size_t)model->key_depth);
    for (int b = 0; b < model->value_blocks; b++)
        memcpy(cached_values(to, to_row) + (int64_t)b * BLOCK_ROWS * to->capacity,
               cached_values(from, from_row) + (int64_t)b * BLOCK_ROWS * from->capacity,
               (size_t)round_up(n, 4) * BLOCK_ROWS);
    memcpy(to->key_mantissa + to_row, from->key_mantissa + from_row, (size_t)n * sizeof *to->key_mantissa);
    memcpy(to->key_exponent + to_row, from->key_exponent + from_row, (size_t)n * sizeof *to->key_exponent);
    memcpy(to->value_mantissa + to_row, from->value_mantissa + from_row, (size_t)n * sizeof *to->value_mantissa);
    memcpy(to->value_exponent + to_row, from->value_exponent + from_row, (size_t)n * sizeof *to->value_exponent);
}

void rail_session_copy(rail_session *to, const rail_session *from, int32_t positions)
{
    for (int layer = 0; layer < to->model->d.n_layers; layer++)
        for (int head = 0; head < to->model->d.n_kv_heads; head++)
            copy_head(to, from, cache_row(to, layer, head), cache_row(from, layer, head), positions);
    to->position = positions;
}
