/* What a model and a session hold. Built in model.c, used by forward.c. */
#ifndef RAIL_MODEL_H
#define RAIL_MODEL_H

#include "fixedpoint.h"
#include "native.h"
#include "pool.h"

enum {
    CHUNK_TOKENS = 64,   /* tokens that pass through the layers together */
    ROW_BLOCK = 64,      /* weight rows whose sums are held before they are rescaled */
    ALONE_BELOW = 4000000, /* multiplications under which waking the pool costs more than it saves */
};

struct matrix {
    rail_matrix m;
    int32_t *row_sums;   /* rows; |sum| <= 127 * 65536 < 2^23 */
};

struct layer {
    struct matrix wq, wk, wv, wo, w1, w3, w2;
};

/* Scratch of one chunk. Only touched inside pool_run, so sessions of one model share it. */
struct workspace {
    int32_t *x;            /* (CHUNK, dim) q16: the residual stream */
    int32_t *qkv;          /* (CHUNK, q_dim + 2 kv_dim) q16 */
    int32_t *attention;    /* (CHUNK, q_dim) q16 */
    int32_t *hidden;       /* (CHUNK, ffn) q16 */
    int8_t *quantised;     /* (CHUNK, widest stride) i8: input of the next matrix */
    struct scale *scales;  /* (CHUNK) of `quantised` */
    int8_t *queries;       /* (CHUNK, n_heads, head_stride) i8 */
    struct scale *query_scales; /* (CHUNK, n_heads) */
    int32_t *cosines, *sines;   /* (CHUNK, head_dim / 2) Q30 */
    int32_t *sums;         /* (threads, CHUNK * ROW_BLOCK) */
    int32_t *rows;         /* (threads, ROW_BLOCK) q16 */
};

struct rail_model {
    rail_dims d;
    const struct kernels *kernels;
    struct pool *pool;
    struct matrix tok_embed, head;
    struct layer *layers;
    uint64_t *rope_turns;       /* head_dim / 2: turns per position, 64-bit fraction */
    int q_dim, kv_dim;
    int head_stride;            /* head_dim rounded up to a multiple of 32 */
    int64_t weights;            /* multiplications of one token's matrices, without the head */
    uint64_t root_dim_q16;      /* floor(sqrt(dim) * 2^16) */
    uint64_t score_factor_q30;  /* floor(log2(e) / sqrt(head_dim) * 2^30) */
    struct workspace work;
};

/* The KV cache: one row of head_stride bytes a (layer, KV head, position), padding zero. */
struct rail_session {
    rail_model *model;
    int context, position;
    int8_t *keys, *values;
    struct scale *key_scales;   /* of the integer keys, real = i8 * scale */
    int32_t *value_max;         /* q16 maximum of the vector: real = i8 * max / 127 */
    int32_t *scores;            /* (threads, context) */
    int16_t *weights;           /* (threads, context) */
};

static inline int64_t cache_row(const rail_session *s, int layer, int kv_head)
{
    return ((int64_t)layer * s->model->d.n_kv_heads + kv_head) * s->context;
}

#endif
