/* Which EAL arguments say what devices there are. */
#include "eal.h"

#include "test.h"

static bool
names(const char *first, const char *second)
{
	char program[] = "shrike", a[64], b[64];
	char *argv[] = {program, a, b};
	struct options o = {.eal_argc = second != NULL ? 3 : 2, .eal_argv = argv};

	snprintf(a, sizeof(a), "%s", first);
	snprintf(b, sizeof(b), "%s", second != NULL ? second : "");
	return eal_names_devices(&o);
}

TEST(devices_are_named_by_allow_block_and_vdev)
{
	struct options none = {0};

	EXPECT(names("-a", "0000:17:00.0"));
	EXPECT(names("-a0000:17:00.0", NULL));
	EXPECT(names("--allow=0000:17:00.0", NULL));
	EXPECT(names("-b", "0000:17:00.0"));
	EXPECT(names("--vdev", "net_null0"));
	EXPECT(names("--vdev=net_null0", NULL));
	EXPECT(!names("-l", "0-3"));
	EXPECT(!names("--base-virtaddr", "0x1000"));
	EXPECT(!names("--no-pci", NULL));
	EXPECT(!names("--in-memory", "--huge-unlink"));
	EXPECT(!eal_names_devices(&none));
}
