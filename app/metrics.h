/* GET /metrics: the counters and the last view in the text format of Prometheus, by HTTP.
 *
 * Threads: one of its own, beside the lcores. Setting metricsListen; live only. */
#ifndef METRICS_H
#define METRICS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

struct metrics;
struct stats;

/* "9150" (on the loopback address), "10.0.0.1:9150", "[::1]:9150". False: 'why' has the reason. */
bool metrics_parse_address(const char *text, struct sockaddr_storage *, char *why, size_t why_size);

/* NULL with errno. */
struct metrics *metrics_create(const struct sockaddr_storage *, const cpu_set_t *cpus);
void metrics_destroy(struct metrics *); /* accepts NULL */

/* The page. Exposed for its test. */
void metrics_write(const struct stats *, FILE *);

/* "shrike_session_not_saved_total" of "session.not_saved". */
enum { METRIC_NAME_BYTES = 128 };
const char *metrics_name(char out[METRIC_NAME_BYTES], const char *counter);

#endif
