/* HTTP to a store that has several hosts: one request at a time, or several in flight.
 *
 * Hosts take turns. One that cannot be reached is left alone for a while (a quarter of a second, doubling, half a
 * minute at most, five seconds when it is the only one) and then tried with a single request. Connections are kept.
 * What a status means is for the caller: here a host is fine when it answers at all.
 *
 * Threads: one owner; http_interrupt() on any. Ownership: a call and its body stay the caller's and must live until it
 * is done; an answer is valid during done(), or until the next call when it came from http_perform(). */
#ifndef ELASTIC_HTTP_H
#define ELASTIC_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_compression { HTTP_PLAIN, HTTP_GZIP, HTTP_ZSTD };

struct http_conf {
	const char *urls;  /* separated by commas, semicolons or blanks; http:// is the default scheme */
	const char *basic; /* "user:password", or that in base64; "" none */
	const char *api_key, *ca_file, *client_certificate, *client_key, *client_key_password;
	bool insecure;
	uint32_t connect_timeout_s, request_timeout_s, max_connections;
	enum http_compression compression; /* of bodies */
};

enum { HTTP_HOSTS_MAX = 64, HTTP_URL_MAX = 1000, HTTP_CONNECTIONS_MAX = 500, HTTP_ANSWER_MAX = 64 << 20 };

struct http_answer {
	int error;	  /* 0, or -errno: no whole answer came */
	int status;	  /* 200; means nothing when there is an error */
	const char *text; /* NUL-terminated */
	size_t bytes;
};

struct http_call {
	const char *method, *path; /* "/_bulk" */
	const char *body;	   /* NULL: none */
	size_t body_bytes;
	bool is_lines;						      /* application/x-ndjson */
	uint32_t timeout_s;					      /* 0: that of the conf */
	void (*done)(struct http_call *, const struct http_answer *); /* http_start() only */
	void *context;
};

struct http;

struct http *http_create(const struct http_conf *, char *why, size_t why_size); /* NULL and 'why' */
void http_destroy(struct http *);						/* accepts NULL */

/* 0; -EHOSTDOWN: no host is to be tried now; -EAGAIN: all connections are in use; -ENOMEM. */
int http_start(struct http *, struct http_call *);
/* Waits until something happened, at most 'wait_ms', and calls done() of what ended. */
void http_wait(struct http *, unsigned wait_ms);
unsigned http_in_flight(const struct http *);
/* Every host has failed since it last answered: when the last one of them began to. 0: some host has not. */
uint64_t http_down_since_ns(const struct http *);
void http_cancel(struct http *); /* all that is in flight ends with -ECANCELED */

/* One request, waited for; nothing else may be in flight. Returns answer->error. */
int http_perform(struct http *, const struct http_call *, struct http_answer *);

/* Calls in flight end with -ECANCELED, and so do later ones. */
void http_interrupt(struct http *);
bool http_interrupted(const struct http *);

/* The last error in words, with the host it came from; "" when there was none. */
const char *http_error(const struct http *);
const char *http_hosts(const struct http *); /* for people: without passwords */

/* Text as a part of a path. False: it does not fit. */
bool http_escape(char *out, size_t size, const char *text);

#endif
