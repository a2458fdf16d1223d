/* Registration without a central list.
 *
 * REGISTRY_ADD(list, object) puts the address of a const object into a named linker section;
 * REGISTRY_FOREACH walks the addresses. A new parser, setting, counter or test is one file and
 * nothing else. Entries are 'retain': without it lld --gc-sections empties the list. The order is the
 * link order and means nothing.
 *
 * Threads: the lists are read only after the program is loaded. */
#ifndef REGISTRY_H
#define REGISTRY_H

#define REGISTRY_ADD(list, object)                                                                                     \
	static const __typeof__(object) *const registry_##list##_##object                                              \
		__attribute__((used, retain, section("registry_" #list))) = &(object)

/* Once per list, in the header that owns it. */
#define REGISTRY_DECLARE(list, type)                                                                                   \
	extern const type *const __start_registry_##list[] __attribute__((weak, visibility("hidden")));                \
	extern const type *const __stop_registry_##list[] __attribute__((weak, visibility("hidden")))

/* 'slot' walks the list: *slot is the object. */
#define REGISTRY_FOREACH(list, type, slot)                                                                             \
	for (const type *const *slot = __start_registry_##list; slot < __stop_registry_##list; slot++)

#define REGISTRY_COUNT(list) ((unsigned)(__stop_registry_##list - __start_registry_##list))

#endif
