/* A .so whose author forgot to register anything. */
#include <shrike/plugin.h>

SHRIKE_PLUGIN(.name = "empty");
