/* What the files of the SMTP parser share. */
#ifndef SMTP_PRIV_H
#define SMTP_PRIV_H

#include "bodies.h"
#include "encoded_words.h"
#include "header_fields.h"
#include "parser.h"

enum {
	F_HOST,
	F_HOST_TOKENS,
	F_USERAGENT,
	F_SRC,
	F_DST,
	F_SUBJECT,
	F_ID,
	F_CONTENT_TYPE,
	F_MIME_VERSION,
	F_FILENAME,
	F_MD5,
	F_SHA256,
	F_FILE_CONTENT_TYPE,
	F_IP,
	F_HEADER,
	F_HEADER_FIELD,
	F_HEADER_VALUE,
	F_BODY_MAGIC,
	F_SMTP_HELLO,
	F_USER,
	N_FIELDS
};

enum {
	SMTP_LINE_MAX = 10000,	  /* of a line, and of a header with all its folded lines */
	SMTP_GREETING_MAX = 1024, /* kept until a first line says whether it is SMTP */
	SMTP_BDAT_MAX = 1 << 30,
	SMTP_BOUNDARIES_MAX = 128, /* of one message */
	SMTP_BOUNDARY_BYTES_MAX = 32 * 1024,
};

struct smtp_ip_header {
	char *name; /* lower case */
	size_t name_size;
};

/* Made at start, read-only. */
struct smtp_shared {
	struct body_settings bodies;
	bool header_all;
	struct smtp_ip_header *ip_header;
	unsigned n_ip_headers;
	struct header_fields *headers;
};

/* Of one worker. */
struct smtp_local {
	struct encoded_words words;
	uint8_t decoded[SMTP_LINE_MAX]; /* of one line in base64 */
};

/* A line that may come in pieces. */
struct smtp_line {
	char *bytes;
	uint32_t used, capacity;
	bool after_cr; /* a LF that comes next belongs to the line before */
};

enum smtp_line_result { SMTP_LINE_NONE, SMTP_LINE_WHOLE, SMTP_LINE_TOO_LONG, SMTP_LINE_NO_MEMORY };

enum smtp_phase {
	SMTP_COMMAND,
	SMTP_AUTH_LOGIN, /* the next line is the user */
	SMTP_AUTH_PLAIN, /* the next line is user and password */
	SMTP_STARTTLS,	 /* the next byte is TLS, or a command because the server refused */
	SMTP_MESSAGE,
};

enum smtp_message_phase { SMTP_HEADERS, SMTP_BODY, SMTP_PART_HEADERS };

struct smtp_boundaries {
	uint8_t *bytes; /* for each: its length (16 bit, LE) and text */
	uint32_t used, capacity;
	uint16_t n;
};

struct smtp_side {
	enum smtp_phase phase;
	enum smtp_message_phase message_phase;
	struct smtp_line command;
	/* The message has a line buffer of its own: between two BDAT chunks comes a command, in the middle of a line.
	 */
	struct smtp_line message;
	struct smtp_line header; /* waits until the next line shows whether it is folded */
	bool has_header, is_folding, is_damaged;
	bool wants_status; /* the next line of this side answers a message */
	bool is_bdat, is_bdat_last;
	uint32_t bdat_left;

	struct smtp_boundaries boundaries;
	bool is_base64, has_magic;
	uint8_t n_base64, base64[3]; /* digits that wait for their fourth */
	struct body body;
};

struct smtp {
	bool is_smtp, is_waiting, has_ntlm, is_done;
	struct shrike_buffer greeting[2]; /* while is_smtp is false */
	bool is_refused[2];
	struct smtp_side side[2];
};

/* smtp_line.c */
enum smtp_line_result smtp_line_next(struct shrike_ctx *, struct smtp_line *, struct cursor *in, struct cursor *line);
/* False: no memory, or more than SMTP_LINE_MAX. */
enum smtp_line_result smtp_line_append(struct shrike_ctx *, struct smtp_line *, const void *bytes, size_t size);
struct cursor smtp_line_text(const struct smtp_line *);
void smtp_line_free(struct shrike_ctx *, struct smtp_line *);

/* smtp_message.c. The next bytes of a message; false: its end was among them, and *in begins behind it. */
void smtp_message_begin(struct shrike_ctx *, struct smtp_side *);
bool smtp_message_bytes(struct shrike_ctx *, struct smtp *, struct smtp_side *, struct cursor *in);
/* Behind the last byte of the last BDAT chunk. */
void smtp_message_end(struct shrike_ctx *, struct smtp *, struct smtp_side *);
void smtp_fail(struct shrike_ctx *, struct smtp *, enum smtp_line_result);

/* smtp_headers.c */
void smtp_header(struct shrike_ctx *, struct smtp_side *, struct cursor header);
/* An address as commands have it: blanks before it and what is around <> left out. */
struct cursor smtp_address(struct cursor text);

/* smtp_parts.c */
void smtp_boundary_add(struct shrike_ctx *, struct smtp_side *, struct cursor content_type);
bool smtp_boundary_matches(const struct smtp_side *, const struct cursor *line);
void smtp_part_header(struct shrike_ctx *, struct smtp_side *, struct cursor header);
void smtp_part_line(struct shrike_ctx *, struct smtp_side *, const struct cursor *line);
void smtp_part_finish(struct shrike_ctx *, struct smtp_side *); /* whole: its digests */
void smtp_part_drop(struct shrike_ctx *, struct smtp_side *);
void smtp_parts_end(struct shrike_ctx *, struct smtp_side *); /* of the message */

#endif
