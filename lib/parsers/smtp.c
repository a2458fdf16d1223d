/* SMTP (RFC 5321) with its messages: CHUNKING (RFC 3030), AUTH (RFC 4954), STARTTLS (RFC 3207).
 *
 * Recorded: the HELLO name, envelope and header addresses, user names, headers, attachments (smtp_headers.c,
 * smtp_parts.c), and the status of each message as a tag. Both directions are read by the same machine, because a
 * capture may begin anywhere and the client cannot be told from the server by its port: what the server says looks like
 * no command.
 *
 * The end of DATA is "." alone; whether the server agreed to take a message is not waited for, so what follows a
 * refused DATA is read as headers. A line has at most SMTP_LINE_MAX bytes; a longer one ends the parser. All work is
 * linear in the bytes, and what a session keeps is bounded: two lines and a header a side, and the boundaries. */

#include <errno.h>
#include <stdlib.h>

#include "smtp_priv.h"
#include "text.h"

struct smtp_conf {
	bool header_all;
	struct conf_list ip_headers;
};

static const struct setting smtp_settings[] = {
	SETTING_BOOL(struct smtp_conf, header_all, "parseSMTPHeaderAll", "false",
		     "mail headers without a field of their own go to email.headerField and email.headerValue"),
	SETTING_LIST(struct smtp_conf, ip_headers, "smtpIpHeaders", "",
		     "mail headers with an address, which goes to email.ip, as X-Originating-IP"),
};
SETTINGS(smtp, "Mail", smtp_settings);

#define MAIL_RIGHT "requiredRight=emailSearch"
static const struct field smtp_fields[N_FIELDS] = {
	[F_HOST] = {"email.host", "host.email", "email", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "Email Hostname",
		    "Hosts that Received headers name", "aliases=[\"email.host\"]; " MAIL_RIGHT "; category=host"},
	[F_HOST_TOKENS] = {"email.hostTokens", "host.email.tokens", "email", "lotextfield", FIELD_STR_SET, FIELD_FAKE,
			   "Hostname Tokens", "Searches parts of the hosts of Received headers",
			   "aliases=[\"email.host.tokens\"]; " MAIL_RIGHT},
	[F_USERAGENT] = {"email.useragent", "email.x-mailer", "email", "termfield", FIELD_STR_SET, FIELD_COUNT,
			 "X-Mailer Header", "Mail programs, from X-Mailer and User-Agent", MAIL_RIGHT},
	[F_SRC] = {"email.src", "email.src", "email", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "Sender",
		   "Senders, of envelope and header", MAIL_RIGHT "; category=user"},
	[F_DST] = {"email.dst", "email.dst", "email", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "Receiver",
		   "Receivers, of envelope and header", MAIL_RIGHT "; category=user"},
	[F_SUBJECT] = {"email.subject", "email.subject", "email", "termfield", FIELD_STR_SET,
		       FIELD_COUNT | FIELD_FORCE_UTF8, "Subject", "Subjects, decoded", MAIL_RIGHT},
	[F_ID] = {"email.id", "email.message-id", "email", "termfield", FIELD_STR_SET, FIELD_COUNT, "Id",
		  "Message-ID headers", MAIL_RIGHT},
	[F_CONTENT_TYPE] = {"email.contentType", "email.content-type", "email", "termfield", FIELD_STR_SET, FIELD_COUNT,
			    "Content-Type", "Content-Type headers of messages", NULL},
	[F_MIME_VERSION] = {"email.mimeVersion", "email.mime-version", "email", "termfield", FIELD_STR_SET, FIELD_COUNT,
			    "Mime-Version", "Mime-Version headers", NULL},
	[F_FILENAME] = {"email.filename", "email.fn", "email", "termfield", FIELD_STR_SET,
			FIELD_COUNT | FIELD_FORCE_UTF8, "Filenames", "Names of attached files, decoded", MAIL_RIGHT},
	[F_MD5] = {"email.md5", "email.md5", "email", "termfield", FIELD_STR_SET, FIELD_COUNT, "Attach MD5s",
		   "MD5 of attachments in base64", MAIL_RIGHT "; category=md5"},
	[F_SHA256] = {"email.sha256", "email.sha256", "email", "termfield", FIELD_STR_SET, FIELD_COUNT,
		      "Attach SHA256s", "SHA-256 of attachments in base64, with supportSha256",
		      MAIL_RIGHT "; category=sha256; disabled=true"},
	[F_FILE_CONTENT_TYPE] = {"email.fileContentType", "email.file-content-type", "email", "termfield",
				 FIELD_STR_SET, FIELD_COUNT, "Attach Content-Type", "Content-Type of attachments",
				 MAIL_RIGHT},
	[F_IP] = {"email.ip", "ip.email", "email", "ip", FIELD_IP_SET, FIELD_COUNT | FIELD_IP_PREFIX, "IP",
		  "Addresses in Received and smtpIpHeaders headers", MAIL_RIGHT "; category=ip"},
	[F_HEADER] = {"email.header", "email.has-header", "email", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "Header",
		      "Names of headers", MAIL_RIGHT},
	[F_HEADER_FIELD] = {"email.headerField", "email.has-header.name", "email", "termfield", FIELD_STR_LIST,
			    FIELD_NO_DB, "Header Field", "Names of the headers whose values are recorded", NULL},
	[F_HEADER_VALUE] = {"email.headerValue", "email.has-header.value", "email", "termfield", FIELD_STR_LIST,
			    FIELD_COUNT, "Header Value", "Values of headers, with parseSMTPHeaderAll", MAIL_RIGHT},
	[F_BODY_MAGIC] = {"email.bodyMagic", "email.bodymagic", "email", "termfield", FIELD_STR_SET, FIELD_COUNT,
			  "Body Magic", "Media types of attachments by their first bytes", NULL},
	[F_SMTP_HELLO] = {"email.smtpHello", "email.smtp-hello", "email", "lotermfield", FIELD_STR_SET, FIELD_COUNT,
			  "SMTP Hello", "Names in HELO and EHLO", NULL},
	[F_USER] = {.name = "user"},
};

