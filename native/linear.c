/* Products of weight matrices with quantised vectors (inference/SPEC.md section 4). */

#include "step.h"

/* Raw sums of `blocks` blocks of w from `first` on, for every token: out[t * TILE_ROWS + row]. */
static void product(const rail_model *model, struct scratch *own, const struct matrix *w, int first, int blocks,
                    const struct rows *x, int tokens, int32_t *out)
{
    const struct kernels *k = model->kernels;
    int depth = w->m.depth;
    int64_t block_bytes = (int64_t)depth * BLOCK_ROWS;
    if (!w->m.codes) {
        k->gemm(w->m.weights + first * block_bytes, block_bytes, blocks, depth, vectors_of(x), tokens, out, TILE_ROWS);
        return;
    }
    struct packed4 packed = w->packed;
    packed.halves += first * block_bytes / 2;
    packed.codes += (int64_t)first * depth / 4;
    if (tokens < UNPACK_FROM && k->gemm4) {
        k->gemm4(&packed, blocks, depth, vectors_of(x), tokens, out, TILE_ROWS);
        return;
    }
    int together = tokens < UNPACK_FROM ? 1 : blocks;   /* one block stays in the first-level cache */
    for (int b = 0; b < blocks; b++) {
        int at = b % together;
        k->unpack(&packed, depth, own->unpacked + at * block_bytes);
        packed.halves += block_bytes / 2;
        packed.codes += depth / 4;
        if (at == together - 1)
            k->gemm(own->unpacked, block_bytes, together, depth, vectors_of(x), tokens,
                    out + (b - at) * BLOCK_ROWS, TILE_ROWS);
    }
}

/* One token's sums of n rows from `row` on as q16. */
static void rescale(const rail_model *model, const struct matrix *w, const struct rows *x, int t, int row, int n,
                    const int32_t *sums, int32_t *out)
{
    int shift = clamp_int(w->m.exponent + x->scales[t].exponent - 16, 1, 62);
    model->kernels->requantise(sums, w->m.scales + row, x->scales[t].mantissa, shift, n, out);
    if (w->m.bias)
        model->kernels->add(out, w->m.bias + row, n);
}

void linear(const rail_model *model, int thread, int threads, const struct matrix *w, const struct rows *x, int tokens,
            int32_t *out, int64_t out_stride, enum sink sink)
{
    struct scratch *own = &model->work.scratch[thread];
    struct range blocks = share(w->blocks, thread, threads);
    for (int b = blocks.begin; b < blocks.end; b += TILE_BLOCKS) {
        int count = blocks.end - b < TILE_BLOCKS ? blocks.end - b : TILE_BLOCKS, row = b * BLOCK_ROWS;
        int n = w->m.rows - row < count * BLOCK_ROWS ? w->m.rows - row : count * BLOCK_ROWS;
        product(model, own, w, b, count, x, tokens, own->sums);
        for (int t = 0; t < tokens; t++) {
            int32_t *sums = own->sums + (int64_t)t * TILE_ROWS, *to = out + t * out_stride + row;
            rescale(model, w, x, t, row, n, sums, sink == STORE ? to : sums);
            if (sink == ADD)
                model->kernels->add(to, sums, n);
        }
    }
}

void gated(const rail_model *model, int thread, int threads, const struct layer *layer, const struct rows *x,
           int tokens, int32_t *out)
{
    struct scratch *own = &model->work.scratch[thread];
    struct range blocks = share(layer->w1.blocks, thread, threads);
    for (int b = blocks.begin; b < blocks.end; b += TILE_BLOCKS) {
        int count = blocks.end - b < TILE_BLOCKS ? blocks.end - b : TILE_BLOCKS, row = b * BLOCK_ROWS;
        int n = layer->w1.m.rows - row < count * BLOCK_ROWS ? layer->w1.m.rows - row : count * BLOCK_ROWS;
        product(model, own, &layer->w1, b, count, x, tokens, own->sums);
        product(model, own, &layer->w3, b, count, x, tokens, own->more);
        for (int t = 0; t < tokens; t++) {
            int32_t *gate = own->sums + (int64_t)t * TILE_ROWS, *up = own->more + (int64_t)t * TILE_ROWS;
            rescale(model, &layer->w1, x, t, row, n, gate, gate);
            rescale(model, &layer->w3, x, t, row, n, up, up);
            model->kernels->silu_mul(gate, up, n, out + (int64_t)t * model->d.ffn_dim + row);
        }
    }
}
