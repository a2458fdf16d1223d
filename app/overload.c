/* The ladder of what is given up under overload.
 *
 * One ladder for all resources, because the order is a promise: who reads records wants to know that a session without
 * the tag overload-not-parsed was parsed, whatever was short. Given up with it: a slow disk turns parsing off first,
 * which does not help the disk; it takes 20 ms until the next step does.
 *
 * Hysteresis has three parts. Up: full for 20 ms on end, so that a burst which a queue is there for changes nothing.
 * Down: below another, lower mark for a second on end. And when the load comes back within a minute, the calm that is
 * asked for doubles, up to a minute: a load that lies between two stages would else make every second session half
 * parsed.
 *
 * What a device has lost counts as full at the moment when it is known (twice a second): one step each time. */
#include "overload.h"

#include <stdio.h>

#include "clock.h"
#include "log.h"

COUNTER(up, "overload.steps_up", "steps up the ladder of what workers give up under overload", LEDGER_NONE, LEDGER_IN);
COUNTER(down, "overload.steps_down", "steps down that ladder", LEDGER_NONE, LEDGER_OUT);
COUNTER(shedding_ms, "overload.shedding_ms", "milliseconds in which workers gave up something", LEDGER_NONE, LEDGER_IN);

enum { RISE_MS = 20, PATIENCE_MAX_S = 60, RELAPSE_S = 60, FULL_PERCENT = 100 };

static const struct setting overload_settings[] = {
	SETTING_BOOL(struct overload_conf, enabled, "overloadShedding", "true",
		     "live, give up parsing, then payload in pcap files, then records of new sessions, when more comes "
		     "than can be done; false: packets are lost where they come in"),
	SETTING_U32(struct overload_conf, high_percent, "overloadHigh", 80, 2, 100, "percent",
		    "fill of a receive queue, of record memory, of the record ring or of pcap blocks that is overload"),
	SETTING_U32(struct overload_conf, low_percent, "overloadLow", 40, 1, 99, "percent",
		    "fill of all of them below which overload is over; less than overloadHigh"),
	SETTING_U32(struct overload_conf, calm_ms, "overloadCalm", 1000, 10, 600000, "ms",
		    "how long it has to be so before one thing that was given up is taken back"),
};
SETTINGS(overload, "Overload", overload_settings);

const char *const overload_stage_names[OVERLOAD_STAGES] = {"none", "no-parsing", "headers-only", "no-records"};

/* OVERLOAD_SIGNALS and beyond: what is no fill. */
enum { CAUSE_LOST = OVERLOAD_SIGNALS, CAUSE_NEVER_IDLE, CAUSES };
static const char *const cause_names[CAUSES] = {"receive-queue", "record-memory", "record-ring",
						"pcap-blocks",	 "device-lost",	  "never-idle"};

bool
overload_conf_check(const struct overload_conf *conf, char *why, size_t why_size)
{
	if (conf->low_percent < conf->high_percent)
		return true;
	snprintf(why, why_size, "overloadLow=%u is not less than overloadHigh=%u", conf->low_percent,
		 conf->high_percent);
	return false;
}

void
overload_init(struct overload *o, const struct overload_conf *conf, struct counters *counters)
{
	*o = (struct overload){.conf = conf, .counters = counters, .patience_ns = (uint64_t)conf->calm_ms * NS_PER_MS};
}

static unsigned
fullest(const struct overload_view *view)
{
	unsigned worst = 0;

	for (unsigned i = 1; i < OVERLOAD_SIGNALS; i++)
		if (view->percent[i] > view->percent[worst])
			worst = i;
	return worst;
}

static void
set_stage(struct overload *o, unsigned stage)
{
	atomic_store_explicit(&o->stage, stage, memory_order_relaxed);
	atomic_fetch_add_explicit(&o->changes, 1, memory_order_release);
}

