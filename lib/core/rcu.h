/* Deferred free: control replaces read-mostly data while others read it without a lock.
 *
 *   reader (an lcore, or another thread)            whoever replaces
 *     reader = rcu_reader_add();
 *     for (;;) {
 *       table = rcu_get(&shared);                     rcu_replace(&shared, fresh, table_free);
 *       ... use it ...                                   fresh is read from now on; the old one waits
 *       rcu_reader_quiescent(reader);                 rcu_reclaim(16);
 *     }                                                  frees it when every reader has reported since
 *     rcu_reader_remove(reader);
 *
 * An lcore reports once a poll of all its roles, and goes offline for the time it sleeps (app/role.c), so a role may
 * keep what rcu_get() gave until its poll() returns, never longer. A reader that hangs keeps what waits from being
 * freed; what waits is bounded, so after a while nothing more can be replaced.
 *
 * Threads: rcu_start() and rcu_stop() control's, when nobody else is there. The reader's calls its own thread's. The
 * others any thread that may wait for a mutex, so none that sees packets. Ownership: what was accepted is freed exactly
 * once, by rcu_reclaim() or rcu_stop(), on the thread that calls those. */
#ifndef RCU_H
#define RCU_H

#include <stdatomic.h>

enum { RCU_READERS_MAX = 192, RCU_WAITING_MAX = 4096 };

/* 0, or -ENOMEM, or -EALREADY. */
int rcu_start(void);
/* Frees all that waits. Readers must have left. Nothing when it was not started. */
void rcu_stop(void);

/* A number for the calls below, online from the start; -ENOSPC when there are RCU_READERS_MAX, -ENODEV when rcu_start()
 * was not called. With a negative number the others do nothing. */
int rcu_reader_add(void);
void rcu_reader_remove(int reader);
/* The reader keeps nothing of what rcu_get() gave it. */
void rcu_reader_quiescent(int reader);
/* Around sleeping and other waiting, during which it must not read. */
void rcu_reader_offline(int reader);
void rcu_reader_online(int reader);

static inline void *
rcu_get(void *const _Atomic *shared)
{
	return atomic_load_explicit(shared, memory_order_acquire);
}

/* 'old' can no longer be found by readers that begin now: 'free_old(old)' is called when those that might have found it
 * have reported. Accepts NULL, which waits for nobody. -ENOSPC when RCU_WAITING_MAX wait already, -ENODEV when
 * rcu_start() was not called: then 'old' is still the caller's. */
int rcu_free_later(void *old, void (*free_old)(void *));

/* Puts 'fresh' in the place of what is there, which is freed later. Errors as above, and then nothing has changed. */
int rcu_replace(void *_Atomic *shared, void *fresh, void (*free_old)(void *));

/* Several at once, as far as errors go: all are replaced, or nothing has changed. A reader may see some of them before
 * the others. */
struct rcu_change {
	void *_Atomic *shared;
	void *fresh;
	void (*free_old)(void *);
};
int rcu_replace_all(const struct rcu_change *, unsigned n);

/* Frees up to 'max' that nobody can be reading; returns how many. Cheap when nothing waits. */
unsigned rcu_reclaim(unsigned max);
unsigned rcu_waiting(void);

#endif
