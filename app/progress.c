/* The progress bar. One line, redrawn in place; log lines push it down (log hooks). */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "log.h"

enum { REDRAW_NS = 200000000, BAR_WIDTH = 24 };

static struct {
	bool on, drawn;
	uint64_t next_ns;
	char line[256];
} bar;

static void
clear_line(void)
{
	if (bar.drawn)
		fputs("\r\033[K", stderr);
}

static void
redraw_line(void)
{
	if (bar.drawn)
		fputs(bar.line, stderr);
}

void
progress_begin(struct sensor *s)
{
	bar.on = s->replay != NULL && s->options->quiet == 0 && isatty(STDERR_FILENO);
	bar.drawn = false;
	if (bar.on)
		log_set_hooks(clear_line, redraw_line);
}

static void
format_line(const struct replay_progress *p, double seconds)
{
	double part = p->bytes > 0 ? (double)p->bytes_done / (double)p->bytes : 0;
	double left = part > 0.001 ? seconds / part - seconds : 0;
	uint64_t bytes = counters_total("worker.received_bytes");
	unsigned filled = (unsigned)((part < 1 ? part : 1) * BAR_WIDTH);
	char cells[BAR_WIDTH + 1];
	char total[32] = "";

	memset(cells, '.', BAR_WIDTH);
	memset(cells, '#', filled);
	cells[BAR_WIDTH] = '\0';
	if (p->bytes > 0)
		snprintf(total, sizeof(total), "/%.1f", (double)p->bytes / 1e6);
	snprintf(bar.line, sizeof(bar.line),
		 "[%s] %.1f%s MB  %.2f Mpkt/s  %.1f Gbit/s  %lu sessions  %u/%u files  %.0f s left", cells,
		 (double)p->bytes_done / 1e6, total, (double)p->packets / seconds / 1e6,
		 (double)bytes * 8 / seconds / 1e9, (unsigned long)counters_total("session.opened"), p->files_done,
		 p->files, left);
}

void
progress_draw(struct sensor *s, uint64_t now_ns)
{
	struct replay_progress p;

	if (!bar.on || now_ns < bar.next_ns || now_ns == s->started_ns)
		return;
	bar.next_ns = now_ns + REDRAW_NS;
	replay_progress(s->replay, &p);
	format_line(&p, (double)(now_ns - s->started_ns) / 1e9);
	fputs("\r\033[K", stderr);
	fputs(bar.line, stderr);
	bar.drawn = true;
}

void
progress_end(struct sensor *s)
{
	(void)s;
	clear_line();
	bar.on = bar.drawn = false;
	log_set_hooks(NULL, NULL);
}
