/* Where the order of tokens ends: top-k and top-p without sorting. The lowest logit that stays is found by halving the
 * range of logits; each step is one pass over those that are still in question. */

#include "sampler.h"

/* Weights of the tokens from `floor` on, or their number. */
static uint64_t amount(const struct draw *d, const struct view *v, int32_t floor, int by_weight, int *count)
{
    uint64_t sum = 0;
    *count = 0;
    int step = v->tops ? TILE : v->count;
    for (int begin = 0; begin < v->count; begin += step) {
        if (v->tops && v->tops[begin / TILE] < floor)
            continue;
        int n = v->count - begin < step ? v->count - begin : step, found;
        sum += d->kernels->above(v->logits + begin, v->weights + begin, n, floor, &found);
        *count += found;
    }
    return by_weight ? sum : (uint64_t)*count;
}

/* Moves the tokens from `floor` to `top` into the list; a list is moved within itself. */
static struct view shrink(const struct draw *d, const struct view *v, int32_t floor, int32_t top)
{
    int count = 0, step = v->tops ? TILE : v->count;
    for (int begin = 0; begin < v->count; begin += step) {
        if (v->tops && v->tops[begin / TILE] < floor)
            continue;
        int n = v->count - begin < step ? v->count - begin : step;
        count += d->kernels->collect(v->logits + begin, v->weights + begin, n, floor, top, d->list + count,
                                     d->list_weights + count);
    }
    return (struct view){d->list, d->list_weights, NULL, count};
}

/* The highest logit at which the tokens from it on reach the goal; how many have this very logit; the amount of those
 * above it. If all from `low` on do not reach it: `low`, and 0 is returned. */
struct reached {
    int32_t floor;
    int ties;
    uint64_t before;
};

static int reach(const struct draw *d, struct view v, int by_weight, uint64_t goal, int32_t low, struct reached *r)
{
    int64_t high = (int64_t)d->curve.max + 1;
    int from_low, from_high = 0, listed = v.count;   /* tokens of v: from r->floor, from high; all of them */
    uint64_t taken = 0;                              /* amount of the tokens that are no longer in v */
    *r = (struct reached){low, 0, 0};
    if (amount(d, &v, low, by_weight, &from_low) < goal)
        return 0;
    while (high - r->floor > 1) {
        if (from_low - from_high <= listed / 4 && from_low - from_high <= d->list_room) {
            v = shrink(d, &v, r->floor, (int32_t)(high - 1));
            listed = from_low = v.count;
            from_high = 0;
            taken = r->before;
        }
        int64_t middle = r->floor + (high - r->floor) / 2;
        int count;
        uint64_t sum = taken + amount(d, &v, (int32_t)middle, by_weight, &count);
        if (sum >= goal) {
            r->floor = (int32_t)middle;
            from_low = count;
        } else {
            high = middle;
            from_high = count;
            r->before = sum;
        }
    }
    r->ties = from_low - from_high;
    return 1;
}

/* The tokens from r->floor on stay, but of those with this very logit only the first `number`, at least one. */
static void cut(struct draw *d, const struct reached *r, uint64_t number)
{
    if (r->floor > d->floor)
        d->last = d->vocab - 1;
    d->floor = r->floor;
    for (int tile = 0; number < (uint64_t)r->ties; tile++) {
        if (d->tops[tile] < d->floor)
            continue;
        int begin = tile * TILE, end = d->vocab - begin < TILE ? d->vocab : begin + TILE;
        uint64_t found = 0;
        for (int id = begin; id < end; id++)
            found += d->logits[id] == d->floor;
        if (found < number) {
            number -= found;
            continue;
        }
        for (d->last = begin; number -= d->logits[d->last] == d->floor;)
            d->last++;
        return;
    }
}

void cut_by_count(struct draw *d, int32_t count)
{
    struct view lanes = {d->lanes, (const uint32_t *)d->lanes, NULL, d->tiles * LANES};
    struct view all = {d->logits, (const uint32_t *)d->logits, d->tops, d->vocab};   /* weights are not looked at */
    struct reached bound, found;
    /* So many lanes have a logit from the bound on, so at least as many tokens do. */
    reach(d, lanes, 0, (uint64_t)count, d->floor, &bound);
    if (reach(d, all, 0, (uint64_t)count, bound.floor, &found))
        cut(d, &found, (uint64_t)count - found.before);
}

void cut_by_weight(struct draw *d, uint64_t goal, uint64_t total)
{
    struct view all = {d->logits, d->weights, d->tops, d->vocab};
    struct reached found;
    /* All tokens of this weight or less are, together, not more than what may be missing. */
    int32_t low = lowest_above(&d->curve, (uint32_t)((total - goal) / (uint64_t)d->vocab));
    reach(d, all, 1, goal, low > d->floor ? low : d->floor, &found);
    uint64_t weight = weight_of(&d->curve, found.floor);
    cut(d, &found, (goal - found.before + weight - 1) / weight);
}
