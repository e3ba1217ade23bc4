/* The sampler (inference/SPEC.md section 6): the caller's scratch is laid out, the order of tokens is cut, one is drawn.
 *
 * What stays after each step is a beginning of the order (higher logit first, ties by lower id), so all that is kept of
 * it is where it ends. Tiles whose largest logit is below that are passed over.
 */

#include "sampler.h"

#include <string.h>

int32_t lowest_above(const struct curve *c, uint32_t weight)
{
    int64_t low = 0, high = (int64_t)c->max - INT32_MIN;   /* distances; the weight at `low` is above */
    high = high < c->far ? high : c->far;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        if (weight_of(c, (int32_t)(c->max - middle)) > weight)
            low = middle;
        else
            high = middle - 1;
    }
    return (int32_t)(c->max - low);
}

static int tiles_of(int32_t vocab) { return (vocab + TILE - 1) / TILE; }
static int list_room_of(int32_t vocab) { return vocab / 4; }

/* Words of 4 bytes, rounded up to 8 bytes: sums, old logits, weights, lanes, tops, the two lists. */
int64_t rail_sample_scratch(int32_t vocab)
{
    int64_t tiles = tiles_of(vocab), lists = 2 * ((int64_t)list_room_of(vocab) + LIST_SLACK);
    int64_t words = 2 * tiles + 2 * (int64_t)vocab + BIASES_MAX + (LANES + 1) * tiles + lists;
    return (words + 1) / 2 * 8;
}

static struct draw lay_out(int32_t kernels, const int32_t *logits, int32_t vocab, void *scratch)
{
    int tiles = tiles_of(vocab), room = list_room_of(vocab);
    uint64_t *sums = scratch;
    int32_t *saved = (int32_t *)(sums + tiles), *weights = saved + vocab + BIASES_MAX;
    int32_t *lanes = weights + vocab, *tops = lanes + LANES * tiles, *list = tops + tiles;
    struct draw d = {
        .kernels = sampler_kernels_at(kernels), .logits = logits, .vocab = vocab, .tiles = tiles, .last = vocab - 1,
        .saved = saved, .lanes = lanes, .tops = tops, .weights = (uint32_t *)weights, .sums = sums, .list = list,
        .list_weights = (uint32_t *)list + room + LIST_SLACK, .list_room = room,
    };
    return d;
}

/* The first token with the largest logit. */
static int32_t best(const struct draw *d)
{
    int32_t id = 0;
    while (d->tops[id / TILE] < d->curve.max)
        id += TILE;
    while (d->logits[id] < d->curve.max)
        id++;
    return id;
}

/* `kernel`, weigh or keep, over the tokens that are in; fills d->sums, returns their sum. */
static uint64_t each_tile(struct draw *d, weigh_kernel *kernel)
{
    uint64_t total = 0;
    for (int tile = 0; tile < d->tiles; tile++) {
        d->sums[tile] = 0;
        if (d->tops[tile] < d->floor)
            continue;
        int begin = tile * TILE, count = d->vocab - begin < TILE ? d->vocab - begin : TILE;
        int ties = d->last - begin + 1 < 0 ? 0 : d->last - begin + 1 < count ? d->last - begin + 1 : count;
        const int32_t *x = d->logits + begin;
        uint32_t *weights = d->weights + begin;
        d->sums[tile] = kernel(x, ties, &d->curve, d->floor, weights);
        if (ties < count && d->floor < d->curve.max)
            d->sums[tile] += kernel(x + ties, count - ties, &d->curve, d->floor + 1, weights + ties);
        else
            memset(weights + ties, 0, (size_t)(count - ties) * sizeof *weights);
        total += d->sums[tile];
    }
    return total;
}

/* Cuts the order; the weights and sums of what stays. */
static uint64_t choose(struct draw *d, const rail_sampling *p)
{
    d->curve = curve_of(d->curve.max, p->temperature_micro);
    d->floor = lowest_above(&d->curve, 0);
    if (p->top_k > 0 && p->top_k < d->vocab)
        cut_by_count(d, p->top_k);
    if (p->top_p_micro < MICRO) {
        uint64_t total = each_tile(d, d->kernels->weigh);
        unsigned __int128 share = (unsigned __int128)total * (uint64_t)p->top_p_micro;
        cut_by_weight(d, (uint64_t)((share + MICRO - 1) / MICRO), total);
    }
    if (p->min_p_micro > 0) {
        uint64_t least = (weight_of(&d->curve, d->curve.max) * (uint64_t)p->min_p_micro + MICRO - 1) / MICRO;
        int32_t floor = lowest_above(&d->curve, (uint32_t)(least - 1));
        if (floor > d->floor) {
            d->floor = floor;
            d->last = d->vocab - 1;
        }
    }
    return each_tile(d, p->top_p_micro < MICRO ? d->kernels->keep : d->kernels->weigh);
}

static int32_t draw_one(const struct draw *d, uint64_t total, uint64_t random)
{
    uint64_t target = (uint64_t)(((unsigned __int128)random * total) >> 64);
    int32_t id = 0;
    for (int tile = 0; target >= d->sums[tile]; tile++, id += TILE)
        target -= d->sums[tile];
    for (; target >= d->weights[id]; id++)
        target -= d->weights[id];
    return id;
}

int32_t rail_sample(int32_t kernels, const rail_sampling *p, const rail_seen *seen, int32_t *logits, int32_t vocab,
                    uint64_t position, void *scratch)
{
    struct draw d = lay_out(kernels, logits, vocab, scratch);
    adjust(logits, p, seen, d.saved);
    d.curve.max = d.kernels->maxima(logits, vocab, d.lanes, d.tops);
    int32_t id = p->temperature_micro ? draw_one(&d, choose(&d, p), rail_random(p->seed, position)) : best(&d);
    restore(logits, p, seen, d.saved);
    return id;
}

uint64_t rail_weights(int32_t kernels, const rail_sampling *p, const rail_seen *seen, int32_t *logits, int32_t vocab,
                      void *scratch, uint32_t *weights)
{
    struct draw d = lay_out(kernels, logits, vocab, scratch);
    adjust(logits, p, seen, d.saved);
    d.curve.max = d.kernels->maxima(logits, vocab, d.lanes, d.tops);
    memset(weights, 0, (size_t)vocab * sizeof *weights);
    uint64_t total = 1;
    if (p->temperature_micro == 0)
        weights[best(&d)] = 1;
    else
        total = choose(&d, p);
    for (int tile = 0; p->temperature_micro && tile < d.tiles; tile++)
        for (int id = tile * TILE; d.sums[tile] && id < vocab && id < (tile + 1) * TILE; id++)
            weights[id] = d.weights[id];
    restore(logits, p, seen, d.saved);
    return total;
}
