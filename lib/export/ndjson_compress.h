/* Rotated NDJSON files become FILE.YYYYMMDD-HHMMSS.zst.
 *
 * Threads: the sink's. */
#ifndef NDJSON_COMPRESS_H
#define NDJSON_COMPRESS_H

#include <stdbool.h>

struct ndjson_compress;

/* For the rotated files of 'path'. NULL with errno. */
struct ndjson_compress *ndjson_compress_create(const char *path);
void ndjson_compress_destroy(struct ndjson_compress *); /* accepts NULL; a file half done is begun again next time */

/* A file was rotated: look for it. */
void ndjson_compress_look(struct ndjson_compress *);

/* One piece of work. 1: there is more, 0: none, -errno. */
int ndjson_compress_step(struct ndjson_compress *);

#endif
