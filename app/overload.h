/* What a live worker gives up when more comes than it can do, and in which order.
 *
 * A ladder: each step gives up one thing more, one step at a time, and goes back one at a time.
 *
 *   OVERLOAD_NO_PARSING    payload is not given to parsers; sessions that had some say overload-not-parsed
 *   OVERLOAD_HEADERS_ONLY  and packets are stored without their payload: overload-headers-only
 *   OVERLOAD_NO_RECORDS    and sessions that begin now get no record if they end before it is over
 *
 * Headers are counted to the end, and what is given up is counted by name. A replay never sheds: it waits.
 *
 * It goes up when the fullest of what can run out (device queue, record chunks, record ring, blocks) has been at
 * 'overloadHigh' percent for some milliseconds, or the device lost packets; down when all have been below 'overloadLow'
 * for 'overloadCalm'. When it has to go up again soon after that, it waits longer the next time.
 *
 * Threads: a worker's own; overload_stage() and overload_report() control's. */
#ifndef OVERLOAD_H
#define OVERLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "counters.h"

enum overload_stage { OVERLOAD_NONE, OVERLOAD_NO_PARSING, OVERLOAD_HEADERS_ONLY, OVERLOAD_NO_RECORDS, OVERLOAD_STAGES };
extern const char *const overload_stage_names[OVERLOAD_STAGES];

struct overload_conf {
	bool enabled;
	uint32_t high_percent, low_percent;
	uint32_t calm_ms;
};
extern const struct setting_group overload_settings_group;
/* False and 'why': what only both of them together can be wrong about. */
bool overload_conf_check(const struct overload_conf *, char *why, size_t why_size);

enum overload_signal { OVERLOAD_QUEUE, OVERLOAD_CHUNKS, OVERLOAD_RING, OVERLOAD_BLOCKS, OVERLOAD_SIGNALS };

/* How things are at one moment. */
struct overload_view {
	uint8_t percent[OVERLOAD_SIGNALS];
	uint64_t lost;	 /* packets that the devices have lost so far, as far as they say */
	bool never_idle; /* a device that says nothing of its queue has given full bursts for long */
};

struct overload {
	const struct overload_conf *conf;
	struct counters *counters;
	_Atomic unsigned stage;
	uint64_t looked_ns, high_ns, calm_ns; /* since when; 0: it is not so */
	uint64_t patience_ns;		      /* how long it has to be calm */
	uint64_t went_down_ns;
	uint64_t lost;
	bool has_view;

	/* For control: why it went up last, and how often the stage changed. */
	_Atomic unsigned cause, percent, changes;
	unsigned reported_stage, reported_changes; /* control's */
};

void overload_init(struct overload *, const struct overload_conf *, struct counters *);

/* 'now_ns' is the monotonic clock's. True: the stage is another one. */
bool overload_look(struct overload *, const struct overload_view *, uint64_t now_ns);

static inline unsigned
overload_stage(const struct overload *o)
{
	return atomic_load_explicit(&o->stage, memory_order_relaxed);
}

/* Control: a log line when the stage has changed since the last call. */
void overload_report(struct overload *, unsigned worker);

#endif
