/* Roles on lcores.
 *
 * A role is an object with a poll() that does a bounded piece of work and never waits; an lcore runs a list of them.
 * The plan spreads the roles over the lcores EAL was given: with one everything runs on it, with two the workers get
 * their own, and so on.
 *
 * Threads: role_plan_run() on the main lcore starts the others and returns when role_plan_stop() was called and all
 * have returned. */
#ifndef ROLE_H
#define ROLE_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "app_conf.h"

enum { ROLES_MAX = 32, LCORES_MAX = 128 };

struct role {
	const char *name;
	unsigned (*poll)(void *context); /* what it found to do; 0: nothing */
	void *context;
};

enum role_kind { ROLE_CONTROL, ROLE_WORKER, ROLE_WRITER, ROLE_EXPORTER, ROLE_REPLAY };

/* What an lcore is at when it polls no role. */
enum { LCORE_WAITS = ROLES_MAX };

/* What an lcore has done so far; written by it after every turn of its roles, read by anybody. */
struct lcore_load {
	_Atomic uint64_t cycles;      /* of the time stamp counter, since its first turn */
	_Atomic uint64_t busy_cycles; /* of these: in turns in which some role found work */
	_Atomic uint64_t turns, busy_turns;
};

struct lcore_plan {
	unsigned lcore_id;
	unsigned n_roles;
	struct role role[ROLES_MAX];
	enum idle_mode idle;
	bool has_worker;
	struct role_plan *plan;
	struct lcore_load load; /* without an alignment of its own: a plan is part of what calloc() gives */
	_Atomic bool is_paused;
	_Atomic unsigned at; /* index into role[], or LCORE_WAITS; means something while 'is_running' */
	_Atomic bool is_running;
	clockid_t cpu_clock; /* of its thread */
};

struct role_plan {
	unsigned n_lcores;
	bool has_replay;
	struct lcore_plan lcore[LCORES_MAX];
	_Atomic bool stop, pause;
};

/* How many workers suit 'n_lcores' lcores; one of them is shared with (replay: also the replay and) the other roles. */
unsigned role_plan_workers(unsigned n_lcores, bool replay);

/* Takes the lcores from EAL, the main one first. */
void role_plan_init(struct role_plan *, enum idle_mode);

/* The CPUs of its lcores, or of those that have workers. */
void role_plan_cpus(const struct role_plan *, bool only_workers, cpu_set_t *out);

/* Puts a role on the lcore that the plan has for its kind ('index': of a worker). The replay, if there is one, comes
 * before the workers. */
void role_plan_add(struct role_plan *, enum role_kind, unsigned index, const struct role *);

/* 0, or a negative errno when an lcore does not start. */
int role_plan_run(struct role_plan *);
void role_plan_stop(struct role_plan *);

/* From a role on the main lcore: true when all other lcores stand between two turns, so that nothing moves but what
 * threads beside the lcores do. role_plan_resume() in any case. Packets are lost meanwhile where they come fast. */
bool role_plan_pause(struct role_plan *, uint64_t patience_ns);
void role_plan_resume(struct role_plan *);

#endif
