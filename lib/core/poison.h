/* Tells AddressSanitizer which bytes of our own pools nobody may touch.
 *
 * EAL and mmap memory is all addressable to ASan. In the sanitize build free slots, unused arena and chunk
 * bytes and mbuf head- and tailroom are poisoned through these macros, so a read one byte beyond a packet or of
 * a session given back is a report. In other builds they are nothing. */
#ifndef POISON_H
#define POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define POISON_ENABLED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ENABLED 1
#endif
#endif
#ifndef POISON_ENABLED
#define POISON_ENABLED 0
#endif

#if POISON_ENABLED
#include <sanitizer/asan_interface.h>
#define POISON(address, size)	ASAN_POISON_MEMORY_REGION((address), (size))
#define UNPOISON(address, size) ASAN_UNPOISON_MEMORY_REGION((address), (size))
#else
#define POISON(address, size)	((void)(address), (void)(size))
#define UNPOISON(address, size) ((void)(address), (void)(size))
#endif

#endif
