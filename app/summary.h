/* What a run did: a short table on standard error, and the same and more as JSON (--summary). */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "sensor.h"

void summary_print(const struct sensor *, FILE *);

/* 0 or a negative errno. */
int summary_write(const struct sensor *, const char *path, enum exit_code);

/* Inputs that were damaged or could not be opened. */
unsigned summary_damaged_inputs(const struct sensor *);

#endif
