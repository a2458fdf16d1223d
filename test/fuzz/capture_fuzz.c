/* Fuzzes the reading of capture files, through a file in memory: pcap, pcapng, gzip and zstd by what the bytes say. It
 * must end, and every packet must be readable to its last byte. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
read_all(struct capture_file *file, size_t size)
{
	struct capture_packet p;
	enum capture_status status;
	volatile uint8_t sum = 0;
	size_t limit = 16 * size + 1000000;

	while ((status = capture_next(file, &p)) != CAPTURE_END) {
		if (status == CAPTURE_PACKET)
			for (uint32_t i = 0; i < p.captured_bytes; i++)
				sum += p.data[i];
		if (status == CAPTURE_WAIT || limit-- == 0) {
			fprintf(stderr, "capture: a plain file does not end\n");
			abort();
		}
	}
	(void)sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static int fd = -1;
	struct capture_file *file;
	char path[64], why[256];

	if (fd < 0)
		fd = memfd_create("capture", 0);
	if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	file = capture_open(path, why, sizeof(why));
	if (file == NULL)
		return 0;
	read_all(file, size);
	capture_close(file);
	return 0;
}
