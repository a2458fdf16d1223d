/* What 'interface' names: words into devices.
 *
 * Virtual devices are made by hot plug after EAL has started, not by --vdev: then the number of workers is known, which
 * is the number of queues, and a device that cannot be made has an error of its own instead of ending EAL's start.
 *
 * net_af_packet wants its ring described in blocks. Frames must divide a block exactly (it finds frame n at n times the
 * frame size), so the block is the largest multiple of a frame below tpacketv3BlockSize. A slot holds snapLen bytes:
 * with segmentation or receive offload the kernel hands over frames far beyond the MTU. */
#include "interface.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "log.h"

enum {
	PAGE_BYTES = 4096,
	SLOT_HEADER_BYTES = 128, /* tpacket2_hdr, sockaddr_ll, alignment and a VLAN tag */
	SLOTS_MIN = 64,
	RING_BYTES_MAX = 1 << 30, /* the driver counts both halves in 32 bits */
	SLOT_BYTES_MAX = 61440,	  /* an mbuf has less than 64 KB */
	XDP_QUEUES_MAX = 64
};

static const struct {
	const char *prefix;
	const char *driver;
	const char *name_argument;
} kinds[INTERFACE_KINDS] = {
	[INTERFACE_AF_PACKET] = {"af_packet", "net_af_packet", "iface"},
	[INTERFACE_AF_XDP] = {"af_xdp", "net_af_xdp", "iface"},
	[INTERFACE_PCAP] = {"pcap", "net_pcap", "iface"},
	[INTERFACE_TAP] = {"tap", "net_tap", "iface"},
	[INTERFACE_MEMIF] = {"memif", "net_memif", "socket"},
};

bool
interface_pci_address(const char *text, char *out, size_t size)
{
	unsigned domain = 0, bus, device, function;
	int end = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4 || text[end] != '\0') {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3 || text[end] != '\0')
			return false;
	}
	snprintf(out, size, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, device & 0xff, function & 0xf);
	return true;
}

static int
refuse(char *why, size_t why_size, const char *text, const char *what)
{
	snprintf(why, why_size, "interface '%s': %s", text, what);
	return -EINVAL;
}

/* The kind and what is behind its prefix. NULL: a prefix that there is not. */
static const char *
find_kind(const char *text, const struct port_conf *conf, enum interface_kind *kind)
{
	size_t length = strcspn(text, ":,");

	if (strncmp(text, "net_", 4) == 0) {
		*kind = INTERFACE_VDEV;
		return text;
	}
	if (text[length] != ':') {
		*kind = conf->method == 4 ? INTERFACE_AF_XDP : INTERFACE_AF_PACKET;
		return text;
	}
	for (unsigned i = 0; i < INTERFACE_KINDS; i++)
		if (kinds[i].prefix != NULL && strlen(kinds[i].prefix) == length &&
		    strncmp(kinds[i].prefix, text, length) == 0) {
			*kind = (enum interface_kind)i;
			return text + length + 1;
		}
	return NULL;
}

int
interface_parse(const char *text, const struct port_conf *conf, struct interface *in, char *why, size_t why_size)
{
	const char *name = text, *comma = strchr(text, ',');
	char address[INTERFACE_TEXT_MAX];
	size_t length;

	*in = (struct interface){.text = text, .kind = INTERFACE_PCI};
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(text, ","), text);
	if (interface_pci_address(address, in->name, sizeof(in->name))) {
		if (comma != NULL)
			snprintf(in->more, sizeof(in->more), "%s", comma + 1);
		return 0;
	}
	name = find_kind(text, conf, &in->kind);
	if (name == NULL)
		return refuse(why, why_size, text,
			      "no such kind of interface; there are eth0, af_packet:eth0, af_xdp:eth0, pcap:eth0, "
			      "tap:NAME, memif:SOCKET, net_... and PCI addresses like 0000:17:00.0");
	length = comma != NULL ? (size_t)(comma - name) : strlen(name);
	if (length == 0)
		return refuse(why, why_size, text, "there is no name behind the prefix");
	if (length >= sizeof(in->name) || (comma != NULL && strlen(comma + 1) >= sizeof(in->more)))
		return refuse(why, why_size, text, "too long");
	memcpy(in->name, name, length);
	in->name[length] = '\0';
	if (comma != NULL)
		snprintf(in->more, sizeof(in->more), "%s", comma + 1);
	/* IFNAMSIZ counts the end. */
	if (in->kind != INTERFACE_MEMIF && in->kind != INTERFACE_VDEV && length > 15)
		return refuse(why, why_size, text, "names of network devices have at most 15 characters");
	return 0;
}

int
interfaces_parse(const struct conf_list *list, const struct port_conf *conf, struct interfaces *all, char *why,
		 size_t why_size)
{
	int rc = 0;

	*all = (struct interfaces){0};
	for (unsigned i = 0; i < list->n && rc == 0; i++) {
		if (list->item[i][0] == '\0')
			continue;
		if (all->n == INTERFACES_MAX)
			return refuse(why, why_size, list->item[i], "more than 16 interfaces");
		rc = interface_parse(list->item[i], conf, &all->item[all->n], why, why_size);
		for (unsigned j = 0; j < all->n && rc == 0; j++)
			if (strcmp(all->item[j].name, all->item[all->n].name) == 0)
				rc = refuse(why, why_size, list->item[i], "named twice");
		all->n++;
	}
	return rc;
}

