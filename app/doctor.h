/* --doctor: what this machine lacks to run Shrike, on one page, with the command for each thing. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdio.h>

#include "options.h"
#include "sensor.h"

/* How bad it is. */
enum doctor_grade {
	DOCTOR_OK,
	DOCTOR_NOTE,	/* works, but slower or less than it could */
	DOCTOR_MISSING, /* a run as the settings say does not work */
};

struct doctor {
	FILE *out;
	const char *root; /* "" or, in tests, a folder that stands for / */
	unsigned n_missing, n_notes;
	bool wants_nic; /* 'interface' names a PCI device */
};

/* One line, and 'todo' (NULL: nothing to do) below it. */
void doctor_say(struct doctor *, enum doctor_grade, const char *what, const char *todo, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* The first number, or line, of a file below the root. */
bool doctor_read_number(const struct doctor *, const char *path, unsigned long *out);
bool doctor_read_line(const struct doctor *, const char *path, char *out, size_t size);

/* Memory, CPUs, rights, clock, folders. */
void doctor_hugepages(struct doctor *);
void doctor_memory(struct doctor *);
void doctor_cpus(struct doctor *);
void doctor_rights(struct doctor *, bool reads_live);
void doctor_clock(struct doctor *);
void doctor_folders(struct doctor *, const struct writer_conf *);

/* DPDK's drivers, IOMMU and vfio, NICs, what 'interface' names. */
void doctor_drivers(struct doctor *);
void doctor_vfio(struct doctor *);
void doctor_nics(struct doctor *);
void doctor_interfaces(struct doctor *, const struct interfaces *);

/* All of it. EXIT_FINE when a run with these settings can work, else EXIT_ENVIRONMENT. */
enum exit_code doctor(const struct sensor *, FILE *);

#endif
