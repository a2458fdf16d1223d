/* Parsers from .so files.
 *
 * The folders may be another program's: an installation that we take over has its parsers where its conf says. Their
 * files must neither stop the start nor run in this process, and opening a library runs its constructors. So a file is
 * looked at before it is opened: one that does not even hold the name shrike_parser_init is none of ours. One of ours
 * that cannot be loaded is an error, because a sensor that silently lacks a parser is worse than one that does not
 * start.
 *
 * Libraries stay open until the process ends: fields, counters and log lines point into them. */

#include "load_priv.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

enum { PATH_BYTES_MAX = 4096, QUOTED_BYTES = 1024, LOADED_MAX = 256 };

#define INIT_NAME "shrike_parser_init"

struct load_settings {
	struct conf_list folders;
};
static const struct setting settings[] = {
	SETTING_LIST(struct load_settings, folders, "parsersDir", "/opt/arkime/parsers",
		     "folders whose *.so files are loaded as parsers, in this order; the first of a name wins"),
};
SETTINGS(load, "Parsers from files", settings);

struct loaded_file {
	char *path;
	const struct shrike_plugin *plugin;
};
struct loaded {
	struct loaded_file file[LOADED_MAX];
	unsigned n;
};

static bool
contains(const char *path, const char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool found = false;
	void *bytes;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (bytes != MAP_FAILED) {
			found = memmem(bytes, (size_t)st.st_size, text, strlen(text) + 1) != NULL;
			munmap(bytes, (size_t)st.st_size);
		}
	}
	close(fd);
	return found;
}

static int
refuse(const char *path, const char *why, int error)
{
	char quoted[QUOTED_BYTES], reason[QUOTED_BYTES];

	LOG_ERROR("parsers.load", "file=\"%s\" error=\"%s\"", log_quote(quoted, sizeof(quoted), path),
		  log_quote(reason, sizeof(reason), why));
	return error;
}

/* 0, or -errno after saying what is wrong. */
static int
add_file(struct loaded *loaded, const char *path)
{
	const struct shrike_plugin *(*init)(void);
	const struct shrike_plugin *plugin;
	void *library, *symbol;

	if (loaded->n == LOADED_MAX)
		return refuse(path, "more parser files than the program has room for", -E2BIG);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return refuse(path, dlerror(), -ELIBBAD);
	symbol = dlsym(library, INIT_NAME);
	if (symbol == NULL)
		return refuse(path, dlerror(), -ELIBBAD);
	memcpy(&init, &symbol, sizeof(init));
	plugin = init();
	if (plugin == NULL)
		return refuse(path, INIT_NAME "() returned nothing", -ELIBBAD);
	if (plugin->api != SHRIKE_API)
		return refuse(path, "built for another version of parser.h: build it again", -EPROTO);
	if (plugin->name == NULL || plugin->name[0] == '\0')
		return refuse(path, "its SHRIKE_PLUGIN() has no .name", -ELIBBAD);
	if (plugin->parsers == plugin->parsers_end && plugin->hooks == plugin->hooks_end &&
	    plugin->protocols == plugin->protocols_end && plugin->packet_hooks == plugin->packet_hooks_end)
		return refuse(path, "it registers nothing: no parser, hook, packet protocol or packet hook", -ELIBBAD);
	loaded->file[loaded->n] = (struct loaded_file){strdup(path), plugin};
	if (loaded->file[loaded->n].path == NULL)
		return -ENOMEM;
	loaded->n++;
	return 0;
}

static int
is_library(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 3 && entry->d_name[0] != '.' && strcmp(&entry->d_name[length - 3], ".so") == 0;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
say_foreign(const char *folder, unsigned files)
{
	char quoted[QUOTED_BYTES];

	if (files > 0)
		LOG_WARN("parsers.foreign", "folder=\"%s\" files=%u: another program's, without " INIT_NAME "()",
			 log_quote(quoted, sizeof(quoted), folder), files);
}

static int
add_files(struct loaded *loaded, const char *folder, struct dirent *const *entry, unsigned n)
{
	unsigned foreign = 0;
	int error = 0;

	for (unsigned i = 0; i < n && error == 0; i++) {
		char path[PATH_BYTES_MAX];
		int length = snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);

		if (length < 0 || (size_t)length >= sizeof(path))
			error = refuse(folder, "the path is too long", -ENAMETOOLONG);
		else if (contains(path, INIT_NAME))
			error = add_file(loaded, path);
		else
			foreign++;
	}
	say_foreign(folder, foreign);
	return error;
}

static int
add_folder(struct loaded *loaded, const char *folder, bool was_named)
{
	struct dirent **entry;
	int n = scandir(folder, &entry, is_library, by_name), error;
	char quoted[QUOTED_BYTES];

	if (n < 0) {
		if (was_named || errno != ENOENT)
			LOG_WARN("parsers.folder", "folder=\"%s\" error=\"%s\"",
				 log_quote(quoted, sizeof(quoted), folder), strerror(errno));
		return errno == ENOMEM ? -ENOMEM : 0;
	}
	error = add_files(loaded, folder, entry, (unsigned)n);
	for (int i = 0; i < n; i++)
		free(entry[i]);
	free(entry);
	return error;
}

struct loaded *
load_parsers(const struct conf *conf)
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));
	struct load_settings s;
	int error = 0;

	if (loaded == NULL)
		return NULL;
	conf_fill(conf, &load_settings_group, &s);
	for (unsigned i = 0; i < s.folders.n && error == 0; i++)
		error = add_folder(loaded, s.folders.item[i], conf_is_set(conf, "parsersDir"));
	if (error == 0)
		return loaded;
	load_unload(loaded);
	errno = -error;
	return NULL;
}

void
load_unload(struct loaded *loaded)
{
	if (loaded == NULL)
		return;
	for (unsigned i = 0; i < loaded->n; i++)
		free(loaded->file[i].path);
	free(loaded);
}

unsigned
load_count(const struct loaded *loaded)
{
	return loaded->n;
}

const struct shrike_plugin *
load_plugin(const struct loaded *loaded, unsigned i)
{
	return loaded->file[i].plugin;
}

const char *
load_path(const struct loaded *loaded, unsigned i)
{
	return loaded->file[i].path;
}
