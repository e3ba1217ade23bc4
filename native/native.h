/* The C interface that Python sees through cffi. Knows integers, not model files.
 *
 * Number formats (inference/SPEC.md section 1):
 *   i8    signed byte in [-127, 127]
 *   q16   int32 fixed point, 16 fraction bits, saturated to [-(2^31-1), 2^31-1]
 *   scale unsigned 16-bit per-row multiplier with one exponent a matrix: weight = i8 * scale[row] * 2^-exponent
 * Matrices are stored in blocks of 16 rows (kernels.h).
 */
#ifndef RAIL_NATIVE_H
#define RAIL_NATIVE_H

#include <stddef.h>
#include <stdint.h>

/* CDEF BEGIN: native/build.py hands the lines between the marks to cffi. */
typedef struct {
    const uint8_t *weights;   /* blocks x depth x 16 bytes; or with `codes`, half as many of two weights each */
    const uint8_t *codes;     /* blocks x depth / 4, or NULL for 8 bits a weight */
    const uint16_t *scales;   /* rows */
    const int32_t *bias;      /* rows, q16, or NULL */
    int32_t rows, cols;
    int32_t depth;            /* cols rounded up to a multiple of 8; blocks are rows / 16, rounded up */
    int32_t exponent;         /* 16..46 */
} rail_matrix;

typedef struct {
    int32_t dim, n_layers, n_heads, n_kv_heads, head_dim, ffn_dim, vocab_size, context_tokens;
    int32_t window_tokens;    /* 0: none */
    int32_t ffn_rotation;     /* 0..10 */
    int64_t norm_eps_q48;     /* 0..2^40 */
} rail_dims;

typedef struct {
    const uint64_t *rope_turns;   /* head_dim / 2: turns per position, 64-bit fraction */
    const uint8_t *codebooks;     /* 256 x 16 bytes, 1 to 255; or NULL if no matrix has 4 bits */
    const int32_t *norm_q;        /* n_layers x head_dim, q16 gains of query heads, or NULL */
    const int32_t *norm_k;        /* the same of key heads */
} rail_arrays;

typedef struct rail_model rail_model;
typedef struct rail_session rail_session;

/* `count` tokens for the next positions of one session; logits are wanted of those from `logits_from` on. */
typedef struct {
    rail_session *session;
    const int32_t *ids;
    int32_t count, logits_from;
} rail_piece;

/* All return NULL or a negative value when memory or threads are short; no other failure exists for checked input.
 * `matrices`: tok_embed, then wq wk wv wo w1 w3 w2 of each layer, then head. The arrays must outlive the model. */
rail_model *rail_model_new(const rail_dims *dims, const rail_matrix *matrices, const rail_arrays *arrays,
                           int32_t kernels, int32_t threads);
void rail_model_free(rail_model *model);
rail_session *rail_session_new(rail_model *model, int32_t context_tokens);
void rail_session_free(rail_session *session);
int64_t rail_session_bytes(const rail_session *session);

/* Runs pieces of different sessions together. Logits (q16) go to `logits`, one row of vocab_size for each token that
 * wants them, in order. The caller checks ids against the vocabulary and positions against the contexts. */
void rail_step(rail_model *model, const rail_piece *pieces, int32_t count, int32_t *logits);
/* For calibration: the quantised inputs of every matrix during one step of at most rail_capture_tokens() tokens. Row t
 * of the inputs of layer l begins at out + ((l * 4 + place) * tokens + t) * width; places: wq wk wv, wo, w1 w3, w2;
 * layer n_layers, place 0: head (of every token). `width` is at least the widest input. NULL ends it. */
void rail_capture(rail_model *model, int8_t *out, int32_t width);
int32_t rail_capture_tokens(void);
int32_t rail_position(const rail_session *session);
void rail_truncate(rail_session *session, int32_t position);
/* Makes `to`, of the same model and with room enough, hold the first `positions` tokens of `from`. */
void rail_session_copy(rail_session *to, const rail_session *from, int32_t positions);

/* How a token is drawn (SPEC section 6); the caller checks the ranges. */
typedef struct {
    int64_t temperature_micro;    /* 0..10^8; 0: the best token, nothing is drawn */
    int64_t top_p_micro;          /* 1..10^6; 10^6: off */
    int64_t min_p_micro;          /* 0..10^6; 0: off */
    int64_t repetition_micro;     /* 10^4..10^7; 10^6: off */
    int64_t frequency_micro;      /* -2 * 10^6..2 * 10^6; 0: off, as the next */
    int64_t presence_micro;
    uint64_t seed;
    int32_t top_k;                /* 0: off */
    int32_t bias_count;           /* 0..300 */
    const int32_t *bias_ids;      /* distinct, in the vocabulary */
    const int32_t *bias_micro;    /* -10^8..10^8 */
} rail_sampling;

/* The tokens of a sequence so far, kept by the caller: `uses` (vocab) and `ids` (vocab) begin as zeros, count as 0.
 * Where no penalty is on, a history with count 0 and no arrays will do. */
typedef struct {
    int32_t *uses;                /* 0: not seen; else 1 + how often in the output */
    int32_t *ids;                 /* those seen, each once */
    int32_t count;
} rail_seen;

/* Notes the next tokens of a sequence, at most 2^20: of its output, or else of its prompt. */
void rail_seen_add(rail_seen *seen, const int32_t *ids, int32_t count, int32_t output);

/* The token drawn at `position`. Nothing is allocated or kept: calls may run at one time, each with logits and scratch of
 * its own; the scratch has rail_sample_scratch(vocab) bytes, aligned to 8. Some logits change during the call and are as
 * before after it. 1 <= vocab <= 2^20. */
int32_t rail_sample(int32_t kernels, const rail_sampling *p, const rail_seen *seen, int32_t *logits, int32_t vocab,
                    uint64_t position, void *scratch);
int64_t rail_sample_scratch(int32_t vocab);
/* The weights (vocab) by which it is drawn, 0 for tokens that are out; returns their sum. */
uint64_t rail_weights(int32_t kernels, const rail_sampling *p, const rail_seen *seen, int32_t *logits, int32_t vocab,
                      void *scratch, uint32_t *weights);
/* Philox 4x32-10: the first 64 bits of the block at `counter` under `seed`. */
uint64_t rail_random(uint64_t seed, uint64_t counter);

/* For conversion: which of 256 codebooks of 16 rising levels suits 64 weights each, and which
 * level of it is nearest to each weight, the lower one of equals. Weights and levels in one unit, |value| < 2^14. */
void rail_choose_codes(const int16_t *weights, int64_t count, const int16_t *levels, uint8_t *codes);
void rail_nearest_levels(const int16_t *weights, int64_t count, const int16_t *levels, const uint8_t *codes,
                         uint8_t *indexes);
/* CDEF END */

#endif
