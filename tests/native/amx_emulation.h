/* The tile instructions that native/amx.c uses, in plain C for machines without AMX. As on the processor, rows past a
 * tile's shape count for nothing, and shapes that do not match end the program. */
#ifndef RAIL_AMX_EMULATION_H
#define RAIL_AMX_EMULATION_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static __thread struct tile_config tile_shapes;   /* palette 0: not configured */
static __thread uint8_t tile_bytes[8][16][64];

static inline void tile_need(int condition)
{
    if (!condition)
        abort();
}

static inline void emulated_loadconfig(const void *config)
{
    memcpy(&tile_shapes, config, sizeof tile_shapes);
    tile_need(tile_shapes.palette == 1);
    for (int i = 0; i < 8; i++)
        tile_need(tile_shapes.rows[i] >= 1 && tile_shapes.rows[i] <= 16 && tile_shapes.row_bytes[i] <= 64);
    memset(tile_bytes, 0, sizeof tile_bytes);
}

static inline void emulated_release(void) { memset(&tile_shapes, 0, sizeof tile_shapes); }

static inline void emulated_loadd(int to, const void *base, int64_t stride)
{
    tile_need(tile_shapes.palette == 1);
    memset(tile_bytes[to], 0, sizeof tile_bytes[to]);
    for (int r = 0; r < tile_shapes.rows[to]; r++)
        memcpy(tile_bytes[to][r], (const uint8_t *)base + r * stride, tile_shapes.row_bytes[to]);
}

static inline void emulated_stored(int from, void *base, int64_t stride)
{
    tile_need(tile_shapes.palette == 1);
    for (int r = 0; r < tile_shapes.rows[from]; r++)
        memcpy((uint8_t *)base + r * stride, tile_bytes[from][r], tile_shapes.row_bytes[from]);
}

/* sum[m][n] += four signed bytes a[m][k] times four unsigned bytes b[k][n], for all k; wraps. */
static inline void emulated_dpbsud(int sum, int a, int b)
{
    const struct tile_config *c = &tile_shapes;
    tile_need(c->palette == 1 && c->rows[sum] == c->rows[a] && c->row_bytes[a] == 4 * c->rows[b] &&
              c->row_bytes[sum] == c->row_bytes[b]);
    for (int m = 0; m < c->rows[sum]; m++)
        for (int n = 0; n < c->row_bytes[sum] / 4; n++) {
            uint32_t total;
            memcpy(&total, &tile_bytes[sum][m][4 * n], sizeof total);
            for (int k = 0; k < c->row_bytes[a]; k++)
                total += (uint32_t)((int8_t)tile_bytes[a][m][k] * tile_bytes[b][k / 4][4 * n + k % 4]);
            memcpy(&tile_bytes[sum][m][4 * n], &total, sizeof total);
        }
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbsud
#define _tile_loadconfig emulated_loadconfig
#define _tile_release emulated_release
#define _tile_loadd emulated_loadd
#define _tile_stored emulated_stored
#define _tile_dpbsud emulated_dpbsud

#endif
