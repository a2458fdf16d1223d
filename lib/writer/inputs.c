/* In place: the numbers of input files.
 *
 * An input gets its number, and its files document, when the first packet of it is stored, by whichever worker comes
 * first; packets of one input follow each other, so a worker looks here once an input and keeps the answer. Numbers
 * come from elsewhere and may not be ready: then the packet waits (writer_append() returns false).
 *
 * Entries are allocated one by one and never move, so a worker may count into its own line of one while another adds
 * an entry. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "writer_priv.h"

/* Under the lock. */
static bool
table_grow(struct writer_inputs *inputs, uint32_t input)
{
	uint32_t n = inputs->n > 0 ? inputs->n : 64;
	struct writer_input **grown;

	if (input < inputs->n)
		return true;
	while (n <= input)
		n *= 2;
	grown = realloc(inputs->input, n * sizeof(struct writer_input *));
	if (grown == NULL)
		return false;
	memset(grown + inputs->n, 0, (n - inputs->n) * sizeof(struct writer_input *));
	inputs->input = grown;
	inputs->n = n;
	return true;
}

static struct writer_input *
input_create(unsigned n_workers, uint32_t number)
{
	size_t size = sizeof(struct writer_input) + n_workers * sizeof(((struct writer_input *)NULL)->worker[0]);
	struct writer_input *in = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(size, RTE_CACHE_LINE_SIZE));

	if (in == NULL)
		return NULL;
	memset(in, 0, size);
	in->number = number;
	return in;
}

static void
send_created(struct writer *w, const char *name, uint32_t number, uint64_t first_ns)
{
	struct file_event *e = writer_event_created(w, name, number, first_ns);

	if (e == NULL)
		return;
	e->locked = w->conf->lock_input_files;
	e->in_place = true;
	writer_event_send(w, e);
}

/* Under the lock. NULL with *waiting: no number is ready. NULL without: the input has no name, or no memory. */
static struct writer_input *
input_add(struct writer *w, const struct packet *p, uint32_t *number, bool *waiting)
{
	struct writer_input_info info = {.absolute = NULL};

	if (w->params.input == NULL || !w->params.input(w->params.input_context, p->input, &info) ||
	    info.absolute == NULL || !table_grow(&w->inputs, p->input))
		return NULL;
	if (*number == 0 && info.number == 0)
		*number = w->params.take_number(w->params.number_context);
	*waiting = *number == 0 && info.number == 0;
	if (*waiting)
		return NULL;
	w->inputs.input[p->input] = input_create(w->n_workers, info.number != 0 ? info.number : *number);
	if (w->inputs.input[p->input] == NULL || info.number != 0)
		return w->inputs.input[p->input];
	/* The time of the first packet stored, which is what the reference has there, not of the first record. */
	send_created(w, info.absolute, *number, p->time_ns);
	*number = 0;
	return w->inputs.input[p->input];
}

/* '*number' is a number the caller has in hand, or 0; a number taken in vain stays there. */
struct writer_input *
writer_input_get(struct writer *w, const struct packet *p, uint32_t *number, bool *waiting)
{
	struct writer_input *in = NULL;

	*waiting = false;
	rte_spinlock_lock(&w->inputs.lock);
	if (p->input < w->inputs.n)
		in = w->inputs.input[p->input];
	if (in == NULL)
		in = input_add(w, p, number, waiting);
	rte_spinlock_unlock(&w->inputs.lock);
	return in;
}

static struct file_event *
closing_event(const struct writer *w, const struct writer_input *in, uint32_t input)
{
	struct writer_input_info info = {.absolute = NULL};
	struct file_event *e;

	if (!w->params.input(w->params.input_context, input, &info) || info.absolute == NULL)
		return NULL;
	e = writer_event_created(w, info.absolute, in->number, info.first_ns);
	if (e == NULL)
		return NULL;
	e->closing = true;
	e->finish_ns = e->start_ns;
	e->in_place = true;
	e->locked = w->conf->lock_input_files;
	for (unsigned i = 0; i < w->n_workers; i++) {
		e->sessions_started += atomic_load_explicit(&in->worker[i].sessions_started, memory_order_relaxed);
		e->sessions_present += atomic_load_explicit(&in->worker[i].sessions_present, memory_order_relaxed);
	}
	return e;
}

void
writer_input_closed(struct writer *w, uint32_t input, uint64_t bytes_read, uint64_t packets_read, uint64_t last_ns)
{
	struct writer_input *in = NULL;
	struct file_event *e;

	if (w->method != WRITER_INPLACE)
		return;
	rte_spinlock_lock(&w->inputs.lock);
	if (input < w->inputs.n)
		in = w->inputs.input[input];
	rte_spinlock_unlock(&w->inputs.lock);
	if (in == NULL)
		return;
	e = closing_event(w, in, input);
	if (e == NULL)
		return;
	e->file_bytes = e->packets_bytes = bytes_read;
	e->packets = packets_read;
	e->last_ns = last_ns;
	writer_event_send(w, e);
}

void
writer_inputs_destroy(struct writer *w)
{
	for (uint32_t i = 0; i < w->inputs.n; i++)
		free(w->inputs.input[i]);
	free(w->inputs.input);
}
