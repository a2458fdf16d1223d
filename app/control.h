/* The control role: signals, the order in which a run ends, progress. On the main lcore. */
#ifndef CONTROL_H
#define CONTROL_H

#include "sensor.h"

/* Puts all roles into the plan. */
void control_add_roles(struct sensor *);

/* SIGINT, SIGTERM and SIGHUP are counted from here on; SIGPIPE is ignored. */
void control_catch_signals(void);

#endif
