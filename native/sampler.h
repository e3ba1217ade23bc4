/* What the parts of the sampler share (inference/SPEC.md section 6). */
#ifndef RAIL_SAMPLER_H
#define RAIL_SAMPLER_H

#include "native.h"
#include "sampler_kernels.h"

/* Logits with their weights. `tops` are the largest logits of the tiles, or NULL where no tile is worth passing over. */
struct view {
    const int32_t *logits;
    const uint32_t *weights;
    const int32_t *tops;
    int count;
};

/* One draw: where everything lies in the caller's scratch. The draw is from the tokens whose logit is above `floor`, or
 * equal to it with an id up to `last`: at every stage a beginning of the order of tokens. */
struct draw {
    const struct sampler_kernels *kernels;
    const int32_t *logits;      /* vocab */
    int32_t vocab, tiles;
    struct curve curve;
    int32_t floor, last;
    int32_t *saved;             /* logits before they were adjusted */
    int32_t *lanes, *tops;      /* LANES a tile; one a tile */
    uint32_t *weights;          /* vocab; not written in tiles that are passed over */
    uint64_t *sums;             /* one a tile: its weights */
    int32_t *list;              /* list_room + LIST_SLACK */
    uint32_t *list_weights;
    int32_t list_room;
};

/* Keep the first `count` tokens of the order, or the shortest beginning of it whose weights reach `goal`, of those that
 * are in: 1 <= goal <= the sum of their weights. */
void cut_by_count(struct draw *d, int32_t count);
void cut_by_weight(struct draw *d, uint64_t goal, uint64_t total);

/* Adjusts the logits that the parameters and the history touch (section 6, step 1), and puts the old ones back. `saved`:
 * room for vocab + BIASES_MAX. */
enum { BIASES_MAX = 300 };
void adjust(int32_t *logits, const rail_sampling *p, const rail_seen *seen, int32_t *saved);
void restore(int32_t *logits, const rail_sampling *p, const rail_seen *seen, const int32_t *saved);

#endif
