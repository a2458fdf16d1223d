/* A thread that sleeps until somebody has something for it.
 *
 * Whoever wakes it makes a system call only when it sleeps: the thread says so in 'sleeping', looks at its work once
 * more, and then waits for the eventfd. Both sides are sequentially consistent there, or each could miss the other.
 *
 * Threads: waker_wake(), waker_wake_always(): any; the others: the thread itself. */
#ifndef WAKER_PRIV_H
#define WAKER_PRIV_H

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct waker {
	_Atomic bool sleeping;
	int fd;
};

/* 0 or -errno. */
static inline int
waker_init(struct waker *w)
{
	atomic_store(&w->sleeping, false);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->fd >= 0 ? 0 : -errno;
}

static inline void
waker_fini(struct waker *w)
{
	if (w->fd >= 0)
		close(w->fd);
}

/* Whatever the thread waits for, a back-off included. */
static inline void
waker_wake_always(struct waker *w)
{
	uint64_t one = 1;

	atomic_store(&w->sleeping, false);
	if (write(w->fd, &one, sizeof(one)) < 0)
		return; /* The counter is full: the thread wakes all the same. */
}

static inline void
waker_wake(struct waker *w)
{
	if (atomic_load(&w->sleeping) && atomic_exchange(&w->sleeping, false))
		waker_wake_always(w);
}

static inline void
waker_wait(struct waker *w, int timeout_ms)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};
	uint64_t n;

	if (poll(&p, 1, timeout_ms) > 0 && read(w->fd, &n, sizeof(n)) < 0)
		return; /* EAGAIN: somebody was faster */
}

/* Until something wakes it, unless there is work already. */
static inline void
waker_sleep(struct waker *w, bool (*has_work)(const void *), const void *context, int timeout_ms)
{
	atomic_store(&w->sleeping, true);
	if (!has_work(context))
		waker_wait(w, timeout_ms);
	atomic_store(&w->sleeping, false);
}

#endif