enum { CALL_NTLM };
static const char *const smtp_calls[] = {[CALL_NTLM] = "ntlm.base64", NULL};

static const char *const headers_with_fields[] = {
	"from",	    "to",	  "cc",		  "message-id", "content-type", "subject",
	"x-mailer", "user-agent", "mime-version", "received",	NULL,
};
static const struct header_fields_section email_section = {
	.section = "headers-email",
	.group = "email",
	.field_prefix = "email.header-",
	.expression_prefix = "email.",
	.taken = headers_with_fields,
};

static void
smtp_destroy(void *shared)
{
	struct smtp_shared *s = shared;

	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n_ip_headers; i++)
		free(s->ip_header[i].name);
	free(s->ip_header);
	header_fields_destroy(s->headers);
	free(s);
}

/* Names as the conf of the reference has them, with a ':' at the end or without. */
static bool
ip_headers_create(struct smtp_shared *s, const struct conf_list *names)
{
	s->ip_header = calloc(names->n > 0 ? names->n : 1, sizeof(*s->ip_header));
	if (s->ip_header == NULL)
		return false;
	for (unsigned i = 0; i < names->n; i++) {
		struct smtp_ip_header *header = &s->ip_header[s->n_ip_headers];

		header->name_size = strcspn(names->item[i], ":");
		header->name = strndup(names->item[i], header->name_size);
		if (header->name == NULL)
			return false;
		text_lower(header->name, header->name, header->name_size);
		s->n_ip_headers++;
	}
	return true;
}

static void *
smtp_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct smtp_shared *s = calloc(1, sizeof(*s));
	struct smtp_conf settings;

	if (s == NULL)
		return NULL;
	conf_fill(conf, &smtp_settings_group, &settings);
	conf_fill(conf, &bodies_settings_group, &s->bodies);
	s->header_all = settings.header_all;
	s->headers = header_fields_create(conf, setup, &email_section);
	if (s->headers == NULL || !ip_headers_create(s, &settings.ip_headers)) {
		smtp_destroy(s);
		errno = ENOMEM;
		return NULL;
	}
	return s;
}

static void *
smtp_create_local(const void *shared)
{
	struct smtp_local *local = calloc(1, sizeof(*local));

	(void)shared;
	if (local == NULL)
		return NULL;
	local->words.charsets = charsets_create();
	if (local->words.charsets == NULL) {
		free(local);
		return NULL;
	}
	return local;
}

static void
smtp_destroy_local(void *memory)
{
	struct smtp_local *local = memory;

	if (local == NULL)
		return;
	charsets_destroy(local->words.charsets);
	free(local);
}

