/* Names of the functions that parsers offer each other through shrike_call(), and what they take.
 *
 *   name                 owner      in                                        argument        returns
 *   "ntlm"               ntlm       an NTLMSSP message                        -               1: it was one
 *   "ntlm.base64"        ntlm       the same in base64                        -               1: it was one
 *   "certs.list"         certs      TLS Certificate body: 3 bytes of length,  -               number of certificates
 *                                   then 3 bytes of length + DER each
 *   "certs.one"          certs      one DER certificate                       -               1: taken
 *   "tls.client_hello"   tls        ClientHello body, without the 4 byte      -               1: well formed
 *                                   handshake header ('t' or 'q' of JA4 by shrike_ip_protocol())
 *   "tls.server_hello"   tls        ServerHello body, the same                -               1: well formed
 *   "dtls.server_hello"  dtls       ServerHello body of DTLS; nobody listens
 *                                   but plugins
 *   "mtp3.user"          tcap       user data of an SS7 message                struct shrike_mtp3_user     0
 *   "tcap.message"       camel      a TCAP message                            struct shrike_tcap_message  0
 *   "http.target"        http       request target or :path, as sent: gives   -               0
 *                                   http.path, keys and values of the query,
 *                                   protocols known by their path
 *   "http.field"         http       value of one header field, whole: gives   struct shrike_http_field  0
 *                                   the name, what the name is known for
 *                                   (host, user-agent, x-forwarded-for, the
 *                                   conf's), name and value lists, cookies;
 *                                   nothing of authorization
 *   "http.header"        http       value of a header                         struct shrike_http_header
 *   "http.message"       http       empty                                     struct shrike_http_message
 *   "http.body"          http       the next body bytes                       struct shrike_http_message
 *
 * The last three have no owner to call: they are events for plugins. */
#ifndef HOOKS_H
#define HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum shrike_http_event { SHRIKE_HTTP_BEGIN, SHRIKE_HTTP_HEADERS_COMPLETE, SHRIKE_HTTP_COMPLETE, SHRIKE_HTTP_BODY };

struct shrike_http_message {
	enum shrike_http_event event;
	bool is_request;
	const char *method, *url; /* requests, after the headers; not NUL-terminated */
	size_t method_bytes, url_bytes;
	unsigned status; /* responses */
};

struct shrike_http_field {
	bool is_request;
	const char *lower_name; /* of name_bytes */
	size_t name_bytes;
};

struct shrike_http_header {
	bool is_request;
	const char *name, *lower_name; /* of name_bytes */
	size_t name_bytes;
};

struct shrike_mtp3_user {
	uint8_t service; /* service indicator (ITU-T Q.704, 14.2.1): whose data this is */
	bool wants_more; /* set by the one whose it is */
};

struct shrike_tcap_message {
	const uint8_t *context; /* application context of the dialogue, an OID in BER; of context_bytes */
	size_t context_bytes;
	bool is_bad; /* set by the one whose context it is */
};

#endif
