/* What is received from: interfaces, ports, their queues and mbufs (parts of sensor_configure() and sensor_start()). */
#ifndef SENSOR_PORTS_H
#define SENSOR_PORTS_H

#include "sensor.h"

/* 'interface' and -i into words; a live run without anything to read is a usage error. */
enum exit_code sensor_configure_interfaces(struct sensor *);

/* Before EAL: whether this machine has them. */
enum exit_code sensor_check_interfaces(const struct sensor *);

/* After EAL: makes their ports. */
enum exit_code sensor_attach_interfaces(struct sensor *);

/* Mbufs for every queue there will be, on the NUMA node of each port; printed. */
enum exit_code sensor_start_pools(struct sensor *);

/* Starts every port that EAL has (not for a replay). */
enum exit_code sensor_start_ports(struct sensor *);

/* Queues to workers. Capture files given as ports all go to the first one, which merges them (worker_receive.c). */
enum exit_code sensor_assign_queues(struct sensor *);

/* About what the pools will take, before EAL knows the ports. */
size_t sensor_ports_memory(const struct sensor *, unsigned n_lcores, unsigned n_workers);

#endif