static void
emit_address(struct shrike_ctx *ctx, unsigned field, struct cursor text)
{
	struct cursor address = smtp_address(text);

	shrike_emit_lower(ctx, field, address.p, cursor_left(&address));
}

static size_t
decode_base64(struct smtp_local *local, const struct cursor *text)
{
	return text_base64_decode(local->decoded, sizeof(local->decoded), text->p, cursor_left(text));
}

/* "*" takes an AUTH back (RFC 4954 4). */
static bool
is_cancelled(const struct cursor *text)
{
	return cursor_left(text) == 1 && cursor_peek(text, 0) == '*';
}

static void
auth_login(struct shrike_ctx *ctx, struct cursor text)
{
	struct smtp_local *local = shrike_local(ctx);

	if (!is_cancelled(&text))
		shrike_emit_lower(ctx, F_USER, local->decoded, decode_base64(local, &text));
}

/* [authorization] NUL user NUL password (RFC 4616 2) */
static void
auth_plain(struct shrike_ctx *ctx, struct cursor text)
{
	struct smtp_local *local = shrike_local(ctx);
	struct cursor decoded = cursor_make(local->decoded, decode_base64(local, &text)), user;

	(void)cursor_until(&decoded, '\0');
	user = cursor_until(&decoded, '\0');
	if (!cursor_bad(&decoded))
		shrike_emit_lower(ctx, F_USER, user.p, cursor_left(&user));
}

typedef void command_function(struct shrike_ctx *, struct smtp *, unsigned d, struct cursor argument);

static void
command_mail(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	/* A new mail: the rest of one in BDAT chunks will not come any more. */
	s->side[d].is_bdat = false;
	emit_address(ctx, F_SRC, argument);
}

static void
command_rcpt(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	(void)s;
	(void)d;
	emit_address(ctx, F_DST, argument);
}

static void
command_data(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	struct smtp_side *side = &s->side[d];

	argument = text_trim(argument);
	if (cursor_left(&argument) > 0)
		return;
	smtp_message_begin(ctx, side);
	side->is_bdat = false;
	side->phase = SMTP_MESSAGE;
}

static void
bdat_end(struct shrike_ctx *ctx, struct smtp *s, struct smtp_side *side)
{
	if (side->is_bdat_last)
		smtp_message_end(ctx, s, side);
	side->phase = SMTP_COMMAND;
}

static void
command_bdat(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	struct smtp_side *side = &s->side[d];
	unsigned digits;
	uint64_t size;

	argument = text_trim(argument);
	size = text_decimal(&argument, &digits);
	if (cursor_peek(&argument, 0) == '-' || size > SMTP_BDAT_MAX) {
		shrike_add_tag(ctx, "smtp:bad-bdat");
		s->is_done = true;
		return;
	}
	if (digits == 0)
		return;
	if (!side->is_bdat || side->is_bdat_last)
		smtp_message_begin(ctx, side);
	side->is_bdat = true;
	side->is_bdat_last = text_find_nocase(argument.p, cursor_left(&argument), "LAST") >= 0;
	side->bdat_left = (uint32_t)size;
	side->phase = SMTP_MESSAGE;
	if (size == 0)
		bdat_end(ctx, s, side);
}

static void
command_auth_login(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	shrike_add_tag(ctx, "smtp:authlogin");
	argument = text_trim(argument);
	if (cursor_left(&argument) > 0)
		auth_login(ctx, argument);
	else
		s->side[d].phase = SMTP_AUTH_LOGIN;
}

static void
command_auth_plain(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	shrike_add_tag(ctx, "smtp:authplain");
	argument = text_trim(argument);
	if (cursor_left(&argument) > 0)
		auth_plain(ctx, argument);
	else
		s->side[d].phase = SMTP_AUTH_PLAIN;
}

static void
command_auth_ntlm(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	(void)d;
	shrike_add_tag(ctx, "smtp:authntlm");
	s->has_ntlm = true;
	(void)shrike_call(ctx, CALL_NTLM, text_trim(argument), NULL);
}

static void
command_starttls(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	(void)argument;
	shrike_add_tag(ctx, "smtp:starttls");
	s->side[d].phase = SMTP_STARTTLS;
}

static void
command_hello(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor argument)
{
	(void)s;
	(void)d;
	shrike_emit_lower(ctx, F_SMTP_HELLO, argument.p, cursor_left(&argument));
	/* A greeting without the word SMTP was taken for one of FTP. */
	shrike_remove_protocol(ctx, "ftp");
}

