/* Fuzzes the reader of settings: any file either loads or is refused with a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static int fd = -1;
	char path[64], *said = NULL;
	size_t said_bytes = 0;
	struct conf_params params = {.path = path, .node = "fuzz"};
	FILE *errors = open_memstream(&said, &said_bytes);
	struct conf *conf;

	if (fd < 0)
		fd = memfd_create("conf", 0);
	if (errors == NULL || fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	conf = conf_load(&params, errors);
	fclose(errors);
	if (conf == NULL && said_bytes == 0) {
		fprintf(stderr, "conf: refused without a reason\n");
		abort();
	}
	conf_destroy(conf);
	free(said);
	return 0;
}
