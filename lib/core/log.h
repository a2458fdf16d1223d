/* Log lines on standard error: time, level, event, key=value pairs.
 *
 *   LOG_WARN("replay.damaged", "file=\"%s\" offset=%" PRIu64, path, offset);
 *   2026-11-21T09:30:00.123Z warn replay.damaged file="x.pcap" offset=1048
 *
 * Each call site lets LOG_BURST lines through in a second and counts the rest; the next line that gets through says
 * suppressed=N. So a log call is safe where traffic decides how often it happens, but not on the path of every packet.
 *
 * Threads: any. Text that came from outside goes through log_quote(). */
#ifndef LOG_H
#define LOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum { LOG_BURST = 10 };

struct log_site {
	_Atomic uint64_t second; /* of the monotonic clock in which 'count' counts */
	_Atomic uint32_t count;
	_Atomic uint32_t suppressed;
};

/* Lines above this level are not written. Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level);
enum log_level log_get_level(void);

/* Called before and after each line when set: the progress bar clears and redraws itself. */
void log_set_hooks(void (*before)(void), void (*after)(void));

void log_write(enum log_level, struct log_site *, const char *event, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* 'text' for a quoted value: quotes, backslashes and control bytes escaped, cut to fit. Returns 'out'. */
const char *log_quote(char *out, size_t out_size, const char *text);

#define LOG_AT(level, event, ...)                                                                                      \
	do {                                                                                                           \
		static struct log_site log_site_;                                                                      \
		log_write(level, &log_site_, event, __VA_ARGS__);                                                      \
	} while (0)
#define LOG_ERROR(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define LOG_WARN(event, ...)  LOG_AT(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define LOG_INFO(event, ...)  LOG_AT(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define LOG_DEBUG(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

#endif
