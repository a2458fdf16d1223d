/* Hand-off and merge, as the sensor sets them up (parts of sensor_start()). */
#ifndef SENSOR_HANDOFF_H
#define SENSOR_HANDOFF_H

#include "sensor.h"

/* Every port is a capture file: then the packets' time is the time, the end shows itself by silence only, and whoever
 * has no room waits. */
bool sensor_is_files(const struct sensor *);

/* Mbufs that hand-off rings can hold, of a pool that 'n_queues' receive queues share. */
uint32_t sensor_handoff_mbufs(const struct sensor *, unsigned n_queues);

/* After the ports, before the workers: rings, and what of it workers are told. */
enum exit_code sensor_start_handoff(struct sensor *, struct worker_params *);

/* After every worker has its queues. */
enum exit_code sensor_queues_done(struct sensor *);

#endif
