/* The text of a conf file.
 *
 * A file is read whole (it is small; CONF_FILE_BYTES_MAX says what is not), cut into lines in place and kept in the
 * conf's arena: every key and value points into it, whatever its length. What an editor on another system leaves behind
 * is tolerated (a UTF-8 byte order mark, CR before LF), a NUL byte is not: it would end a value early. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"
#include "log.h"

struct reader {
	struct conf *conf;
	struct conf_source source; /* of the line being read */
	struct conf_section *section;
	bool lost; /* after a bad section line: its settings belong nowhere */
};

static const char *
advice(int error)
{
	switch (error) {
	case ENOENT:
		return "name the file with -c FILE, or start from conf/shrike.conf";
	case EISDIR:
		return "name the file in it with -c FILE";
	case EACCES:
	case EPERM:
		return "make it readable for the user who runs this";
	case EFBIG:
		return "this cannot be a conf file";
	case EILSEQ:
		return "save it as UTF-8 text";
	default:
		return "name another with -c FILE";
	}
}

/* The whole file, NUL-terminated, or NULL and errno. Files without a size (pipes) are read too. */
static char *
read_whole(struct arena *arena, const char *path)
{
	char *bytes = NULL, *text = NULL, *grown;
	size_t size = 0, room = 4096;
	FILE *file = fopen(path, "re");
	int error = 0;

	if (file == NULL)
		return NULL;
	for (;;) {
		grown = realloc(bytes, room);
		if (grown == NULL) {
			error = ENOMEM;
			break;
		}
		bytes = grown;
		errno = 0;
		size += fread(bytes + size, 1, room - size, file);
		if (size < room) {
			error = ferror(file) ? (errno != 0 ? errno : EIO) : 0;
			break;
		}
		if (size > CONF_FILE_BYTES_MAX) {
			error = EFBIG;
			break;
		}
		room *= 2;
	}
	if (error == 0 && memchr(bytes, '\0', size) != NULL)
		error = EILSEQ;
	if (error == 0) {
		text = arena_strndup(arena, bytes, size);
		error = text == NULL ? ENOMEM : 0;
	}
	free(bytes);
	fclose(file);
	errno = error;
	return text;
}

static void
read_section_line(struct reader *r, char *line)
{
	size_t length = strlen(line);
	char *name, quoted[80];

	r->section = NULL;
	r->lost = true;
	if (line[length - 1] != ']') {
		conf_error(r->conf, &r->source, "section without ']' at its end: %s",
			   log_quote(quoted, sizeof(quoted), line));
		return;
	}
	line[length - 1] = '\0';
	name = conf_trim(line + 1);
	if (name[0] == '\0') {
		conf_error(r->conf, &r->source, "section without a name");
		return;
	}
	r->section = conf_section_lookup(r->conf, name, &r->source);
	r->lost = r->section == NULL;
}

static void
read_setting_line(struct reader *r, char *line)
{
	char *equals = strchr(line, '='), *key, quoted[80];

	if (equals == NULL) {
		conf_error(r->conf, &r->source, "neither key=value nor [section] nor # comment: %s",
			   log_quote(quoted, sizeof(quoted), line));
		return;
	}
	*equals = '\0';
	key = conf_trim(line);
	if (key[0] == '\0')
		conf_error(r->conf, &r->source, "no key before '='");
	else if (r->section != NULL)
		conf_entry_add(r->conf, r->section, key, conf_trim(equals + 1), &r->source);
	else if (!r->lost)
		conf_error(r->conf, &r->source, "'%s' is in no section; put [default] above it",
			   log_quote(quoted, sizeof(quoted), key));
}

static void
read_lines(struct reader *r, char *text)
{
	char *line;

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while ((line = strsep(&text, "\n")) != NULL) {
		r->source.line++;
		line = conf_trim(line);
		if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
			continue;
		if (line[0] == '[')
			read_section_line(r, line);
		else
			read_setting_line(r, line);
	}
}

void
conf_file_read(struct conf *conf, const char *path, bool optional)
{
	struct reader r = {.conf = conf};
	char *text;

	r.source.layer = CONF_LAYER_FILE;
	r.source.file = conf->n_files++;
	r.source.where = arena_strdup(conf->arena, path);
	if (r.source.where == NULL) {
		conf->no_memory = true;
		return;
	}
	text = read_whole(conf->arena, path);
	if (text != NULL)
		read_lines(&r, text);
	else if (!optional || errno != ENOENT)
		conf_error(conf, &r.source, "%s; %s", errno == EILSEQ ? "a NUL byte is in it" : strerror(errno),
			   advice(errno));
}
