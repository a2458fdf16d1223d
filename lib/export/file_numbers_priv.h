/* File numbers taken ahead of need, for workers that cannot wait.
 *
 * Threads: file_numbers_pop: any; the others: the thread of the sink that keeps the numbers. */
#ifndef FILE_NUMBERS_PRIV_H
#define FILE_NUMBERS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "export.h"

/* So many are taken at once, and again when fewer than half of them are left. */
enum { FILE_NUMBERS_AHEAD = 16 };

struct file_numbers;

struct file_numbers *file_numbers_create(void);	  /* NULL with errno */
void file_numbers_destroy(struct file_numbers *); /* accepts NULL */

uint32_t file_numbers_pop(struct file_numbers *); /* 0: none */
bool file_numbers_low(const struct file_numbers *);
void file_numbers_push(struct file_numbers *, uint32_t first, unsigned n);
/* Takes out what is left; returns how many of it follow each other up to the last number pushed, *first is the first of
 * these. */
unsigned file_numbers_drain(struct file_numbers *, uint32_t *first);

/* Keeps them in <stateDir>/<node>.filenumber: a kind without documents, used when no real sink keeps numbers. */
extern const struct sink_kind file_number_keeper;

#endif
