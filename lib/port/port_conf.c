/* Settings of ports. */
#include "interface.h"

/* Ways of the reference to read a kernel device come to the same here: net_af_packet. Order as in read_method. */
static const char *const methods[] = {"libpcap", "tpacketv3", "afpacketv3", "af_packet", "af_xdp", NULL};

static const struct setting port_settings[] = {
	SETTING_LIST(struct port_conf, interfaces, "interface", "",
		     "what to read live: eth0 (a kernel device), af_packet:eth0, af_xdp:eth0, tap:NAME, memif:SOCKET, "
		     "any net_... of DPDK, or the PCI address of a bound NIC; driver arguments after a comma"),
	SETTING_ENUM(struct port_conf, method, "pcapReadMethod", "libpcap", methods,
		     "how a kernel device is read that interface names without a prefix: af_xdp, or all others: "
		     "af_packet"),
	SETTING_U64(struct port_conf, buffer_bytes, "pcapBufferSize", 300000000, 100000, 4294967295, "bytes",
		    "what the kernel may keep of one af_packet interface until a worker takes it (in two halves: the "
		    "driver wants one for sending too)"),
	SETTING_U32(struct port_conf, block_bytes, "tpacketv3BlockSize", 2097152, 65536, 2147483648, "bytes",
		    "the most that af_packet asks of the kernel in one piece"),
};
SETTINGS(port, "Ports: live traffic", port_settings);
