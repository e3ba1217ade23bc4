/* AVX-512 in plain C for machines without it: simde, and lane by lane the few intrinsics that it lacks. */
#ifndef RAIL_AVX512_EMULATION_H
#define RAIL_AVX512_EMULATION_H

#include <simde/x86/avx512.h>

#include <stdint.h>
#include <string.h>

union emulated {
    __m512i v;
    int32_t i32[16];
    int64_t i64[8];
};

static inline __m512i emulated_sra_epi32(__m512i v, __m128i s)
{
    union emulated x = {v};
    uint64_t shift = (uint64_t)_mm_cvtsi128_si64(s);
    for (int i = 0; i < 16; i++)
        x.i32[i] >>= shift > 31 ? 31 : shift;
    return x.v;
}

static inline __m512i emulated_srav_epi64(__m512i v, __m512i s)
{
    union emulated x = {v}, shift = {s};
    for (int i = 0; i < 8; i++)
        x.i64[i] >>= (uint64_t)shift.i64[i] > 63 ? 63 : shift.i64[i];
    return x.v;
}

static inline __m512i emulated_sra_epi64(__m512i a, __m128i s)
{
    return emulated_srav_epi64(a, _mm512_set1_epi64(_mm_cvtsi128_si64(s)));
}

static inline __m512i emulated_cvtepu8_epi16(__m256i v)
{
    uint8_t bytes[32];
    uint16_t words[32];
    memcpy(bytes, &v, sizeof bytes);
    for (int i = 0; i < 32; i++)
        words[i] = bytes[i];
    return _mm512_loadu_si512(words);
}

/* Lanes that are masked out are zero and their memory is not touched; simde would read and write all of it. */
static inline void masked_copy(void *to, const void *from, uint32_t mask, size_t lane_bytes)
{
    for (int i = 0; mask >> i; i++)
        if (mask >> i & 1)
            memcpy((char *)to + i * lane_bytes, (const char *)from + i * lane_bytes, lane_bytes);
}

static inline __m512i masked_load(const void *p, uint32_t mask, size_t lane_bytes)
{
    int64_t lanes[8] = {0};
    masked_copy(lanes, p, mask, lane_bytes);
    return _mm512_loadu_si512(lanes);
}

static inline void emulated_mask_storeu_512(void *p, __mmask16 m, __m512i v) { masked_copy(p, &v, m, 4); }
static inline void emulated_mask_storeu_256(void *p, __mmask8 m, __m256i v) { masked_copy(p, &v, m, 4); }

static inline void emulated_mask_cvtepi32_storeu_epi8(void *p, __mmask16 m, __m512i v)
{
    union emulated x = {v};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1)
            ((int8_t *)p)[i] = (int8_t)x.i32[i];
}

static inline int32_t emulated_reduce_add_epi32(__m512i v)
{
    union emulated x = {v};
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += (uint32_t)x.i32[i];
    return (int32_t)sum;
}

static inline int64_t emulated_reduce_add_epi64(__m512i v)
{
    union emulated x = {v};
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++)
        sum += (uint64_t)x.i64[i];
    return (int64_t)sum;
}

#undef _mm512_maskz_loadu_epi64
#undef _mm256_maskz_loadu_epi16
#undef _mm512_mask_storeu_epi32
#define _mm512_sra_epi32 emulated_sra_epi32
#define _mm512_sra_epi64 emulated_sra_epi64
#define _mm512_srav_epi64 emulated_srav_epi64
#define _mm512_srai_epi64(v, s) emulated_srav_epi64(v, _mm512_set1_epi64(s))
#define _mm512_cvtepu8_epi16 emulated_cvtepu8_epi16
#define _mm512_maskz_loadu_epi32(m, p) masked_load(p, m, 4)
#define _mm512_maskz_loadu_epi64(m, p) masked_load(p, m, 8)
#define _mm256_maskz_loadu_epi16(m, p) _mm512_castsi512_si256(masked_load(p, m, 2))
#define _mm512_mask_storeu_epi32 emulated_mask_storeu_512
#define _mm512_mask_cvtepi32_storeu_epi8 emulated_mask_cvtepi32_storeu_epi8
#define _mm256_mask_storeu_epi32 emulated_mask_storeu_256
#define _mm512_reduce_add_epi32 emulated_reduce_add_epi32
#define _mm512_reduce_add_epi64 emulated_reduce_add_epi64

#endif