static const struct {
	const char *prefix;
	command_function *run;
} commands[] = {
	{"MAIL FROM:", command_mail},
	{"RCPT TO:", command_rcpt},
	{"DATA", command_data},
	{"BDAT ", command_bdat},
	{"EHLO ", command_hello},
	{"HELO ", command_hello},
	{"AUTH LOGIN", command_auth_login},
	{"AUTH PLAIN", command_auth_plain},
	{"AUTH NTLM", command_auth_ntlm},
	{"STARTTLS", command_starttls},
};

static void
command_line(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor line)
{
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (text_starts_nocase(&line, commands[i].prefix)) {
			cursor_skip(&line, strlen(commands[i].prefix));
			commands[i].run(ctx, s, d, line);
			return;
		}
	if (s->has_ntlm) {
		if (text_starts_nocase(&line, "334 "))
			cursor_skip(&line, 4);
		(void)shrike_call(ctx, CALL_NTLM, line, NULL);
	}
}

static void
side_line(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor line)
{
	struct smtp_side *side = &s->side[d];
	enum smtp_phase phase = side->phase;
	unsigned digits;
	char tag[32];

	if (side->wants_status) {
		side->wants_status = false;
		snprintf(tag, sizeof(tag), "smtp:statuscode:%u", (unsigned)(text_decimal(&line, &digits) & 0x7fffffff));
		shrike_add_tag(ctx, tag);
	}
	side->phase = SMTP_COMMAND;
	switch (phase) {
	case SMTP_AUTH_LOGIN:
		auth_login(ctx, line);
		return;
	case SMTP_AUTH_PLAIN:
		auth_plain(ctx, line);
		return;
	default:
		command_line(ctx, s, d, line);
		return;
	}
}

static void
side_commands(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor *in)
{
	struct cursor line;
	enum smtp_line_result result = smtp_line_next(ctx, &s->side[d].command, in, &line);

	if (result == SMTP_LINE_WHOLE)
		side_line(ctx, s, d, line);
	else if (result != SMTP_LINE_NONE)
		smtp_fail(ctx, s, result);
}

static void
side_message(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor *in)
{
	struct smtp_side *side = &s->side[d];
	struct cursor chunk = *in;

	if (!side->is_bdat) {
		if (!smtp_message_bytes(ctx, s, side, in)) {
			/* Its line ended at a CR like a command's. */
			side->command.after_cr = true;
			s->side[!d].wants_status = true;
		}
		return;
	}
	cursor_limit(&chunk, side->bdat_left);
	cursor_skip(in, cursor_left(&chunk));
	side->bdat_left -= (uint32_t)cursor_left(&chunk);
	(void)smtp_message_bytes(ctx, s, side, &chunk);
	if (side->bdat_left == 0 && !s->is_done)
		bdat_end(ctx, s, side);
}

/* TLS begins with a byte that no command begins with: a letter says that the server refused. */
static void
side_starttls(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor *in)
{
	uint8_t c = cursor_peek(in, 0) | 0x20;

	if (c >= 'a' && c <= 'z') {
		s->side[d].phase = SMTP_COMMAND;
		return;
	}
	s->is_done = true;
	shrike_reclassify(ctx, *in);
}

static bool
skip_lf(struct smtp_side *side, struct cursor *in)
{
	if (!side->command.after_cr)
		return false;
	side->command.after_cr = false;
	if (cursor_peek(in, 0) == '\n')
		cursor_skip(in, 1);
	return true;
}

static void
side_bytes(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor in)
{
	struct smtp_side *side = &s->side[d];

	while (!s->is_done && cursor_left(&in) > 0) {
		if (skip_lf(side, &in))
			continue;
		if (side->phase == SMTP_MESSAGE)
			side_message(ctx, s, d, &in);
		else if (side->phase == SMTP_STARTTLS)
			side_starttls(ctx, s, d, &in);
		else
			side_commands(ctx, s, d, &in);
	}
}

enum looks { LOOKS_UNLIKE, LOOKS_UNDECIDED, LOOKS_LIKE };

/* A client says HELO or EHLO; a server names SMTP in its greeting, whose first line has to come if it is not in the
 * first chunk. */
