/* What a model and a session hold. Built in model.c and session.c, used by the files of the step. */
#ifndef RAIL_MODEL_H
#define RAIL_MODEL_H

#include "fixedpoint.h"
#include "native.h"
#include "pool.h"

enum {
    CHUNK_TOKENS = 256,     /* tokens that pass through the layers together */
    TILE_BLOCKS = 4,        /* blocks of weight rows whose sums are held before they are rescaled */
    TILE_ROWS = TILE_BLOCKS * BLOCK_ROWS,
    UNPACK_FROM = 9,        /* tokens from which 4-bit weights are unpacked once instead of in each product */
    ALONE_BELOW = 1000000,  /* multiplications under which waking the pool costs more than it saves */
    PRIVATE_TOKENS = 2,     /* so few tokens every thread quantises for itself, which costs less than waiting */
    ATTEND_ROWS = 32,       /* query rows that attend together */
    ATTEND_CELLS = 1 << 18, /* and scores held for them, unless one token needs more */
    PIECE = 65536,          /* positions whose weighted values fit an int32 */
};

struct matrix {
    rail_matrix m;
    struct packed4 packed;   /* for 4 bits a weight */
    int blocks;
};

struct layer {
    struct matrix wq, wk, wv, wo, w1, w3, w2;
    const int32_t *norm_q, *norm_k;   /* head_dim, or NULL */
};

/* Vectors quantised as input of a matrix: row t is data + t * stride. */
struct rows {
    int8_t *data;            /* i8, zero past the width up to a multiple of 64 */
    int64_t stride;
    struct scale *scales;
    int32_t *excess;         /* as in struct vectors */
};

/* One thread's own memory. */
struct scratch {
    struct rows rows;        /* PRIVATE_TOKENS */
    int32_t *wide;           /* widest q16 vector */
    int32_t *sums, *more;    /* (CHUNK, TILE_ROWS) */
    uint8_t *unpacked;       /* TILE_BLOCKS blocks of the deepest matrix; NULL without 4-bit weights */
    struct rows queries;     /* attend_rows */
    int32_t *scores;         /* (attend_rows, span of the context) */
    struct softmax *found;   /* attend_rows */
    int8_t *digits;          /* (2 attend_rows, span or PIECE): all high digits, then all low ones */
    int32_t *digit_excess;   /* 2 attend_rows */
    int32_t *halves;         /* (2 attend_rows, head_dim to 16) */
    int64_t *values;         /* (attend_rows, head_dim to 16) */
};

/* Memory of one chunk. Only touched inside pool_run, so sessions of one model share it. */
struct workspace {
    int32_t *x;              /* (CHUNK, dim) q16: the residual stream */
    int32_t *qkv;            /* (CHUNK, q_dim + 2 kv_dim) q16 */
    int32_t *attention;      /* (CHUNK, q_dim) q16 */
    int32_t *hidden;         /* (CHUNK, ffn) q16, in the memory of the two before */
    struct rows rows;        /* CHUNK */
    int32_t *turns;          /* (CHUNK, head_dim) Q30: cosine and sine of each pair */
    struct scratch *scratch; /* threads */
};

struct rail_model {
    rail_dims d;
    const struct kernels *kernels;
    struct pool *pool;
    struct matrix tok_embed, head;
    struct layer *layers;
    uint64_t *rope_turns;       /* head_dim / 2 */
    int q_dim, kv_dim, group;   /* group: query heads of one key head */
    int key_depth;              /* head_dim to a multiple of 4 */
    int value_blocks;           /* head_dim / 16, rounded up */
    int attend_tokens;          /* of one session that attend together */
    int attend_rows;            /* their query heads of one KV head */
    int64_t weights;            /* multiplications of one token's matrices, without the head */
    uint64_t score_factor_q30;  /* floor(log2(e) / sqrt(head_dim) * 2^30) */
    struct workspace work;
    int8_t *capture;            /* where a calibration wants the inputs of matrices, or NULL */
    int capture_width;
    struct allocation *allocations;
    int short_of_memory;        /* an allocation failed */
};

/* The KV cache. For each (layer, KV head) the keys are a matrix of positions x head_dim, the values one of
 * head_dim x positions, both in blocks of 16 rows. */
struct rail_session {
    rail_model *model;
    int position;
    int capacity;               /* context to a multiple of 64 */
    uint8_t *keys, *values;
    int16_t *key_mantissa, *key_exponent, *value_mantissa, *value_exponent;   /* (layer, KV head, capacity) */
};

static inline struct vectors vectors_of(const struct rows *rows)
{
    return (struct vectors){rows->data, rows->stride, rows->excess};
}

/* The distance between rows of this many bytes or items: an odd multiple of 64, so that rows do not all fall into the
 * same few sets of the cache. */
static inline int row_stride(int width) { return (width + 63) / 64 * 64 | 64; }

static inline int round_up(int v, int to) { return (v + to - 1) / to * to; }

/* Index of a KV head's first position; bytes of keys and values begin at that times head_dim, rounded up. */
static inline int64_t cache_row(const rail_session *s, int layer, int kv_head)
{
    return ((int64_t)layer * s->model->d.n_kv_heads + kv_head) * s->capacity;
}

static inline uint8_t *cached_keys(const rail_session *s, int64_t row) { return s->keys + row * s->model->key_depth; }

static inline uint8_t *cached_values(const rail_session *s, int64_t row)
{
    return s->values + row * s->model->value_blocks * BLOCK_ROWS;
}

#endif