static bool
step_up(struct overload *o, unsigned cause, unsigned percent, uint64_t now_ns)
{
	unsigned stage = overload_stage(o);
	uint64_t most_ns = PATIENCE_MAX_S * NS_PER_S;

	o->calm_ns = 0;
	o->high_ns = now_ns;
	if (stage + 1 == OVERLOAD_STAGES)
		return false;
	if (o->went_down_ns != 0 && now_ns - o->went_down_ns < RELAPSE_S * NS_PER_S) {
		o->went_down_ns = 0;
		o->patience_ns = 2 * o->patience_ns < most_ns ? 2 * o->patience_ns : most_ns;
	}
	atomic_store_explicit(&o->cause, cause, memory_order_relaxed);
	atomic_store_explicit(&o->percent, percent, memory_order_relaxed);
	set_stage(o, stage + 1);
	COUNTER_ADD(o->counters, up, 1);
	return true;
}

static bool
step_down(struct overload *o, uint64_t now_ns)
{
	o->calm_ns = now_ns;
	o->went_down_ns = now_ns;
	set_stage(o, overload_stage(o) - 1);
	COUNTER_ADD(o->counters, down, 1);
	return true;
}

static bool
look_high(struct overload *o, unsigned worst, unsigned percent, uint64_t now_ns)
{
	o->calm_ns = 0;
	if (o->high_ns == 0)
		o->high_ns = now_ns;
	return now_ns - o->high_ns >= RISE_MS * NS_PER_MS && step_up(o, worst, percent, now_ns);
}

static bool
look_low(struct overload *o, uint64_t now_ns)
{
	o->high_ns = 0;
	if (overload_stage(o) == OVERLOAD_NONE) {
		if (o->went_down_ns != 0 && now_ns - o->went_down_ns >= RELAPSE_S * NS_PER_S) {
			o->went_down_ns = 0;
			o->patience_ns = (uint64_t)o->conf->calm_ms * NS_PER_MS;
		}
		return false;
	}
	if (o->calm_ns == 0)
		o->calm_ns = now_ns;
	return now_ns - o->calm_ns >= o->patience_ns && step_down(o, now_ns);
}

static void
count_time(struct overload *o, uint64_t now_ns)
{
	uint64_t ms = now_ns / NS_PER_MS - o->looked_ns / NS_PER_MS;

	if (o->has_view && overload_stage(o) != OVERLOAD_NONE)
		COUNTER_ADD(o->counters, shedding_ms, ms);
	o->looked_ns = now_ns;
}

bool
overload_look(struct overload *o, const struct overload_view *view, uint64_t now_ns)
{
	unsigned worst = fullest(view), percent = view->percent[worst];
	bool has_lost = o->has_view && view->lost > o->lost;

	count_time(o, now_ns);
	o->has_view = true;
	o->lost = view->lost;
	if (has_lost)
		return step_up(o, CAUSE_LOST, FULL_PERCENT, now_ns);
	if (view->never_idle)
		return step_up(o, CAUSE_NEVER_IDLE, FULL_PERCENT, now_ns);
	if (percent >= o->conf->high_percent)
		return look_high(o, worst, percent, now_ns);
	if (percent < o->conf->low_percent)
		return look_low(o, now_ns);
	o->high_ns = o->calm_ns = 0;
	return false;
}

/* Stages lie one above the other, so what lies between was passed, even when two changes fall between two calls. */
void
overload_report(struct overload *o, unsigned worker)
{
	unsigned changes = atomic_load_explicit(&o->changes, memory_order_acquire);
	unsigned stage = overload_stage(o), before = o->reported_stage;

	if (changes == o->reported_changes)
		return;
	o->reported_changes = changes;
	o->reported_stage = stage;
	while (before < stage) {
		LOG_WARN("overload.sheds", "worker=%u stage=%s before=%s because=%s percent=%u", worker,
			 overload_stage_names[before + 1], overload_stage_names[before],
			 cause_names[atomic_load_explicit(&o->cause, memory_order_relaxed)],
			 atomic_load_explicit(&o->percent, memory_order_relaxed));
		before++;
	}
	for (; before > stage; before--)
		LOG_WARN("overload.recovers", "worker=%u stage=%s before=%s", worker, overload_stage_names[before - 1],
			 overload_stage_names[before]);
}
