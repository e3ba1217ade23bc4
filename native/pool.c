#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* About 20 microseconds of spinning before a waiter yields: a phase of a small model is shorter than a wake-up. */
enum { SPINS = 4000 };

struct pool {
    int threads;
    pthread_t *handles;          /* threads - 1 */
    pthread_mutex_t run_lock;    /* held for the whole of one run */

    pthread_mutex_t sleep_lock;  /* guards the sleep of idle workers between runs */
    pthread_cond_t wake;
    atomic_uint generation;      /* counts runs; a change wakes the workers */
    atomic_int stopping;
    void (*job)(void *, int);
    void *argument;

    atomic_int arrived;          /* barrier */
    atomic_uint phase;
};

struct worker {
    struct pool *pool;
    int thread;
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void pool_barrier(struct pool *pool)
{
    if (pool->threads == 1)
        return;
    unsigned phase = atomic_load_explicit(&pool->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) == pool->threads - 1) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&pool->phase, phase + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&pool->phase, memory_order_acquire) == phase; spins++) {
        if (spins < SPINS)
            relax();
        else
            sched_yield();
    }
}

/* Returns the new generation: spins briefly, then sleeps until pool_run or pool_free signals. */
static unsigned wait_for_run(struct pool *pool, unsigned seen)
{
    unsigned now;
    for (int spins = 0; spins < SPINS; spins++) {
        if ((now = atomic_load_explicit(&pool->generation, memory_order_acquire)) != seen)
            return now;
        relax();
    }
    pthread_mutex_lock(&pool->sleep_lock);
    while ((now = atomic_load_explicit(&pool->generation, memory_order_acquire)) == seen)
        pthread_cond_wait(&pool->wake, &pool->sleep_lock);
    pthread_mutex_unlock(&pool->sleep_lock);
    return now;
}

static void *work(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    free(argument);
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_run(worker.pool, seen);
        if (atomic_load(&worker.pool->stopping))
            return NULL;
        worker.pool->job(worker.pool->argument, worker.thread);
        pool_barrier(worker.pool);
    }
}

static void start_run(struct pool *pool)
{
    pthread_mutex_lock(&pool->sleep_lock);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->sleep_lock);
}

void pool_run(struct pool *pool, void (*job)(void *, int), void *argument)
{
    pthread_mutex_lock(&pool->run_lock);
    pool->job = job;
    pool->argument = argument;
    if (pool->threads > 1)
        start_run(pool);
    job(argument, 0);
    pool_barrier(pool);
    pthread_mutex_unlock(&pool->run_lock);
}

int pool_threads(const struct pool *pool) { return pool->threads; }

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stopping, 1);
    start_run(pool);
    for (int i = 0; i < pool->threads - 1; i++)
        pthread_join(pool->handles[i], NULL);
    pthread_mutex_destroy(&pool->run_lock);
    pthread_mutex_destroy(&pool->sleep_lock);
    pthread_cond_destroy(&pool->wake);
    free(pool->handles);
    free(pool);
}

struct pool *pool_new(int threads)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->handles = calloc((size_t)threads, sizeof *pool->handles);
    if (!pool->handles) {
        free(pool);
        return NULL;
    }
    pthread_mutex_init(&pool->run_lock, NULL);
    pthread_mutex_init(&pool->sleep_lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->threads = 1;
    for (int i = 1; i < threads; i++) {
        struct worker *worker = malloc(sizeof *worker);
        if (worker)
            *worker = (struct worker){pool, i};
        if (!worker || pthread_create(&pool->handles[i - 1], NULL, work, worker)) {
            free(worker);
            pool_free(pool);
            return NULL;
        }
        pool->threads = i + 1;   /* workers read it only inside a run, which happens after this */
    }
    return pool;
}