static enum looks
looks(const struct cursor *in)
{
	static const char *const client[] = {"HELO ", "EHLO "};
	size_t left = cursor_left(in);

	for (unsigned i = 0; i < 2; i++)
		if (memcmp(in->p, client[i], left < 5 ? left : 5) == 0)
			return left < 5 ? LOOKS_UNDECIDED : LOOKS_LIKE;
	if (memcmp(in->p, "220", left < 3 ? left : 3) != 0)
		return LOOKS_UNLIKE;
	if (left > 3 && cursor_peek(in, 3) != ' ' && cursor_peek(in, 3) != '-')
		return LOOKS_UNLIKE;
	if (text_find(in->p, left, "SMTP") >= 0)
		return LOOKS_LIKE;
	return left >= SMTP_GREETING_MAX || memchr(in->p, '\n', left) != NULL ? LOOKS_UNLIKE : LOOKS_UNDECIDED;
}

static void
begin(struct shrike_ctx *ctx, struct smtp *s, unsigned d, const struct cursor *first)
{
	struct shrike_buffer *other = &s->greeting[!d];

	s->is_smtp = true;
	shrike_add_protocol(ctx, "smtp");
	if (other->used > 0)
		side_bytes(ctx, s, !d, cursor_make(other->bytes, other->used));
	side_bytes(ctx, s, d, *first);
	shrike_buffer_free(ctx, &s->greeting[0]);
	shrike_buffer_free(ctx, &s->greeting[1]);
}

static enum shrike_verdict
probe(struct shrike_ctx *ctx, struct smtp *s, unsigned d, struct cursor in)
{
	struct cursor first;

	if (s->is_refused[d])
		return SHRIKE_MORE;
	if (!shrike_join(ctx, &s->greeting[d], in, SMTP_GREETING_MAX, &first))
		return SHRIKE_DONE;
	switch (looks(&first)) {
	case LOOKS_LIKE:
		begin(ctx, s, d, &first);
		return s->is_done ? SHRIKE_DONE : SHRIKE_MORE;
	case LOOKS_UNDECIDED:
		s->is_waiting = true;
		shrike_keep(ctx, &s->greeting[d], first);
		return SHRIKE_MORE;
	case LOOKS_UNLIKE:
		break;
	}
	if (!s->is_waiting)
		return SHRIKE_NOT_MINE;
	/* The other side may still be known by its HELO or greeting. */
	shrike_buffer_free(ctx, &s->greeting[d]);
	s->is_refused[d] = true;
	return s->is_refused[!d] ? SHRIKE_DONE : SHRIKE_MORE;
}

static enum shrike_verdict
smtp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct smtp *s = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);

	if (!s->is_smtp)
		return probe(ctx, s, d, in);
	side_bytes(ctx, s, d, in);
	return s->is_done ? SHRIKE_DONE : SHRIKE_MORE;
}

/* What was being read is damaged; reading goes on at the next line. */
static enum shrike_verdict
smtp_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct smtp *s = shrike_state(ctx);
	struct smtp_side *side = &s->side[shrike_direction(ctx)];

	if (!s->is_smtp || side->phase == SMTP_STARTTLS)
		return SHRIKE_DONE;
	smtp_part_drop(ctx, side);
	side->is_damaged = true;
	side->command.used = side->message.used = side->header.used = 0;
	side->command.after_cr = side->message.after_cr = false;
	side->has_header = side->is_folding = false;
	if (side->phase != SMTP_MESSAGE) {
		side->phase = SMTP_COMMAND;
	} else if (side->is_bdat) {
		if (missing > side->bdat_left) /* How the next chunk begins is not known. */
			return SHRIKE_DONE;
		side->bdat_left -= missing;
		if (side->bdat_left == 0)
			bdat_end(ctx, s, side);
	}
	return SHRIKE_MORE;
}

static const struct shrike_match smtp_match[] = {
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("HELO")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("EHLO")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("220 ")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("220-")},
	{0},
};

static const struct shrike_parser smtp = {
	.api = SHRIKE_API,
	.name = "smtp",
	.match = smtp_match,
	.fields = smtp_fields,
	.n_fields = N_FIELDS,
	.calls = smtp_calls,
	.state_bytes = sizeof(struct smtp),
	.create = smtp_create,
	.destroy = smtp_destroy,
	.create_local = smtp_create_local,
	.destroy_local = smtp_destroy_local,
	.parse = smtp_parse,
	.gap = smtp_gap,
};
SHRIKE_PARSER(smtp);
