/* Lets every allocation, and every start of a thread, of a model and a session fail in turn: each time there must be no
 * model or session, and nothing may be left allocated. Linked with --wrap for the functions below. */

#include "native.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int left = INT_MAX;   /* calls that still succeed */
static atomic_int live;             /* allocations that were not freed */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

static int fails(void) { return atomic_fetch_sub(&left, 1) <= 0; }

static void *counted(void *p)
{
    live += p != NULL;
    return p;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : counted(__real_malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : counted(__real_calloc(count, size)); }
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *p)
{
    live -= p != NULL;
    __real_free(p);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    return fails() ? -1 : __real_pthread_create(thread, attributes, start, argument);
}

static const uint64_t TURNS[4];
static const uint8_t CODES[1];

int main(void)
{
    rail_dims dims = {.dim = 8, .n_layers = 2, .n_heads = 2, .n_kv_heads = 1, .head_dim = 8, .ffn_dim = 8,
                      .vocab_size = 8, .context_tokens = 64};
    rail_matrix matrices[16];
    rail_arrays arrays = {.rope_turns = TURNS};
    rail_model *model = NULL;
    rail_session *session = NULL;
    int models = 0, sessions = 0;
    for (int i = 0; i < 16; i++)
        matrices[i] = (rail_matrix){.codes = CODES, .rows = 8, .cols = 8, .depth = 8, .exponent = 16};
    for (; !model; models += !model) {
        left = models;
        model = rail_model_new(&dims, matrices, &arrays, 0, 3);
        left = INT_MAX;
        if (!model && live)
            return 1;
    }
    int before = live;
    for (; !session; sessions += !session) {
        left = sessions;
        session = rail_session_new(model, 64);
        left = INT_MAX;
        if (!session && live != before)
            return 2;
    }
    rail_session_free(session);
    rail_model_free(model);
    printf("%d %d\n", models, sessions);
    return live != 0;
}
