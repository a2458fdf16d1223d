/* Log lines.
 *
 * A line is put together on the caller's stack and leaves with one write(2), so lines of several threads do not mix,
 * neither in a file nor in a pipe (a write of up to PIPE_BUF bytes is atomic there) nor in the journal. That is why a
 * line is never longer than PIPE_BUF; what does not fit is cut and marked. No stdio: its lock and its buffer would be
 * shared with whoever else prints to stderr.
 *
 * The price is that a slow reader of stderr holds up the thread that logs. The limit per call site bounds how often. */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* Room after the message for " suppressed=4294967295" and the newline. */
enum { TAIL_BYTES = 32 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static _Atomic int level_max = LOG_LEVEL_INFO;
static void (*_Atomic hook_before)(void);
static void (*_Atomic hook_after)(void);
/* Only for before-write-after as one step; without hooks nobody takes it. */
static pthread_mutex_t hook_lock = PTHREAD_MUTEX_INITIALIZER;

void
log_set_level(enum log_level level)
{
	level_max = (int)level;
}

enum log_level
log_get_level(void)
{
	return (enum log_level)level_max;
}

void
log_set_hooks(void (*before)(void), void (*after)(void))
{
	pthread_mutex_lock(&hook_lock);
	hook_before = before;
	hook_after = after;
	pthread_mutex_unlock(&hook_lock);
}

/* True when the site may write now; then *suppressed is what it has to report. */
static bool
site_admit(struct log_site *site, uint32_t *suppressed)
{
	uint64_t now = clock_monotonic_ns() / NS_PER_S, seen = atomic_load(&site->second);

	*suppressed = 0;
	/* Of the threads that see a new second one resets the count; at worst a few lines more get through. */
	if (seen != now && atomic_compare_exchange_strong(&site->second, &seen, now))
		atomic_store(&site->count, 0);
	if (atomic_fetch_add(&site->count, 1) >= LOG_BURST) {
		atomic_fetch_add(&site->suppressed, 1);
		return false;
	}
	*suppressed = atomic_exchange(&site->suppressed, 0);
	return true;
}

/* snprintf that returns how many bytes it wrote. */
static size_t __attribute__((format(printf, 3, 0)))
append(char *out, size_t size, const char *format, va_list arguments)
{
	int n = vsnprintf(out, size, format, arguments);

	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

static size_t __attribute__((format(printf, 3, 4))) append_text(char *out, size_t size, const char *format, ...)
{
	va_list arguments;
	size_t n;

	va_start(arguments, format);
	n = append(out, size, format, arguments);
	va_end(arguments);
	return n;
}

static size_t
append_head(char *out, size_t size, enum log_level level, const char *event)
{
	uint64_t now = clock_wall_ns();
	time_t second = (time_t)(now / NS_PER_S);
	struct tm tm;

	gmtime_r(&second, &tm);
	return append_text(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ %s %s ", tm.tm_year + 1900, tm.tm_mon + 1,
			   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(now % NS_PER_S / NS_PER_MS),
			   level_names[level], event);
}

static void
write_all(const char *line, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, line, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* Nobody to tell. */
		line += n;
		size -= (size_t)n;
	}
}

static void
write_line(const char *line, size_t size)
{
	void (*before)(void), (*after)(void);

	if (hook_before == NULL && hook_after == NULL) {
		write_all(line, size);
		return;
	}
	pthread_mutex_lock(&hook_lock);
	before = hook_before;
	after = hook_after;
	if (before != NULL)
		before();
	write_all(line, size);
	if (after != NULL)
		after();
	pthread_mutex_unlock(&hook_lock);
}

void
log_write(enum log_level level, struct log_site *site, const char *event, const char *format, ...)
{
	char line[PIPE_BUF];
	size_t n, head, room = sizeof(line) - TAIL_BYTES;
	int errno_before = errno;
	uint32_t suppressed = 0;
	va_list arguments;

	if ((int)level > level_max || (site != NULL && !site_admit(site, &suppressed)))
		return;
	n = head = append_head(line, room, level, event);
	va_start(arguments, format);
	n += append(line + n, room - n, format, arguments);
	va_end(arguments);
	if (n == room - 1)
		memcpy(line + n - 3, "...", 3);
	if (n == head)
		n--; /* The space before a message that is empty. */
	/* A line stays one line, also where somebody forgot log_quote(). */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	if (suppressed > 0)
		n += append_text(line + n, sizeof(line) - n, " suppressed=%u", suppressed);
	line[n++] = '\n';
	write_line(line, n);
	errno = errno_before;
}

/* The length of the printable UTF-8 sequence at 'text', or 0: a byte that has to be escaped (RFC 3629 section 4). */
static unsigned
utf8_length(const unsigned char *text)
{
	unsigned n;

	if (text[0] >= 0x20 && text[0] < 0x7f)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		n = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		n = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		n = 4;
	else
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if (text[0] == 0xc2 && text[1] < 0xa0)
		return 0; /* U+0080 to U+009F: terminals obey these as controls. */
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0; /* Overlong, a surrogate, or beyond U+10FFFF. */
	return n;
}

const char *
log_quote(char *out, size_t out_size, const char *text)
{
	const unsigned char *in = (const unsigned char *)(text != NULL ? text : "");
	size_t used = 0;

	if (out_size == 0)
		return out;
	while (*in != '\0') {
		char escaped[8];
		unsigned length = utf8_length(in), n;

		if (*in == '"' || *in == '\\')
			n = (unsigned)snprintf(escaped, sizeof(escaped), "\\%c", *in);
		else if (length > 0)
			n = (unsigned)snprintf(escaped, sizeof(escaped), "%.*s", (int)length, (const char *)in);
		else
			n = (unsigned)snprintf(escaped, sizeof(escaped), "\\x%02x", *in);
		if (used + n >= out_size)
			break; /* Never half an escape. */
		memcpy(out + used, escaped, n);
		used += n;
		in += length > 0 ? length : 1;
	}
	out[used] = '\0';
	return out;
}
