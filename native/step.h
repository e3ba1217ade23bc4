/* What the files of the forward step share. */
#ifndef RAIL_STEP_H
#define RAIL_STEP_H

#include "model.h"

struct job {
    rail_session *session;
    const int32_t *ids;
    int tokens;         /* of this chunk, at positions session->position .. */
    int logits_from;    /* first token of the chunk whose logits are wanted */
    int32_t *logits;    /* (tokens - logits_from, vocab) */
};

/* x (q16) to i8 by its own maximum, which is returned: x = i8 * max / 127. Zero stays zero. */
uint32_t quantise(const rail_model *model, const int32_t *x, int n, int8_t *out);

/* Scale of a q16 vector that `quantise` made, in real units. */
struct scale plain_scale(uint32_t max);

/* Rotates and quantises the heads of this thread: queries into the workspace, keys and values into the cache. */
void store_heads(const rail_model *model, struct job *job, int layer, int thread, int threads);

/* This thread's share of (token, head) pairs: output of attention into the workspace, q16. */
void attention(const rail_model *model, struct job *job, int layer, int thread, int threads);

#endif
