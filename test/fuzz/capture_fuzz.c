/* Fuzzes the capture reader: pcap, pcapng, gzip and zstd, whatever the bytes begin with.
 *
 *   build-fuzz/test/capture_fuzz -max_len=65536 -max_total_time=120 CORPUS test/pcap
 *
 * Beside what the sanitizers see: a packet is never longer than a record may be, all of its bytes can be read, damage
 * is told once and the end is the end. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void
check_packet(const struct capture_packet *p)
{
	uint8_t sum = 0;

	if (p->captured_bytes > CAPTURE_RECORD_MAX || p->wire_bytes < p->captured_bytes || p->time_ns > INT64_MAX)
		abort();
	for (uint32_t i = 0; i < p->captured_bytes; i++)
		sum = (uint8_t)(sum + p->data[i]);
	sink = sum;
}

static void
read_all(struct capture_file *f)
{
	struct capture_packet p;
	enum capture_status status;
	uint64_t offset;

	while ((status = capture_next(f, &p)) == CAPTURE_PACKET)
		check_packet(&p);
	if (status == CAPTURE_WAIT || (status == CAPTURE_DAMAGED) != (capture_damage(f, &offset) != NULL))
		abort();
	if (capture_next(f, &p) != CAPTURE_END || capture_next(f, &p) != CAPTURE_END)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], why[256];
	struct capture_file *f;
	int file = memfd_create("fuzz", 0);

	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	f = capture_open(path, why, sizeof(why));
	if (f != NULL)
		read_all(f);
	capture_close(f);
	close(file);
	return 0;
}
