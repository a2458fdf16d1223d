/* File events to the exporter.
 *
 * Order matters (created before closing), the ring may be full, and nobody here may wait. So what does not fit stays in
 * a list that the writer's poll empties; while there is one, later events queue up behind it. The lock is taken when a
 * file opens or closes, never for a packet. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "writer_priv.h"

struct event_node {
	struct event_node *next;
	struct file_event *event;
};

void
file_event_free(struct file_event *e)
{
	if (e == NULL)
		return;
	free(e->name);
	free(e);
}

/* NULL: no memory; logged, because a file without its document cannot be searched for. */
struct file_event *
writer_event_created(const struct writer *w, const char *name, uint32_t number, uint64_t first_ns)
{
	struct file_event *e = calloc(1, sizeof(*e));
	char *copy = strdup(name);

	if (e == NULL || copy == NULL) {
		LOG_ERROR("writer.event", "number=%u error=\"not enough memory for the files document\"", number);
		free(e);
		free(copy);
		return NULL;
	}
	*e = (struct file_event){
		.number = number,
		.name = copy,
		.first_ns = first_ns,
		.start_ns = clock_wall_ns(),
		.gap_positions = w->conf->gap_positions,
	};
	return e;
}

static bool
list_push(struct writer_events *events, struct file_event *e)
{
	struct event_node *node = malloc(sizeof(*node));

	if (node == NULL)
		return false;
	*node = (struct event_node){.event = e};
	if (events->head == NULL)
		events->tail = &events->head;
	*events->tail = node;
	events->tail = &node->next;
	atomic_fetch_add(&events->n, 1);
	return true;
}

static unsigned
list_flush(struct writer_events *events)
{
	unsigned sent = 0;

	while (events->head != NULL) {
		struct event_node *node = events->head;

		if (rte_ring_enqueue(events->ring, node->event) != 0)
			break;
		events->head = node->next;
		free(node);
		atomic_fetch_sub(&events->n, 1);
		sent++;
	}
	return sent;
}

void
writer_event_send(struct writer *w, struct file_event *e)
{
	struct writer_events *events = &w->events;
	bool sent;

	if (e == NULL || events->ring == NULL) {
		file_event_free(e);
		return;
	}
	rte_spinlock_lock(&events->lock);
	list_flush(events);
	sent = events->head == NULL && rte_ring_enqueue(events->ring, e) == 0;
	if (!sent)
		sent = list_push(events, e);
	rte_spinlock_unlock(&events->lock);
	if (!sent) {
		LOG_ERROR("writer.event", "number=%u error=\"not enough memory for the files document\"", e->number);
		file_event_free(e);
	}
}

unsigned
writer_events_flush(struct writer *w)
{
	unsigned sent;

	if (likely(atomic_load_explicit(&w->events.n, memory_order_relaxed) == 0))
		return 0;
	rte_spinlock_lock(&w->events.lock);
	sent = list_flush(&w->events);
	rte_spinlock_unlock(&w->events.lock);
	return sent;
}

void
writer_events_destroy(struct writer *w)
{
	while (w->events.head != NULL) {
		struct event_node *node = w->events.head;

		LOG_WARN("writer.event", "number=%u error=\"nobody took the event: the files document is not written\"",
			 node->event->number);
		w->events.head = node->next;
		file_event_free(node->event);
		free(node);
	}
}