uint32_t
interface_slot_bytes(uint32_t snap_bytes)
{
	uint32_t bytes = (snap_bytes + SLOT_HEADER_BYTES + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;

	return bytes < SLOT_BYTES_MAX ? bytes : SLOT_BYTES_MAX;
}

/* True when the user gave the argument himself. */
static bool
given(const struct interface *in, const char *key)
{
	size_t length = strlen(key);

	for (const char *at = in->more; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, key, length) == 0 && at[length] == '=')
			return true;
	}
	return false;
}

static void
add(const struct interface *in, char *out, size_t size, const char *key, uint64_t value)
{
	size_t at = strlen(out);

	if (!given(in, key))
		snprintf(out + at, size - at, ",%s=%" PRIu64, key, value);
}

static void
add_packet_ring(const struct interface *in, const struct port_conf *conf, unsigned n_queues, char *out, size_t size)
{
	uint64_t slot = interface_slot_bytes(conf->snap_bytes);
	uint64_t slots_of_block = conf->block_bytes / slot > 0 ? conf->block_bytes / slot : 1;
	uint64_t bytes = conf->buffer_bytes / 2 / n_queues;
	uint64_t n_blocks;

	if (bytes > RING_BYTES_MAX)
		bytes = RING_BYTES_MAX;
	if (bytes < SLOTS_MIN * slot)
		bytes = SLOTS_MIN * slot;
	n_blocks = (bytes + slot * slots_of_block - 1) / (slot * slots_of_block);
	add(in, out, size, "qpairs", n_queues);
	/* They depend on each other: all are ours, or none. */
	if (given(in, "blocksz") || given(in, "framesz") || given(in, "framecnt"))
		return;
	add(in, out, size, "blocksz", slot * slots_of_block);
	add(in, out, size, "framesz", slot);
	add(in, out, size, "framecnt", n_blocks * slots_of_block);
}

unsigned
interface_receive_queues(const char *device)
{
	char pattern[192];
	glob_t found;
	unsigned n = 1;

	snprintf(pattern, sizeof(pattern), "/sys/class/net/%s/queues/rx-*", device);
	if (glob(pattern, 0, NULL, &found) == 0) {
		n = (unsigned)found.gl_pathc;
		globfree(&found);
	}
	return n < XDP_QUEUES_MAX ? n : XDP_QUEUES_MAX;
}

void
interface_vdev(const struct interface *in, const struct port_conf *conf, unsigned index, unsigned n_workers, char *name,
	       size_t name_size, char *arguments, size_t arguments_size)
{
	size_t at;

	if (in->kind == INTERFACE_VDEV) {
		snprintf(name, name_size, "%s", in->name);
		snprintf(arguments, arguments_size, "%s", in->more);
		return;
	}
	snprintf(name, name_size, "%s%u", kinds[in->kind].driver, index);
	snprintf(arguments, arguments_size, "%s=%s", kinds[in->kind].name_argument, in->name);
	if (in->kind == INTERFACE_AF_PACKET)
		add_packet_ring(in, conf, n_workers, arguments, arguments_size);
	if (in->kind == INTERFACE_AF_XDP && !given(in, "start_queue"))
		add(in, arguments, arguments_size, "queue_count", interface_receive_queues(in->name));
	at = strlen(arguments);
	if (in->kind == INTERFACE_MEMIF && !given(in, "role"))
		at += (size_t)snprintf(arguments + at, arguments_size - at, ",role=server");
	if (in->kind == INTERFACE_MEMIF && !given(in, "socket-abstract"))
		at += (size_t)snprintf(arguments + at, arguments_size - at, ",socket-abstract=no");
	if (in->more[0] != '\0' && at < arguments_size)
		snprintf(arguments + at, arguments_size - at, ",%s", in->more);
}

int
interface_attach(const struct interface *in, const struct port_conf *conf, unsigned index, unsigned n_workers,
		 char *why, size_t why_size)
{
	char name[64], arguments[INTERFACE_TEXT_MAX], quoted[INTERFACE_TEXT_MAX];
	int rc;

	if (in->kind == INTERFACE_PCI)
		return 0;
	interface_vdev(in, conf, index, n_workers, name, sizeof(name), arguments, sizeof(arguments));
	LOG_INFO("port.attach", "interface=\"%s\" vdev=%s arguments=\"%s\"",
		 log_quote(quoted, sizeof(quoted), in->text), name, arguments);
	rc = rte_eal_hotplug_add("vdev", name, arguments);
	if (rc != 0)
		snprintf(why, why_size,
			 "interface '%s': DPDK does not make %s of it (%s); --log-level=*:info before a -- shows why",
			 in->text, name, rte_strerror(-rc));
	return rc;
}
