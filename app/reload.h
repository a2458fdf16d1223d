/* Settings that may change while a sensor runs: the conf is read again, and what it says of packet-drop-ips and bpf,
 * and what parsers take from it (shrike_parser.reload), counts from then on.
 *
 * All of it or nothing: when anything in the new conf is wrong, also in what would not change, everything stays as it
 * is. Old tables are freed when no lcore can be reading them (rcu.h).
 *
 * Threads: reload_create() and reload_destroy() control's; the others any. The work is done by a thread of its own, one
 * reload after the other. */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>

enum { RELOAD_LINES_MAX = 16, RELOAD_LINE_BYTES = 256 };

struct sensor;
struct reload;

/* What came of it. */
struct reload_lines {
	unsigned n; /* kept */
	unsigned n_more;
	char line[RELOAD_LINES_MAX][RELOAD_LINE_BYTES];
};
struct reload_result {
	bool is_done;
	unsigned drop_ips_lines;
	bool has_filter;
	struct reload_lines errors; /* "FILE:LINE: ...": why not, or what a parser did not take */
	struct reload_lines later;  /* settings that are different and wait for the next start */
};

/* After the roles were made. NULL with errno. The telemetry command /shrike/reload is there from then on. */
struct reload *reload_create(struct sensor *);
/* Before what it reloads is taken apart. Accepts NULL. */
void reload_destroy(struct reload *);

/* Without waiting. */
void reload_ask(struct reload *);
/* Waits for it. False: the sensor ends. */
bool reload_now(struct reload *, struct reload_result *);

#endif
