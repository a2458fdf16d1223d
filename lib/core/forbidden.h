/* Functions nobody here may call: unbounded copies, hidden state, numbers without an error, stack of a chosen size.
 *
 * meson includes this file before every source of ours (meson.build), so nobody has to remember it. Poisoning takes a
 * word away from everything that follows, also from headers; so the headers that declare or use one of these words come
 * first here. A new dependency whose header uses one joins them.
 *
 * Instead: snprintf, memcpy with a length, strsep, strtoul with its end and errno checked (or the conf's tables), an
 * array with a named maximum. */
#ifndef FORBIDDEN_H
#define FORBIDDEN_H

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

/* Some of them are macros of glibc or clang, which must not be poisoned while they are. */
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef gets
#undef strncpy
#undef strtok
#undef atoi
#undef atol
#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf gets strncpy strtok atoi atol alloca

#endif
