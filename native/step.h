/* What the files of the forward step share. */
#ifndef RAIL_STEP_H
#define RAIL_STEP_H

#include "model.h"

struct token {
    rail_session *session;
    int32_t id, position;
};

/* Tokens that pass through the layers together. Those of one session stand in a row, a segment. */
struct chunk {
    rail_model *model;
    struct token tokens[CHUNK_TOKENS];
    int count;
    struct segment {
        int begin, count;
    } segments[CHUNK_TOKENS];
    int segment_count;
    int decode;                       /* every segment is one token */
    int wanted[CHUNK_TOKENS];         /* tokens whose logits are wanted, in order */
    int wanted_count;
    int32_t *logits;                  /* (wanted_count, vocab) */
};

struct range {
    int begin, end;
};

/* This thread's share of n items. */
struct range share(int n, int thread, int threads);

/* quantise.c */

/* Scale of a q16 vector quantised by its maximum, in real units. */
struct scale plain_scale(uint32_t max);

/* sqrt(sum of x^2 + n eps) = value * 2^shift for q16 x with this maximum. */
struct root {
    uint64_t value;
    int shift;
};
struct root root_of(const rail_model *model, const int32_t *x, int n, uint32_t max);

/* Scale of a vector quantised by its maximum `max`, over the root mean square that `root` gives for n values. */
struct scale norm_scale(uint32_t max, int n, struct root root);

/* x (q16) to i8 by its own maximum, which is returned: x = i8 * max / 127. Zero stays zero. */
uint32_t quantise(const rail_model *model, const int32_t *x, int n, int8_t *out, int32_t *sum);

/* Row `to` of `rows` becomes the quantised norm of x, or the quantised x. */
void normalise_row(const rail_model *model, const int32_t *x, int n, const struct rows *rows, int to);
void quantise_row(const rail_model *model, const int32_t *x, int n, const struct rows *rows, int to);
/* The same for the input of w2, which may be rotated first; `x` is used up. */
void rotate_row(const rail_model *model, int32_t *x, int n, const struct rows *rows, int to);

/* linear.c */

/* What becomes of W x: it replaces the output, or is added to it. */
enum sink { STORE, ADD };

/* This thread's share of W x for every token, q16, into out[t * out_stride + row]. */
void linear(const rail_model *model, int thread, int threads, const struct matrix *w, const struct rows *x, int tokens,
            int32_t *out, int64_t out_stride, enum sink sink);

/* This thread's share of silu(w1 x) * w3 x, (tokens, ffn). */
void gated(const rail_model *model, int thread, int threads, const struct layer *layer, const struct rows *x,
           int tokens, int32_t *out);

/* attention.c: this thread's share of a layer's attention, from work.qkv to work.attention. Waits inside, unless each
 * segment is one token. */
void attention(struct chunk *chunk, int layer, int thread, int threads);

#endif
