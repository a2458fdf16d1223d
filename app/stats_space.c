/* Room on the disks.
 *
 * statvfs(2), and stat(2) for each of some thousands of pcap files: milliseconds, and for ever on a network file system
 * whose server has gone. So it is a thread beside the lcores that looks every five seconds, as often as the reference.
 * At the end it is waited for a second and then left alone. */
#include "stats_space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "thread.h"

enum { LOOK_EVERY_S = 5, END_WAIT_S = 1 };

struct stats_space {
	struct stats_space_params params;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop, has_looked;
	struct space space;
};

static uint64_t
used_in(const char *directory, const char *node)
{
	DIR *d = opendir(directory);
	size_t length = strlen(node);
	const struct dirent *entry;
	uint64_t sum = 0;
	struct stat st;

	if (d == NULL)
		return 0;
	while ((entry = readdir(d)) != NULL)
		if (strncmp(entry->d_name, node, length) == 0 &&
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	closedir(d);
	return sum;
}

void
stats_space_measure(const struct stats_space_params *p, struct space *out)
{
	struct statvfs vfs;

	*out = (struct space){0};
	for (unsigned i = 0; i < p->n_directories; i++) {
		if (statvfs(p->directories[i], &vfs) != 0)
			continue;
		out->free_bytes += (uint64_t)vfs.f_bavail * vfs.f_frsize;
		out->size_bytes += (uint64_t)vfs.f_blocks * vfs.f_frsize;
		if (!p->has_template)
			out->used_bytes += used_in(p->directories[i], p->node);
	}
}

static struct timespec
in_seconds(unsigned seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += seconds;
	return t;
}

/* Returns whether to go on. */
static bool
publish_and_wait(struct stats_space *s, const struct space *space)
{
	struct timespec until = in_seconds(LOOK_EVERY_S);
	bool stop;

	pthread_mutex_lock(&s->lock);
	s->space = *space;
	s->has_looked = true;
	pthread_cond_broadcast(&s->changed);
	while (!s->stop && pthread_cond_timedwait(&s->changed, &s->lock, &until) != ETIMEDOUT)
		;
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return !stop;
}

static void *
look_around(void *argument)
{
	struct stats_space *s = argument;
	struct space space;

	do
		stats_space_measure(&s->params, &space);
	while (publish_and_wait(s, &space));
	return NULL;
}

static void
release(struct stats_space *s)
{
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct stats_space *
stats_space_create(const struct stats_space_params *params)
{
	struct stats_space *s = calloc(1, sizeof(*s));
	int error;

	if (s == NULL)
		return NULL;
	s->params = *params;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	error = thread_start(&s->thread, "disk-space", params->cpus, look_around, s);
	if (error == 0)
		return s;
	release(s);
	errno = -error;
	return NULL;
}

bool
stats_space_destroy(struct stats_space *s)
{
	struct timespec until;

	if (s == NULL)
		return true;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	until = in_seconds(END_WAIT_S);
	if (pthread_timedjoin_np(s->thread, NULL, &until) != 0)
		return false;
	release(s);
	return true;
}

bool
stats_space_read(struct stats_space *s, struct space *out, unsigned patience_ms)
{
	struct timespec until = in_seconds(0);
	bool has_looked;

	*out = (struct space){0};
	if (s == NULL)
		return false;
	until.tv_sec += patience_ms / 1000;
	until.tv_nsec += (long)(patience_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&s->lock);
	while (!s->has_looked && patience_ms > 0 && pthread_cond_timedwait(&s->changed, &s->lock, &until) != ETIMEDOUT)
		;
	has_looked = s->has_looked;
	*out = s->space;
	pthread_mutex_unlock(&s->lock);
	return has_looked;
}
