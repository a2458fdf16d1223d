/* What is written to standard error between two calls, one string. */
#ifndef CAPTURE_STDERR_H
#define CAPTURE_STDERR_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture_stderr {
	int saved, memory;
	char text[65536];
};

static inline void
capture_stderr_begin(struct capture_stderr *capture)
{
	fflush(stderr);
	capture->saved = dup(STDERR_FILENO);
	capture->memory = memfd_create("stderr", MFD_CLOEXEC);
	if (capture->saved < 0 || capture->memory < 0 || dup2(capture->memory, STDERR_FILENO) < 0)
		abort();
}

static inline const char *
capture_stderr_end(struct capture_stderr *capture)
{
	ssize_t n;

	fflush(stderr);
	n = pread(capture->memory, capture->text, sizeof(capture->text) - 1, 0);
	capture->text[n > 0 ? n : 0] = '\0';
	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	close(capture->memory);
	return capture->text;
}

#endif
