/* Writes: io_uring, or pwrite() where the kernel forbids it.
 *
 * Up to eight writes are in flight, which is where this storage stops getting faster (PERFORMANCE B.3); no SQPOLL,
 * which costs a core and is slower. Containers often forbid io_uring (EPERM) and old kernels lack it (ENOSYS): then a
 * write is done where it is asked for, one at a time, and the writer's lcore waits for the disk.
 *
 * A short write is continued; when it cannot be, the reason comes with the next try (a full disk writes what fits, then
 * says ENOSPC). */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "writer_priv.h"

struct slot {
	struct writer_block *block; /* NULL: free */
	uint32_t done;		    /* bytes */
	bool finished;		    /* pwrite(): result is waiting to be reaped */
};

struct writer_disk {
	struct io_uring ring;
	bool uring;
	bool confined; /* the kernel's threads were told where to run */
	const cpu_set_t *cpus;
	unsigned depth, in_flight, unsubmitted;
	struct slot slot[WRITER_WRITES];
};

struct writer_disk *
writer_disk_create(bool allow_uring, const cpu_set_t *cpus)
{
	struct writer_disk *d = calloc(1, sizeof(*d));
	int error = -EPERM;

	if (d == NULL)
		return NULL;
	if (allow_uring)
		error = io_uring_queue_init(WRITER_WRITES * 2, &d->ring, 0);
	d->cpus = cpus;
	d->uring = error == 0;
	d->depth = d->uring ? WRITER_WRITES : 1;
	if (allow_uring && !d->uring)
		LOG_INFO("writer.uring", "error=\"%s\" effect=\"pcap is written with pwrite(), one block at a time\"",
			 strerror(-error));
	return d;
}

bool
writer_disk_full(const struct writer_disk *d)
{
	return d->in_flight >= d->depth;
}

unsigned
writer_disk_in_flight(const struct writer_disk *d)
{
	return __atomic_load_n(&d->in_flight, __ATOMIC_RELAXED); /* the stats role asks too */
}

/* Makes the submitting thread known to the ring, by a request that needs no other thread. */
static bool
submit_nothing(struct writer_disk *d)
{
	struct io_uring_cqe *cqe;

	io_uring_prep_nop(io_uring_get_sqe(&d->ring));
	if (io_uring_submit_and_wait(&d->ring, 1) < 0 || io_uring_peek_cqe(&d->ring, &cqe) != 0)
		return false;
	io_uring_cqe_seen(&d->ring, cqe);
	return true;
}

/* Writes that would block the submitting thread are done by threads of the kernel, which would run on any CPU, those
 * that poll too. They belong to the thread that submits, so this cannot be done when the ring is made; and they stay
 * where they were begun, so it has to be done before the first write. */
static void
confine(struct writer_disk *d)
{
	d->confined = true;
	if (d->cpus == NULL)
		return;
	if (!submit_nothing(d) || io_uring_register_iowq_aff(&d->ring, sizeof(*d->cpus), d->cpus) != 0)
		LOG_DEBUG("writer.uring", "effect=\"the kernel's write threads run on any CPU\"");
}

static void
queue_write(struct writer_disk *d, struct slot *s)
{
	const struct writer_block *b = s->block;
	struct io_uring_sqe *sqe;

	if (unlikely(!d->confined))
		confine(d);
	sqe = io_uring_get_sqe(&d->ring);
	/* There are twice as many entries as slots, and each slot has at most one. */
	io_uring_prep_write(sqe, b->file->fd, b->address + s->done, b->fill - s->done, b->offset + s->done);
	io_uring_sqe_set_data(sqe, s);
	d->unsubmitted++;
}

/* Takes the result of one write. True: the block is finished. */
static bool
advance(struct slot *s, int result)
{
	if (result == -EINTR || result == -EAGAIN)
		return false;
	if (result <= 0) {
		s->block->result = result < 0 ? result : -EIO;
		return true;
	}
	s->done += (uint32_t)result;
	if (s->done < s->block->fill && s->done % WRITER_PAGE_BYTES != 0) {
		/* Cannot be continued with O_DIRECT, and only a full disk ends amid a page. */
		s->block->result = -ENOSPC;
		return true;
	}
	return s->done >= s->block->fill;
}

static void
write_now(struct slot *s)
{
	const struct writer_block *b = s->block;
	int result;

	do {
		ssize_t n = pwrite(b->file->fd, b->address + s->done, b->fill - s->done, (off_t)(b->offset + s->done));

		result = n < 0 ? -errno : (int)n;
	} while (!advance(s, result));
	s->finished = true;
}

void
writer_disk_write(struct writer_disk *d, struct writer_block *b)
{
	struct slot *s = d->slot;

	while (s->block != NULL)
		s++;
	*s = (struct slot){.block = b};
	b->result = 0;
	__atomic_store_n(&d->in_flight, d->in_flight + 1, __ATOMIC_RELAXED);
	if (d->uring)
		queue_write(d, s);
	else
		write_now(s);
}

/* What the kernel does not take now (EAGAIN, EBUSY) stays queued for the next call. */
void
writer_disk_submit(struct writer_disk *d)
{
	int n;

	if (d->unsubmitted == 0)
		return;
	n = io_uring_submit(&d->ring);
	if (n > 0)
		d->unsubmitted -= (unsigned)n;
}

static struct writer_block *
release(struct writer_disk *d, struct slot *s)
{
	struct writer_block *b = s->block;

	s->block = NULL;
	__atomic_store_n(&d->in_flight, d->in_flight - 1, __ATOMIC_RELAXED);
	return b;
}

static struct writer_block *
reap_uring(struct writer_disk *d)
{
	struct io_uring_cqe *cqe;

	while (d->in_flight > 0 && io_uring_peek_cqe(&d->ring, &cqe) == 0) {
		struct slot *s = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&d->ring, cqe);
		if (advance(s, result))
			return release(d, s);
		queue_write(d, s);
	}
	return NULL;
}

struct writer_block *
writer_disk_reap(struct writer_disk *d)
{
	if (d->uring)
		return reap_uring(d);
	return d->slot[0].finished && d->slot[0].block != NULL ? release(d, &d->slot[0]) : NULL;
}

void
writer_disk_destroy(struct writer_disk *d)
{
	if (d == NULL)
		return;
	if (d->uring)
		io_uring_queue_exit(&d->ring);
	free(d);
}
