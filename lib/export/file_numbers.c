/* File numbers.
 *
 * A number must be new on this node for ever, so it comes from a store (a sink's, or a state file), which takes its
 * time; a worker that opens a file cannot wait. Hence a small ring between them: the keeper's thread fills it before it
 * is empty, in ranges of 16. What is left at the end goes back if nobody has taken a number since, so that a hundred
 * replays do not use up 1,600 numbers; after a crash up to 16 are skipped, which harms nobody.
 *
 * The ring is DPDK's, in memory of our own: it works before and without EAL. */
#include "file_numbers_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <rte_ring.h>

#include "paths_priv.h"

enum { RING_SLOTS = 4 * FILE_NUMBERS_AHEAD, NUMBER_TEXT_BYTES = 16 };

struct file_numbers {
	struct rte_ring *ring;
};

struct file_numbers *
file_numbers_create(void)
{
	struct file_numbers *f = calloc(1, sizeof(*f));
	ssize_t size = rte_ring_get_memsize(RING_SLOTS);

	if (f == NULL)
		return NULL;
	f->ring = size > 0 ? aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN((size_t)size, RTE_CACHE_LINE_SIZE)) : NULL;
	if (f->ring == NULL || rte_ring_init(f->ring, "file numbers", RING_SLOTS, 0) != 0) {
		file_numbers_destroy(f);
		errno = ENOMEM;
		return NULL;
	}
	return f;
}

void
file_numbers_destroy(struct file_numbers *f)
{
	if (f == NULL)
		return;
	free(f->ring);
	free(f);
}

uint32_t
file_numbers_pop(struct file_numbers *f)
{
	void *number;

	return rte_ring_dequeue(f->ring, &number) == 0 ? (uint32_t)(uintptr_t)number : 0;
}

bool
file_numbers_low(const struct file_numbers *f)
{
	return rte_ring_count(f->ring) < FILE_NUMBERS_AHEAD / 2;
}

void
file_numbers_push(struct file_numbers *f, uint32_t first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (rte_ring_enqueue(f->ring, (void *)(uintptr_t)(first + i)) != 0)
			return; /* Cannot be: it is filled up to half only. The rest is skipped numbers. */
}

unsigned
file_numbers_drain(struct file_numbers *f, uint32_t *first)
{
	uint32_t number, last = 0;
	unsigned n = 0;

	while ((number = file_numbers_pop(f)) != 0) {
		if (n == 0 || number != last + 1) {
			*first = number;
			n = 0;
		}
		last = number;
		n++;
	}
	return n;
}

/* The keeper of last resort. */
struct keeper {
	char path[4096];
	int fd;
};

static void *
keeper_create(const struct sink_params *p, char *why, size_t why_size)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (k == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	snprintf(k->path, sizeof(k->path), "%s/%s.filenumber", p->target, p->document->node);
	if (paths_make_parents(k->path) == 0)
		k->fd = open(k->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	else
		k->fd = -1;
	if (k->fd < 0) {
		snprintf(why, why_size,
			 "%s: %s (it keeps the file numbers; set stateDir to a folder that can be written)", k->path,
			 strerror(errno));
		free(k);
		return NULL;
	}
	return k;
}

static void
keeper_destroy(void *state)
{
	struct keeper *k = state;

	close(k->fd);
	free(k);
}

/* The next number; 1 for an empty file, 0 with errno for one that is not ours. */
static uint32_t
keeper_read(const struct keeper *k)
{
	char text[NUMBER_TEXT_BYTES + 1] = "";
	ssize_t n = pread(k->fd, text, NUMBER_TEXT_BYTES, 0);
	uint32_t next = 0;

	if (n < 0)
		return 0;
	if (n == 0)
		return 1;
	if (sscanf(text, "%" SCNu32, &next) != 1 || next == 0) {
		errno = EINVAL;
		return 0;
	}
	return next;
}

/* Fixed width: a crash leaves the old or the new text, never a mixture of lengths. */
static int
keeper_write(const struct keeper *k, uint32_t next)
{
	char text[NUMBER_TEXT_BYTES];
	int n = snprintf(text, sizeof(text), "%10" PRIu32 "\n", next);

	if (pwrite(k->fd, text, (size_t)n, 0) != n || fdatasync(k->fd) != 0)
		return -errno;
	return 0;
}

static uint32_t
keeper_take(void *state, unsigned n)
{
	struct keeper *k = state;
	uint32_t first;
	int rc;

	if (flock(k->fd, LOCK_EX) != 0)
		return 0;
	first = keeper_read(k);
	rc = first == 0 ? -errno : keeper_write(k, first + n);
	flock(k->fd, LOCK_UN);
	errno = -rc;
	return rc == 0 ? first : 0;
}

static void
keeper_return(void *state, uint32_t first, unsigned n)
{
	struct keeper *k = state;

	if (flock(k->fd, LOCK_EX) != 0)
		return;
	if (keeper_read(k) == first + n)
		(void)keeper_write(k, first); /* Failed: the numbers are skipped. */
	flock(k->fd, LOCK_UN);
}

static void
keeper_describe(void *state, char *out, size_t size)
{
	const struct keeper *k = state;

	snprintf(out, size, "%s", k->path);
}

const struct sink_kind file_number_keeper = {
	.name = "file numbers",
	.create = keeper_create,
	.destroy = keeper_destroy,
	.take_file_numbers = keeper_take,
	.return_file_numbers = keeper_return,
	.describe = keeper_describe,
};
