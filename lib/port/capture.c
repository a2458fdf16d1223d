/* Capture files: opening, and what all formats share.
 *
 * A regular file's header is read when it is opened, so that what is no capture is refused with a reason before
 * anything starts. A pipe may have nothing to say yet: there the header is read by the first calls of capture_next(),
 * and what is wrong with it is damage. */
#include "capture_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packet.h"

bool
capture_link_type_known(uint16_t link_type)
{
	switch ((enum link_type)link_type) {
	case LINK_NULL:
	case LINK_ETHERNET:
	case LINK_PPP:
	case LINK_RAW_12:
	case LINK_PPP_HDLC:
	case LINK_RAW:
	case LINK_CISCO_HDLC:
	case LINK_FRAME_RELAY:
	case LINK_LOOP:
	case LINK_LINUX_SLL:
	case LINK_IEEE802_11_RADIO:
	case LINK_IPV4:
	case LINK_IPV6:
	case LINK_NFLOG:
	case LINK_ETHERNET_MPACKET:
	case LINK_LINUX_SLL2:
		return true;
	}
	return false;
}

enum capture_status
capture_after_end(struct capture_file *f, struct capture_packet *packet)
{
	(void)f;
	(void)packet;
	return CAPTURE_END;
}

enum capture_status
capture_fail(struct capture_file *f, uint64_t offset, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(f->damage, sizeof(f->damage), format, arguments);
	va_end(arguments);
	f->damaged = true;
	f->damage_offset = offset;
	f->next = capture_after_end;
	return CAPTURE_DAMAGED;
}

enum capture_status
capture_short(struct capture_file *f, enum input_status status, const char *within)
{
	struct input *in = &f->input;

	if (status == INPUT_WAIT)
		return CAPTURE_WAIT;
	if (status == INPUT_FAILED)
		return capture_fail(f, input_offset(in), "%s", in->why);
	if (in->to_skip > 0)
		return capture_fail(f, f->record_offset, "the file ends within %s", within);
	if (cursor_left(&in->window) > 0)
		return capture_fail(f, input_offset(in), "the file ends within %s", within);
	f->next = capture_after_end;
	return CAPTURE_END;
}

/* INPUT_FAILED: errno and in->why say why. */
static enum input_status
open_header(struct capture_file *f)
{
	struct input *in = &f->input;
	enum input_status status = input_need(in, 4);
	const uint8_t *magic = in->window.p;

	if (status == INPUT_END) {
		input_fail(in, cursor_left(&in->window) == 0 ? "the file is empty" : "not a capture file: too short");
		errno = cursor_left(&in->window) == 0 ? EBADMSG : EINVAL;
		return INPUT_FAILED;
	}
	if (status != INPUT_OK) {
		errno = EBADMSG;
		return status;
	}
	if (pcap_magic(magic))
		status = pcap_open(f);
	else if (pcapng_magic(magic))
		status = pcapng_open(f);
	else {
		input_fail(in,
			   "not a capture file: it begins with %02x %02x %02x %02x, which is neither pcap nor pcapng",
			   magic[0], magic[1], magic[2], magic[3]);
		errno = EINVAL;
		return INPUT_FAILED;
	}
	if (status == INPUT_END) {
		input_fail(in, "the file ends within its header");
		status = INPUT_FAILED;
		errno = EBADMSG;
	}
	return status;
}

/* Until a pipe's header has come. */
static enum capture_status
next_header(struct capture_file *f, struct capture_packet *packet)
{
	enum input_status status = open_header(f);

	if (status == INPUT_OK)
		return f->next(f, packet);
	return status == INPUT_WAIT ? CAPTURE_WAIT : capture_fail(f, 0, "%s", f->input.why);
}

/* -1 with errno. A FIFO is opened without waiting for its writer. */
static int
open_file(const char *path)
{
	if (strcmp(path, "-") == 0)
		return STDIN_FILENO;
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int
open_input(struct capture_file *f, const char *path, const struct capture_buffers *buffers)
{
	int file, rc;

	f->path = strdup(path);
	if (f->path == NULL)
		return -ENOMEM;
	file = open_file(path);
	if (file < 0)
		return -errno;
	rc = input_init(&f->input, file, buffers);
	if (rc != 0)
		return rc;
	f->info.path = f->path;
	f->info.size_bytes = f->input.size_at_open;
	f->next = next_header;
	if (f->input.regular) {
		f->absolute = realpath(path, NULL);
		f->info.absolute = f->absolute;
	}
	return 0;
}

struct capture_file *
capture_open_into(const char *path, const struct capture_buffers *buffers, char *why, size_t why_size)
{
	struct capture_file *f = calloc(1, sizeof(*f));
	int rc;

	if (f == NULL)
		return NULL;
	f->input.file = STDIN_FILENO; /* nothing to close yet */
	rc = open_input(f, path, buffers);
	if (rc != 0) {
		snprintf(why, why_size, "%s", strerror(-rc));
	} else if (f->input.regular && open_header(f) != INPUT_OK) {
		rc = -errno;
		snprintf(why, why_size, "%s", f->input.why);
	}
	if (rc == 0)
		return f;
	capture_close(f);
	errno = -rc;
	return NULL;
}

struct capture_file *
capture_open(const char *path, char *why, size_t why_size)
{
	return capture_open_into(path, NULL, why, why_size);
}

void
capture_close(struct capture_file *f)
{
	if (f == NULL)
		return;
	input_fini(&f->input);
	free(f->interface);
	free(f->path);
	free(f->absolute);
	free(f);
}

enum capture_status
capture_next(struct capture_file *f, struct capture_packet *packet)
{
	return f->next(f, packet);
}

const struct capture_info *
capture_info(const struct capture_file *f)
{
	return &f->info;
}

uint64_t
capture_consumed_bytes(const struct capture_file *f)
{
	return input_consumed_bytes(&f->input);
}

const char *
capture_damage(const struct capture_file *f, uint64_t *offset)
{
	if (!f->damaged)
		return NULL;
	if (offset != NULL)
		*offset = f->damage_offset;
	return f->damage;
}

uint64_t
capture_skipped_records(const struct capture_file *f)
{
	return f->skipped;
}
