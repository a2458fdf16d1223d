/* One compiled program and its two engines, for lib/port/filter.c and its tests. */
#ifndef FILTER_PRIV_H
#define FILTER_PRIV_H

#include <pcap/pcap.h>

#include <rte_bpf.h>
#include <rte_mbuf.h>

#include "filter.h"

struct filter_program {
	struct bpf_program code;
	bool uses_length;	 /* of the packet on the wire */
	struct rte_bpf *bpf;	 /* NULL: only the interpreter */
	uint64_t (*run)(void *); /* on an mbuf */
};

/* False, and 'why'. The expression must outlive nothing. */
bool filter_program_make(struct filter_program *, const char *expression, uint16_t link_type, char *why,
			 size_t why_size);
void filter_program_free(struct filter_program *);

/* Adds the machine code to a program, if its instructions are among those on which both engines agree:
 *
 * - no shift by a register or by more than 31 (libpcap gives 0, the CPU takes the count modulo 32),
 * - no JSET with a constant below 128: DPDK 22.11 writes it as a byte, for an instruction of the CPU that takes four
 *   (tcp[13] & 7 != 0 ran into the middle of nowhere),
 * - loads at an offset that traffic chooses only where that is the length of an IPv4 header (LDX MSH), and no offsets
 *   above 2^30: rte_pktmbuf_read() adds offset and size in 32 bits and follows an mbuf that is not there,
 * - nothing that libpcap's validator would refuse. */
void filter_program_compile(struct filter_program *);

bool filter_run_interpreter(const struct filter_program *, const uint8_t *bytes, uint32_t captured_bytes,
			    uint32_t wire_bytes);
/* 'm' is scratch of which only what is needed is set. */
bool filter_run_native(const struct filter_program *, struct rte_mbuf *m, const uint8_t *bytes,
		       uint32_t captured_bytes);

#endif
