/* The reject file: documents that the store will never take, each with the reason, one JSON object a line.
 *
 * {"time":1795256738123,"index":"arkime_sessions3-261121","id":"...","status":400,"reason":"mapper_parsing_exception:
 * ...","document":{...}}
 *
 * All of one delivery are appended with one write, and only those of batches of which everything else was taken: others
 * come again as a whole, and their refused documents must not be in the file twice. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "elastic_priv.h"
#include "json.h"
#include "log.h"
#include "paths_priv.h"

enum { TEXT_LIMIT_BYTES = 1 << 30 };

static bool
reserve(struct reject_list *l)
{
	unsigned room = l->room > 0 ? 2 * l->room : 64;
	struct reject *grown;

	if (l->n < l->room)
		return true;
	grown = realloc(l->reject, room * sizeof(*grown));
	if (grown == NULL)
		return false;
	l->reject = grown;
	l->room = room;
	return true;
}

bool
reject_share(struct reject_list *l, const struct reject *r)
{
	if (!reserve(l))
		return false;
	l->reject[l->n++] = *r;
	return true;
}

bool
reject_add(struct reject_list *l, uint32_t batch, uint32_t row, int status, const char *type, const char *reason)
{
	char *why;

	if (!reserve(l) ||
	    asprintf(&why, "%s%s%.*s", type, type[0] != '\0' ? ": " : "", ELASTIC_REASON_BYTES, reason) < 0)
		return false;
	l->reject[l->n++] = (struct reject){.batch = batch, .row = row, .status = status, .why = why};
	return true;
}

void
reject_clear(struct reject_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->reject[i].why);
	free(l->reject);
	*l = (struct reject_list){0};
}

static void
write_line(struct json *j, const struct elastic *e, const struct reject *r, const struct export_batch *batch)
{
	const struct export_row *row = &batch->row[r->row];
	char index[ELASTIC_NAME_BYTES];

	snprintf(index, sizeof(index), "%ssessions3-%s", e->prefix, row->index_period);
	j->comma = false;
	json_object_begin(j);
	json_key(j, "time");
	json_u64(j, clock_wall_ns() / NS_PER_MS);
	json_key(j, "index");
	json_str(j, index, strlen(index), true);
	json_key(j, "id");
	json_str(j, row->id, strlen(row->id), true);
	json_key(j, "status");
	json_i64(j, r->status);
	json_key(j, "reason");
	json_str(j, r->why, strlen(r->why), true);
	json_key(j, "document");
	json_raw(j, batch->text + row->json_offset, row->json_bytes);
	json_object_end(j);
	json_bytes(j, "\n", 1);
}

static int
append(const char *path, const char *text, size_t bytes)
{
	int fd, error = 0;
	struct stat before;
	ssize_t n;

	if (paths_make_parents(path) != 0)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	/* Other processes append to it too, and what is cut off below must be ours. */
	if (flock(fd, LOCK_EX) != 0 || fstat(fd, &before) != 0) {
		error = errno;
		close(fd);
		return -error;
	}
	n = write(fd, text, bytes);
	if (n < 0)
		error = errno;
	if (n >= 0 && (size_t)n < bytes) {
		error = ENOSPC;
		if (ftruncate(fd, before.st_size) != 0)
			error = errno;
	}
	if (error == 0 && fdatasync(fd) != 0 && errno != EINVAL) /* EINVAL: a pipe or a device */
		error = errno;
	close(fd);
	return -error;
}

int
reject_write(struct elastic *e, const struct reject_list *l, const struct sink_batch *b)
{
	struct json j;
	char quoted[512];
	int rc;

	if (l->n == 0)
		return 0;
	json_init(&j, TEXT_LIMIT_BYTES);
	for (unsigned i = 0; i < l->n; i++)
		write_line(&j, e, &l->reject[i], b[l->reject[i].batch].batch);
	rc = j.failed ? -ENOMEM : append(e->conf.reject_path, j.text, j.size);
	json_fini(&j);
	if (rc < 0) {
		snprintf(e->why, sizeof(e->why), "reject file %.400s: %s", e->conf.reject_path, strerror(-rc));
		return rc;
	}
	LOG_WARN("elastic.rejected", "documents=%u file=\"%s\" reason=\"%s\"", l->n, e->conf.reject_path,
		 log_quote(quoted, sizeof(quoted), l->reject[0].why));
	return 0;
}
