/* Parsers without sessions, TCP or DPDK: bytes go in through parsing.h, values are read back from a real record.
 *
 *   struct harness *h = harness_create();          all parsers, default settings
 *
 *   harness_ports(h, 40000, 69);
 *   harness_udp(h, 0, rrq, sizeof(rrq));
 *   EXPECT_FIELD(h, "tftp.file", "boot.img");      all its values in the order of entry, joined by ","
 *   EXPECT(harness_has(h, "protocol", "tftp"));    one of its values
 *   harness_every_truncation(h);
 *   harness_destroy(h);
 *
 * A harness is one session at a time. Each chunk is handed over in memory of its own that ends at an unmapped page and
 * is gone when the call returns: reading beyond the bytes, or keeping a pointer to them, is a SIGSEGV. As in the
 * program, nothing more is fed once nobody wants the session (harness_tcp() and the others are false then). When a
 * session ends, all memory of its parsers has to be back, or the test fails. */
#ifndef PARSERS_HARNESS_H
#define PARSERS_HARNESS_H

#include "parsing.h"
#include "test.h"

struct harness;

/* Arguments: "key=value" sets one setting; a text with a line end is a piece of a conf file ("[headers-http-request]\n"
 * "x-test = type:string\n"). Never NULL: what goes wrong ends the program. */
#define harness_create(...) harness_create_with(__VA_ARGS__ __VA_OPT__(, ) NULL)
struct harness *harness_create_with(const char *, ...); /* the macro ends the list */
void harness_destroy(struct harness *);			/* accepts NULL; ends the session */

/* Ends the session and begins another one: no values, no state, ports and addresses as they are. */
void harness_reset(struct harness *);

/* Of the session's source and destination; before its first chunk. Default: 40000, 40001, 10.0.0.1, 10.0.0.2. */
void harness_ports(struct harness *, uint16_t source, uint16_t destination);
void harness_addresses(struct harness *, const uint8_t source[16], const uint8_t destination[16]);
/* Of the session's first packet, ns; each chunk comes 1 ms after the one before. Default: 1000000 s. */
void harness_time(struct harness *, uint64_t first_ns);

/* The next bytes of a direction (0: from the source). False: nobody wants more of this session. */
bool harness_tcp(struct harness *, unsigned direction, const void *, size_t);
bool harness_udp(struct harness *, unsigned direction, const void *, size_t);
bool harness_sctp(struct harness *, unsigned direction, const void *, size_t);
void harness_sctp_protocol(struct harness *, uint32_t); /* payload protocol of SCTP messages from here on; first: 0 */
/* A packet of a session of this packet protocol: "dhcp", "icmp", "arp". */
bool harness_session(struct harness *, const char *protocol, unsigned direction, const void *, size_t);
#define HARNESS_TEXT(text) (text), (sizeof(text) - 1)
/* 'missing' bytes of this direction of a TCP session are lost. */
bool harness_gap(struct harness *, unsigned direction, uint32_t missing);
/* The record is about to be closed: parsers write what they held back. Values stay readable. */
void harness_save(struct harness *, bool is_final);

/* Values of a field in the order of entry, joined by ","; NULL: it has none. Valid until the next call. */
const char *harness_values(const struct harness *, const char *field);
bool harness_has(const struct harness *, const char *field, const char *text);
unsigned harness_count(const struct harness *, const char *field);
#define EXPECT_FIELD(h, field, text) EXPECT_STR(harness_values(h, field), text)
#define EXPECT_NO_FIELD(h, field)    EXPECT_EQ(harness_count(h, field), 0)
/* The session's document; valid until the next call. */
const char *harness_json(struct harness *);
bool harness_is_live(const struct harness *);	       /* somebody wants more */
uint64_t harness_memory_bytes(const struct harness *); /* of parsers, now */
uint64_t harness_counter(const struct harness *, const char *name);

/* What was fed since harness_create() or harness_reset(), again, once for every prefix of it: each chunk is cut at
 * every length, what came before it whole. Nothing may crash and all memory comes back. Afterwards the session is as it
 * was before the call. */
void harness_every_truncation(struct harness *);

/* The same bytes of each TCP direction in other segments: every chunk in two at every place, then all of them byte by
 * byte. The values have to be those of the whole. What classification looks at is its first payload alone, so the first
 * 'whole_bytes' bytes of either direction stay together. 'except': fields that depend on segments by definition
 * ("http.bodyMagic,http.requestBody"), or NULL. Ends like harness_every_truncation(). */
void harness_every_split(struct harness *, size_t whole_bytes, const char *except);

#endif
