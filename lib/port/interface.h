/* What 'interface' names: kernel devices, virtual devices and bound NICs, as EAL wants to hear of them.
 *
 *   eth0                  the kernel's device, through net_af_packet (or what pcapReadMethod says)
 *   af_packet:eth0        the same, said explicitly
 *   af_xdp:eth0           through net_af_xdp: less copying, needs XDP
 *   pcap:eth0             through libpcap
 *   tap:span0             a new tap device that others send into
 *   memif:/run/a.sock     shared memory with another process
 *   net_ring0,nodeaction=...   any virtual device of DPDK, as --vdev takes it
 *   0000:17:00.0          a NIC that is bound to vfio-pci, or has a driver that shares it (mlx5)
 *
 * After a comma follow arguments of the driver, which win over ours: af_packet:eth0,framesz=4096.
 *
 * Threads: control only, before anything runs. */
#ifndef INTERFACE_H
#define INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

enum { INTERFACES_MAX = 16, INTERFACE_TEXT_MAX = 512 };

enum interface_kind {
	INTERFACE_AF_PACKET,
	INTERFACE_AF_XDP,
	INTERFACE_PCAP,
	INTERFACE_TAP,
	INTERFACE_MEMIF,
	INTERFACE_VDEV, /* net_...: EAL's own words */
	INTERFACE_PCI,
	INTERFACE_KINDS
};

/* Settings of ports. */
struct port_conf {
	struct conf_list interfaces;
	uint32_t snap_bytes;   /* snapLen, a setting of the writer: what a slot of the ring has to hold */
	uint64_t buffer_bytes; /* pcapBufferSize: what the kernel keeps for one interface */
	uint32_t block_bytes;  /* tpacketv3BlockSize */
	int method;	       /* pcapReadMethod: index of its words */
};
extern const struct setting_group port_settings_group;

struct interface {
	enum interface_kind kind;
	const char *text; /* as the user wrote it; belongs to the conf */
	char name[128];	  /* eth0, /run/a.sock, 0000:17:00.0, net_ring0 */
	char more[256];	  /* the user's arguments, without a comma before them; may be empty */
};

struct interfaces {
	struct interface item[INTERFACES_MAX];
	unsigned n;
};

/* 0, or -EINVAL and 'why'. Looks at the words only. */
int interface_parse(const char *text, const struct port_conf *, struct interface *, char *why, size_t why_size);

/* All of a list; 'why' names the one that is wrong. */
int interfaces_parse(const struct conf_list *, const struct port_conf *, struct interfaces *, char *why,
		     size_t why_size);

/* Whether this machine can use it: device there and up, driver installed, NIC bound, right to open it. A negative errno
 * and 'why', which says what to do. */
int interface_check(const struct interface *, char *why, size_t why_size);

/* Whether the kernel merges received segments into large frames (GRO, LRO) before anybody sees them. */
bool interface_merges_segments(const struct interface *);

/* The virtual device: its name and arguments for rte_eal_hotplug_add(). 'index' makes the name unique. */
void interface_vdev(const struct interface *, const struct port_conf *, unsigned index, unsigned n_workers, char *name,
		    size_t name_size, char *arguments, size_t arguments_size);

/* Makes the port. A negative errno and 'why'. A PCI device is EAL's: there is nothing to do here. */
int interface_attach(const struct interface *, const struct port_conf *, unsigned index, unsigned n_workers, char *why,
		     size_t why_size);

/* Bytes that a slot of the kernel's ring has for one frame, with its header. */
uint32_t interface_slot_bytes(uint32_t snap_bytes);

/* What a kernel device has of receive queues, up to what af_xdp may have: a queue without a socket keeps its packets to
 * itself. */
unsigned interface_receive_queues(const char *device);

/* True when DPDK's driver 'net_NAME' is installed, or when it cannot be told where drivers are. */
bool interface_driver_installed(const char *driver);

/* "0000:17:00.0" from "17:00.0" or the whole; false when it is no PCI address. */
bool interface_pci_address(const char *text, char *out, size_t size);

/* The kernel's or DPDK's driver of a PCI device ("" when it has none), and whether DPDK can use the device as it is. */
bool interface_pci_driver(const char *address, char *out, size_t size);
bool interface_pci_usable(const char *driver);

/* True for drivers of the kernel that share the device with DPDK: nothing has to be bound then. */
bool interface_pci_shared(const char *driver);

#endif
