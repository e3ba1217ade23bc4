/* A fixed set of threads that run one function together (SPMD). No effect on bits: who computes a row never
 * changes how. */
#ifndef RAIL_POOL_H
#define RAIL_POOL_H

struct pool;

/* NULL when memory or threads are short. `threads` counts the caller, 1..64. */
struct pool *pool_new(int threads);
void pool_free(struct pool *pool);

/* Runs job(argument, thread) on every thread, the caller being thread 0, or on the caller `alone`; returns when all
 * are done. One run at a time: concurrent callers queue on a mutex. */
void pool_run(struct pool *pool, void (*job)(void *argument, int thread), void *argument, int alone);

/* Inside a job: how many threads run it. */
int pool_active(const struct pool *pool);

/* Inside a job: waits until every thread that runs it is here; writes before it are seen after it. */
void pool_barrier(struct pool *pool);

#endif
