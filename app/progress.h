/* The progress bar of a replay, on standard error when it is a terminal: bytes, packets/s, Gbit/s, sessions, time left.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "sensor.h"

void progress_begin(struct sensor *);
void progress_draw(struct sensor *, uint64_t now_ns); /* redraws at most five times a second */
void progress_end(struct sensor *);

#endif
