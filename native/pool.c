#include "pool.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* About 20 microseconds of spinning before a waiter sleeps: a phase of a small model is shorter than a wake-up, but on
 * a loaded machine the thread waited for may need this core. */
enum { SPINS = 4000 };

struct pool {
    int threads;
    int active;                  /* of the run under way: 1 or `threads` */
    pthread_t *handles;          /* threads - 1 */
    pthread_mutex_t run_lock;    /* held for the whole of one run */

    atomic_uint generation;      /* counts runs; a change starts the workers */
    atomic_int stopping;
    void (*job)(void *, int);
    void *argument;

    atomic_int arrived;          /* barrier */
    atomic_uint phase;
    atomic_int sleepers;         /* threads asleep on `generation` or `phase`, or about to be */
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

/* Returns once *word differs from `old`. */
static void wait_for_change(struct pool *pool, atomic_uint *word, unsigned old)
{
    for (int spins = 0; spins < SPINS; spins++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old)
            return;
        relax();
    }
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(word) == old) {
#ifdef __linux__
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
#else
        sched_yield();
#endif
    }
    atomic_fetch_sub(&pool->sleepers, 1);
}

/* A sleeper counts itself before it looks at the word, and the word changes before the count is read here: either the
 * sleeper sees the change or it is woken. */
static void change(struct pool *pool, atomic_uint *word)
{
    atomic_fetch_add(word, 1);
#ifdef __linux__
    if (atomic_load(&pool->sleepers))
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
#else
    (void)pool;
#endif
}

void pool_barrier(struct pool *pool)
{
    if (pool->active == 1)
        return;
    unsigned phase = atomic_load_explicit(&pool->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) == pool->threads - 1) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        change(pool, &pool->phase);
    } else {
        wait_for_change(pool, &pool->phase, phase);
    }
}

static void *work(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    free(argument);
    for (unsigned seen = 0;; seen++) {
        wait_for_change(worker.pool, &worker.pool->generation, seen);
        if (atomic_load(&worker.pool->stopping))
            return NULL;
        worker.pool->job(worker.pool->argument, worker.thread);
        pool_barrier(worker.pool);
    }
}

void pool_run(struct pool *pool, void (*job)(void *, int), void *argument, int alone)
{
    pthread_mutex_lock(&pool->run_lock);
    pool->job = job;
    pool->argument = argument;
    pool->active = alone ? 1 : pool->threads;
    if (pool->active > 1)
        change(pool, &pool->generation);
    job(argument, 0);
    pool_barrier(pool);
    pthread_mutex_unlock(&pool->run_lock);
}

int pool_active(const struct pool *pool) { return pool->active; }

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stopping, 1);
    change(pool, &pool->generation);
    for (int i = 0; i < pool->threads - 1; i++)
        pthread_join(pool->handles[i], NULL);
    pthread_mutex_destroy(&pool->run_lock);
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
