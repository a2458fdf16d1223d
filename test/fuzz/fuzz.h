/* What the fuzz targets of parsers and of sessions share: settings with everything on, parsers, records into documents.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "document.h"
#include "log.h"
#include "parsing.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static inline void
fuzz_require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

/* Whatever is off by default is on. libmagic is not ours, and slow. */
static inline struct conf *
fuzz_conf(void)
{
	static const char *const override[] = {
		"parsersDir=/nonexistent",
		"magicMode=basic",
		"parseQSValue=true",
		"parseCookieValue=true",
		"parseHTTPHeaderRequestAll=true",
		"parseHTTPHeaderResponseAll=true",
		"parseSMTPHeaderAll=true",
		"parseDNSRecordAll=true",
		"dnsOutputAnswers=true",
		"supportSha256=true",
		"ja4Raw=true",
		"maxReqBody=256",
		"reqBodyOnlyUtf8=false",
		"saveUnknownPackets=all",
		"sessionIdTracking=vni",
		"trackESP=true",
	};
	static const char sections[] = "[headers-http-request]\nx-fuzz = type:string;count:true\n"
				       "[headers-http-response]\nx-fuzz-ip = type:ip;count:true\n"
				       "[headers-email]\nx-fuzz-number = type:integer;count:true\n";
	char path[] = "/tmp/shrike-fuzz.XXXXXX";
	struct conf_params params = {.path = path,
				     .node = "fuzz",
				     .overrides = override,
				     .n_overrides = sizeof(override) / sizeof(override[0])};
	int fd = mkstemp(path);
	struct conf *conf;

	fuzz_require(fd >= 0 && write(fd, sections, sizeof(sections) - 1) == sizeof(sections) - 1, "a file in /tmp");
	close(fd);
	conf = conf_load(&params, stderr);
	unlink(path);
	fuzz_require(conf != NULL, "the settings are read");
	return conf;
}

static inline struct formatter *
fuzz_formatter(void)
{
	struct document_conf document = {.node = "fuzz", .rotate_index = DOCUMENT_DAILY};
	struct formatter *f = formatter_create(&document);

	fuzz_require(f != NULL, "a formatter");
	return f;
}

/* The document is JSON, in UTF-8, and names nothing twice. Reading it costs more than making it: one in four is, which
 * depends on the input alone. */
enum { JSON_CHECKED = 4 };

static inline void
fuzz_check_record(struct formatter *f, const struct record *r)
{
	struct document d;
	json_error_t error;
	json_t *json;

	fuzz_require(formatter_write(f, r, &d), "a record becomes a document");
	if (d.json_bytes % JSON_CHECKED != 0)
		return;
	json = json_loadb(d.json, d.json_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (json == NULL)
		fprintf(stderr, "fuzz: %s at %d: %.*s\n", error.text, error.position, (int)d.json_bytes, d.json);
	fuzz_require(json != NULL, "a document is JSON");
	json_decref(json);
}

#endif
