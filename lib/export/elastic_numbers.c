/* Numbers of pcap files: the database's sequence document, and a range kept here.
 *
 * The reference takes a number by posting to sequence/_doc/fn-NODE: the version that comes back is it (RECORD.md 5). A
 * version can also be set, to anything larger than it is, which takes a whole range in one request: so RESERVE numbers
 * are taken at a time, and a file on this machine, locked while it is read and written, says which of them are left. A
 * hundred replays use up hundreds of numbers, not thousands, and most of them ask nobody.
 *
 * Without the database numbers go on from the end of the range, and the sequence document is told when it is back
 * (raise_to). A machine that has never had a range begins with the number of minutes since 2020, some millions: a node
 * that a database knows already has used smaller ones, and one number a file will not catch up with the clock. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "elastic_priv.h"
#include "log.h"
#include "paths_priv.h"

enum {
	RESERVE = 64,
	FIRST_VERSION = 100, /* so that a node's first file has the number 101 */
	TRIES_MAX = 20,
	TEXT_BYTES = 64,
	YEAR_2020_S = 1577836800,
};

/* What the file says: the numbers from 'next' to before 'end' are ours. 'told' is how far the database knows of them.
 */
struct range {
	uint32_t next, end, told;
};

int
elastic_numbers_open(struct elastic *e, const char *directory)
{
	struct elastic_numbers *k = &e->numbers;

	snprintf(k->path, sizeof(k->path), "%s/%s.%ssequence", directory,
		 e->document->node != NULL ? e->document->node : "", e->prefix);
	if (paths_make_parents(k->path) != 0)
		return -errno;
	k->fd = open(k->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return k->fd >= 0 ? 0 : -errno;
}

void
elastic_numbers_close(struct elastic *e)
{
	if (e->numbers.fd >= 0)
		close(e->numbers.fd);
}

static int
range_read(const struct elastic_numbers *k, struct range *r)
{
	char text[TEXT_BYTES + 1] = "";
	ssize_t n = pread(k->fd, text, TEXT_BYTES, 0);

	*r = (struct range){0};
	if (n < 0)
		return -errno;
	if (n > 0 &&
	    (sscanf(text, "%" SCNu32 " %" SCNu32 " %" SCNu32, &r->next, &r->end, &r->told) != 3 || r->next > r->end))
		return -EINVAL;
	return 0;
}

static int
range_write(const struct elastic_numbers *k, const struct range *r)
{
	char text[TEXT_BYTES];
	int n = snprintf(text, sizeof(text), "%10" PRIu32 " %10" PRIu32 " %10" PRIu32 "\n", r->next, r->end, r->told);

	if (pwrite(k->fd, text, (size_t)n, 0) != n || fdatasync(k->fd) != 0)
		return errno > 0 ? -errno : -EIO;
	return 0;
}

static int
sequence_request(struct elastic *e, const char *method, const char *more, json_t **answer)
{
	char path[ELASTIC_PATH_BYTES];
	size_t length;

	if (!elastic_path(e->prefix, "sequence/_doc/fn-", e->document->node != NULL ? e->document->node : "", path))
		return -ENAMETOOLONG;
	length = strlen(path);
	snprintf(path + length, sizeof(path) - length, "%s", more);
	return elastic_request_within(e, ELASTIC_NUMBER_TIMEOUT_S, method, path, method[0] == 'G' ? NULL : "{}",
				      answer);
}

/* The document's version, FIRST_VERSION when there is none, or -errno. */
static int64_t
sequence_version(struct elastic *e)
{
	json_t *answer = NULL, *version; /* of a name that is too long nobody is asked */
	int status = sequence_request(e, "GET", "", &answer);
	int64_t out = FIRST_VERSION;

	version = json_object_get(answer, "_version");
	if (status == 200 && json_is_integer(version))
		out = json_integer_value(version);
	else if (status != 404)
		out = status < 0 ? status : elastic_status_error(status);
	json_decref(answer);
	return out;
}

/* 0; -EEXIST: it is there or further already; another -errno. */
static int
sequence_raise(struct elastic *e, uint32_t version)
{
	char more[64];
	int status;

	snprintf(more, sizeof(more), "?version=%" PRIu32 "&version_type=external", version);
	status = sequence_request(e, "PUT", more, NULL);
	if (status == 409)
		return -EEXIST;
	if (status < 0)
		return status;
	return status < 300 ? 0 : elastic_status_error(status);
}

/* RESERVE numbers that nobody else has. Other sensors of this node's name may be at it too: first come, first served.
 */
static int
reserve(struct elastic *e, uint32_t n, struct range *r)
{
	uint32_t wanted = n > RESERVE ? n : RESERVE;
	int rc = elastic_schema_ready(e);

	for (unsigned i = 0; rc == 0 && i < TRIES_MAX; i++) {
		int64_t version = sequence_version(e);

		if (version < 0)
			return (int)version;
		if (version > UINT32_MAX - wanted)
			return -ERANGE;
		/* Numbers taken without the database may be beyond it. */
		if (version + 1 < r->end)
			version = r->end - 1;
		rc = sequence_raise(e, (uint32_t)version + wanted);
		if (rc == 0) {
			if (r->end != version + 1 || r->next == 0)
				r->next = (uint32_t)version + 1;
			r->end = r->told = (uint32_t)version + 1 + wanted;
			return 0;
		}
		if (rc == -EEXIST)
			rc = 0;
	}
	return rc != 0 ? rc : -EBUSY;
}

static void
go_on_alone(struct range *r, unsigned n)
{
	uint32_t minutes = (uint32_t)((clock_wall_ns() / NS_PER_S - YEAR_2020_S) / 60);

	if (r->end == 0)
		r->next = r->end = minutes;
	if (r->end - r->next < n)
		r->end = r->next + n;
}

static int
take_locked(struct elastic *e, unsigned n, uint32_t *first)
{
	struct range r;
	int rc = range_read(&e->numbers, &r);

	if (rc < 0)
		return rc;
	if (r.end - r.next < n && reserve(e, n, &r) != 0)
		go_on_alone(&r, n);
	*first = r.next;
	r.next += n;
	if (r.end > r.told)
		e->numbers.raise_to = r.end - 1;
	return range_write(&e->numbers, &r);
}

uint32_t
elastic_numbers_take(struct elastic *e, unsigned n)
{
	uint32_t first = 0;
	int rc;

	if (flock(e->numbers.fd, LOCK_EX) != 0)
		return 0;
	rc = take_locked(e, n, &first);
	flock(e->numbers.fd, LOCK_UN);
	if (rc == 0)
		return first;
	snprintf(e->why, sizeof(e->why), "%.400s: %s", e->numbers.path,
		 rc == -EINVAL ? "this is no file of numbers" : strerror(-rc));
	errno = -rc;
	return 0;
}

void
elastic_numbers_return(struct elastic *e, uint32_t first, unsigned n)
{
	struct range r;

	if (flock(e->numbers.fd, LOCK_EX) != 0)
		return;
	if (range_read(&e->numbers, &r) == 0 && r.next == first + n) {
		r.next = first;
		(void)range_write(&e->numbers, &r); /* Failed: the numbers are skipped. */
	}
	flock(e->numbers.fd, LOCK_UN);
}

static int
reconcile_locked(struct elastic *e)
{
	struct range r;
	int rc = range_read(&e->numbers, &r);

	if (rc == 0 && r.told < r.end) {
		int64_t version = sequence_version(e);

		if (version < 0)
			return (int)version;
		rc = version < r.end - 1 ? sequence_raise(e, r.end - 1) : version > r.end - 1 ? -EEXIST : 0;
		/* Somebody else counted on meanwhile: what follows comes from there. */
		if (rc == -EEXIST) {
			LOG_WARN("elastic.numbers",
				 "node=\"%s\" note=\"the database has given out numbers up to beyond %" PRIu32
				 " for this node, which ran without it: files of both may have the same number\"",
				 e->document->node, r.end - 1);
			r.next = r.end;
			rc = 0;
		}
		r.told = r.end;
		if (rc == 0)
			rc = range_write(&e->numbers, &r);
	}
	if (rc == 0)
		e->numbers.raise_to = 0;
	return rc;
}

int
elastic_numbers_reconcile(struct elastic *e)
{
	int rc;

	if (e->numbers.raise_to == 0 || !e->schema_checked)
		return 0;
	if (flock(e->numbers.fd, LOCK_EX) != 0)
		return -errno;
	rc = reconcile_locked(e);
	flock(e->numbers.fd, LOCK_UN);
	return rc;
}
