/* The C interface that Python sees through cffi. Knows integers, not model files.
 *
 * Number formats (inference/SPEC.md section 1):
 *   i8    signed byte in [-127, 127]
 *   q16   int32 fixed point, 16 fraction bits, saturated to [-(2^31-1), 2^31-1]
 *   scale unsigned 16-bit per-row multiplier with one exponent a matrix: weight = q * scale[row] * 2^-exponent
 */
#ifndef RAIL_NATIVE_H
#define RAIL_NATIVE_H

#include <stddef.h>
#include <stdint.h>

/* CDEF BEGIN: native/build.py hands the lines between the marks to cffi. */
typedef struct {
    const int8_t *weights;    /* rows x stride, i8; columns past `cols` are zero */
    const uint16_t *scales;   /* rows */
    int32_t rows, cols;
    int32_t stride;           /* cols rounded up to a multiple of 64 */
    int32_t exponent;         /* 16..46 */
} rail_matrix;

typedef struct {
    int32_t dim, n_layers, n_heads, n_kv_heads, head_dim, ffn_dim, vocab_size;
    int64_t norm_eps_q48;     /* 0..2^40 */
} rail_dims;

typedef struct rail_model rail_model;
typedef struct rail_session rail_session;

/* All return NULL or a negative value when memory or threads are short; no other failure exists for checked input.
 * `matrices`: tok_embed, then wq wk wv wo w1 w3 w2 of each layer, then head. The arrays must outlive the model. */
rail_model *rail_model_new(const rail_dims *dims, const rail_matrix *matrices, const uint64_t *rope_turns,
                           int32_t kernels, int32_t threads);
void rail_model_free(rail_model *model);
rail_session *rail_session_new(rail_model *model, int32_t context_tokens);
void rail_session_free(rail_session *session);

/* Runs `count` tokens at the session's next positions. Logits (q16) go to `logits`: of every token when
 * `all_logits` is set (count x vocab), else of the last one. Returns the new position.
 * The caller checks ids against the vocabulary and the position against the context. */
int32_t rail_forward(rail_session *session, const int32_t *ids, int32_t count, int32_t all_logits, int32_t *logits);
int32_t rail_position(const rail_session *session);
void rail_truncate(rail_session *session, int32_t position);

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

int32_t rail_kernels_count(void);
const char *rail_kernels_name(int32_t index);
int32_t rail_kernels_usable(int32_t index);   /* 1 when this CPU runs the set */

/* Single kernels, so that the tests can compare every set with the oracle.
 * Padding: x, w rows are `stride` bytes (a multiple of 64) and readable to the end. */
void rail_kernel_gemm(int32_t kernels, const int8_t *w, const int32_t *row_sums, const int8_t *x, int32_t rows,
                      int32_t tokens, int32_t stride, int32_t *out);
void rail_kernel_requantise(int32_t kernels, const int32_t *acc, const uint16_t *scales, int32_t mantissa,
                            int32_t shift, int32_t count, int32_t *out);
uint32_t rail_kernel_max_abs(int32_t kernels, const int32_t *x, int32_t count);
void rail_kernel_quantise(int32_t kernels, const int32_t *x, int32_t count, int32_t reciprocal, int32_t shift,
                          int8_t *out);
void rail_kernel_dots(int32_t kernels, const int8_t *q, const int8_t *k, int32_t positions, int32_t stride,
                      int32_t *out);
void rail_kernel_weighted_sum(int32_t kernels, const int16_t *weights, const int8_t *v, int32_t positions,
                              int32_t stride, int64_t *out);
/* `keys`: (mantissa, exponent) pairs. */
int32_t rail_kernel_scale_scores(int32_t kernels, int32_t *scores, const int32_t *keys, int32_t mantissa,
                                 int32_t exponent, int32_t count);
void rail_kernel_exp_shares(int32_t kernels, int32_t *scores, int32_t max, const int32_t *value_max, int32_t count,
                            uint64_t *total, uint64_t *peak);
void rail_kernel_round_weights(int32_t kernels, const int32_t *shares, const int32_t *value_max, int32_t count,
                               int32_t drop, int16_t *weights);
void rail_kernel_silu_mul(int32_t kernels, const int32_t *gate, const int32_t *up, int32_t count, int32_t *out);
/* CDEF END */

#endif
