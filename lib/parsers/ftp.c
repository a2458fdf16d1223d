/* FTP, the control connection (RFC 959).
 *
 * Recorded: commands, names of files, the user, the server's codes and its banner. A greeting like that of FTP may be
 * one of mail or of a TLS gateway: the words in it say so, and a client that then says HELO takes everything back.
 *
 * Limits: a line has at most LINE_MAX_BYTES, a longer one ends the parser. */

#include "parser.h"
#include "text.h"

enum { F_COMMAND, F_FILENAME, F_RESPONSE_CODE, F_BANNER, F_USER, N_FIELDS };

static const struct field ftp_fields[N_FIELDS] = {
	[F_COMMAND] = {"ftp.command", "ftp.command", "ftp", "uptermfield", FIELD_STR_SET, FIELD_COUNT, "Command",
		       "Commands of the client", NULL},
	[F_FILENAME] = {"ftp.filename", "ftp.filename", "ftp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Filename",
			"Files and directories that commands name", NULL},
	[F_RESPONSE_CODE] = {"ftp.responseCode", "ftp.responseCode", "ftp", "integer", FIELD_INT_SET, FIELD_COUNT,
			     "Response Code", "Codes of the server's answers", NULL},
	[F_BANNER] = {"ftp.banner", "ftp.banner", "ftp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Banner",
		      "First text of the greeting", NULL},
	[F_USER] = {.name = "user"},
};

enum {
	LINE_MAX_BYTES = 4096,
	GREETING_MAX_BYTES = 1024,
	COMMAND_LETTERS_MIN = 3,
	COMMAND_LETTERS_MAX = 8,
	CODE_GREETING = 220,
};

struct ftp {
	bool is_ftp, has_banner, is_waiting;
	unsigned server; /* its direction */
	struct shrike_buffer buffer[2];
};

/* Upper-case letters, then NULs: of one size, so that a comparison is one of words. */
typedef char command_name[COMMAND_LETTERS_MAX];

static const command_name file_commands[] = {"RETR", "STOR", "STOU", "APPE", "DELE", "RNFR",
					     "RNTO", "MKD",  "RMD",  "SIZE", "MDTM", ""};
static const command_name mail_commands[] = {"HELO", "EHLO", "LHLO", ""};
static const command_name user_command = "USER", password_command = "PASS";

static bool
is_command(const command_name a, const command_name b)
{
	return memcmp(a, b, sizeof(command_name)) == 0;
}

static bool
is_one_of(const command_name *list, const command_name name)
{
	while ((*list)[0] != '\0' && !is_command(*list, name))
		list++;
	return (*list)[0] != '\0';
}

static bool
contains(const struct cursor *text, const char *word)
{
	return text_find(text->p, cursor_left(text), word) >= 0;
}

/* Takes 'any' of these bytes off both ends. */
static struct cursor
strip(struct cursor text, const char *any)
{
	size_t left;

	while (cursor_left(&text) > 0 && memchr(any, cursor_peek(&text, 0), strlen(any)) != NULL)
		cursor_skip(&text, 1);
	left = cursor_left(&text);
	while (left > 0 && memchr(any, cursor_peek(&text, left - 1), strlen(any)) != NULL)
		left--;
	cursor_limit(&text, left);
	return text;
}

static void
server_line(struct shrike_ctx *ctx, struct ftp *s, struct cursor line)
{
	unsigned digits;
	uint64_t code;
	struct cursor number = line;

	if (cursor_left(&line) < 4)
		return;
	cursor_limit(&number, 3);
	code = text_decimal(&number, &digits);
	if (digits != 3)
		return;
	shrike_emit_int(ctx, F_RESPONSE_CODE, (int64_t)code);
	if (code != CODE_GREETING || s->has_banner)
		return;
	cursor_skip(&line, 3);
	line = strip(line, "- \t\r");
	if (cursor_left(&line) == 0)
		return;
	s->has_banner = true;
	shrike_emit_rest(ctx, F_BANNER, &line);
}

/* Upper-case letters up to a blank, and how many; 0: this is no command. 'command' is empty before. */
static size_t
read_command(struct cursor *line, command_name command)
{
	size_t n = 0;

	while (cursor_left(line) > 0 && cursor_peek(line, 0) != ' ' && n < COMMAND_LETTERS_MAX) {
		uint8_t c = cursor_u8(line) & 0xdf;

		if (c < 'A' || c > 'Z')
			return 0;
		command[n++] = (char)c;
	}
	return n >= COMMAND_LETTERS_MIN && (cursor_left(line) == 0 || cursor_peek(line, 0) == ' ') ? n : 0;
}

/* False: it is mail. */
static bool
client_line(struct shrike_ctx *ctx, struct cursor line)
{
	command_name command = {0};
	size_t letters;

	line = text_trim(line);
	letters = read_command(&line, command);
	if (letters == 0)
		return true;
	line = text_trim(line);
	if (is_one_of(mail_commands, command)) {
		for (unsigned field = F_COMMAND; field <= F_BANNER; field++)
			shrike_remove_field(ctx, field);
		shrike_remove_protocol(ctx, "ftp");
		return false;
	}
	shrike_emit_bytes(ctx, F_COMMAND, command, letters);
	if (is_command(command, user_command))
		shrike_emit_lower(ctx, F_USER, line.p, cursor_left(&line));
	else if (is_command(command, password_command) && cursor_left(&line) > 0)
		shrike_add_tag(ctx, "ftp:password");
	else if (is_one_of(file_commands, command) && cursor_left(&line) > 0)
		shrike_emit_rest(ctx, F_FILENAME, &line);
	return true;
}

static enum shrike_verdict
lines(struct shrike_ctx *ctx, struct ftp *s, unsigned d, struct cursor joined)
{
	struct cursor line;

	while (text_line(&joined, &line)) {
		if (cursor_left(&line) > LINE_MAX_BYTES)
			return SHRIKE_DONE;
		if (d == s->server)
			server_line(ctx, s, line);
		else if (!client_line(ctx, line))
			return SHRIKE_DONE;
	}
	if (cursor_left(&joined) > LINE_MAX_BYTES + 1)
		return SHRIKE_DONE;
	shrike_keep(ctx, &s->buffer[d], joined);
	return SHRIKE_MORE;
}

static bool
looks_like_ftp(const struct cursor *greeting)
{
	return !contains(greeting, "LMTP") && !contains(greeting, "SMTP") && !contains(greeting, " TLS");
}

static enum shrike_verdict
ftp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct ftp *s = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);
	struct cursor joined;

	if (!shrike_join(ctx, &s->buffer[d], in, LINE_MAX_BYTES + 1, &joined))
		return SHRIKE_DONE;
	if (s->is_ftp)
		return lines(ctx, s, d, joined);
	if (!s->is_waiting)
		s->server = d;
	/* The first line has to be there for a judgement; it may come in pieces. */
	if (d != s->server || !looks_like_ftp(&joined))
		return SHRIKE_NOT_MINE;
	if (memchr(joined.p, '\n', cursor_left(&joined)) == NULL && cursor_left(&joined) < GREETING_MAX_BYTES) {
		s->is_waiting = true;
		shrike_keep(ctx, &s->buffer[d], joined);
		return SHRIKE_MORE;
	}
	s->is_ftp = true;
	shrike_add_protocol(ctx, "ftp");
	return lines(ctx, s, d, joined);
}

/* A greeting that never came to its end has no word against it. */
static void
ftp_save(struct shrike_ctx *ctx, bool is_final)
{
	const struct ftp *s = shrike_state(ctx);

	if (is_final && s->is_waiting && !s->is_ftp)
		shrike_add_protocol(ctx, "ftp");
}

/* Reading goes on at the next line. */
static enum shrike_verdict
ftp_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct ftp *s = shrike_state(ctx);

	(void)missing;
	if (!s->is_ftp)
		return SHRIKE_DONE;
	shrike_buffer_free(ctx, &s->buffer[shrike_direction(ctx)]);
	return SHRIKE_MORE;
}

static const struct shrike_match ftp_match[] = {
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("220 ")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("220-")},
	{0},
};

static const struct shrike_parser ftp = {
	.api = SHRIKE_API,
	.name = "ftp",
	.match = ftp_match,
	.fields = ftp_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct ftp),
	.parse = ftp_parse,
	.gap = ftp_gap,
	.save = ftp_save,
};
SHRIKE_PARSER(ftp);
