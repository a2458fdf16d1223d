/* A filter's program: from text to libpcap's instructions to machine code.
 *
 * rte_bpf runs programs on mbufs. Packets are somewhere else here (in the buffer a file was read into, or in several
 * segments that are linear by now), so an mbuf is made up whose buffer is the packet: five stores. What rte_bpf takes
 * for the packet's length is what was captured; a program that asks for the length runs in the interpreter when the
 * packet was longer on the wire. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "filter_priv.h"
#include "packet.h"

enum { SNAP_LENGTH = 65535, OFFSET_MAX = 1 << 30, DLT_RAW_HERE = 12, SHIFT_MAX = 31 };

/* LINKTYPE_ and DLT_ differ where systems did before there were LINKTYPEs. */
static int
dlt_of(uint16_t link_type)
{
	return link_type == LINK_RAW ? DLT_RAW_HERE : link_type;
}

bool
filter_program_make(struct filter_program *program, const char *expression, uint16_t link_type, char *why,
		    size_t why_size)
{
	pcap_t *pcap = pcap_open_dead(dlt_of(link_type), SNAP_LENGTH);
	bool good;

	memset(program, 0, sizeof(*program));
	if (pcap == NULL) {
		snprintf(why, why_size, "no memory");
		return false;
	}
	good = pcap_compile(pcap, &program->code, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
	if (!good)
		snprintf(why, why_size, "%s", pcap_geterr(pcap));
	pcap_close(pcap);
	for (unsigned i = 0; good && i < program->code.bf_len; i++) {
		uint16_t code = program->code.bf_insns[i].code;

		program->uses_length |=
			(BPF_CLASS(code) == BPF_LD || BPF_CLASS(code) == BPF_LDX) && BPF_MODE(code) == BPF_LEN;
	}
	return good;
}

void
filter_program_free(struct filter_program *program)
{
	rte_bpf_destroy(program->bpf);
	pcap_freecode(&program->code);
	memset(program, 0, sizeof(*program));
}

static bool
is_load_agreed(const struct bpf_insn *i)
{
	switch (BPF_MODE(i->code)) {
	case BPF_ABS:
	case BPF_IND:
		return BPF_CLASS(i->code) == BPF_LD && i->k < OFFSET_MAX;
	case BPF_MSH:
		return BPF_CLASS(i->code) == BPF_LDX && i->k < OFFSET_MAX;
	case BPF_IMM:
	case BPF_LEN:
		return true;
	case BPF_MEM:
		return i->k < BPF_MEMWORDS;
	default:
		return false;
	}
}

static bool
is_arithmetic_agreed(const struct bpf_insn *i)
{
	switch (BPF_OP(i->code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
	case BPF_NEG:
		return true;
	case BPF_LSH:
	case BPF_RSH:
		return BPF_SRC(i->code) == BPF_K && i->k <= SHIFT_MAX;
	case BPF_DIV:
	case BPF_MOD:
		return BPF_SRC(i->code) == BPF_K && i->k != 0;
	default:
		return false;
	}
}

static bool
is_agreed(const struct bpf_insn *i)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
	case BPF_LDX:
		return is_load_agreed(i);
	case BPF_ALU:
		return is_arithmetic_agreed(i);
	case BPF_ST:
	case BPF_STX:
		return i->k < BPF_MEMWORDS;
	case BPF_JMP:
		return BPF_SRC(i->code) == BPF_X || BPF_OP(i->code) == BPF_JA ||
		       (i->k <= INT32_MAX && (BPF_OP(i->code) != BPF_JSET || i->k > INT8_MAX));
	case BPF_RET:
		return true;
	case BPF_MISC:
		return BPF_MISCOP(i->code) == BPF_TAX || BPF_MISCOP(i->code) == BPF_TXA;
	default:
		return false;
	}
}

/* X is the length of an IPv4 header or a constant wherever it is an offset. */
static bool
are_offsets_bounded(const struct bpf_program *code)
{
	bool indirect = false, arbitrary = false;

	for (unsigned i = 0; i < code->bf_len; i++) {
		const struct bpf_insn *insn = &code->bf_insns[i];
		uint16_t class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);

		indirect |= class == BPF_LD && mode == BPF_IND;
		arbitrary |= (class == BPF_MISC && BPF_MISCOP(insn->code) == BPF_TAX) ||
			     (class == BPF_LDX && mode != BPF_MSH && !(mode == BPF_IMM && insn->k < OFFSET_MAX));
	}
	return !indirect || !arbitrary;
}

/* rte_bpf_convert() of DPDK 22.11 leaves the register out of loads at X + k, which makes it A + k. Which register is X
 * shows in the beginning of every program it makes: A = 0, X = 0. */
static bool
mend_indirect_loads(struct rte_bpf_prm *converted)
{
	struct ebpf_insn *ins = (void *)(uintptr_t)converted->ins;
	const uint8_t clear = EBPF_ALU64 | BPF_XOR | BPF_X;

	if (converted->nb_ins < 2 || ins[0].code != clear || ins[0].dst_reg != EBPF_REG_0 || ins[1].code != clear ||
	    ins[1].dst_reg != ins[1].src_reg || ins[1].dst_reg == EBPF_REG_0)
		return false;
	for (uint32_t i = 2; i < converted->nb_ins; i++)
		if (BPF_CLASS(ins[i].code) == BPF_LD && BPF_MODE(ins[i].code) == BPF_IND)
			ins[i].src_reg = ins[1].dst_reg;
	return true;
}

void
filter_program_compile(struct filter_program *program)
{
	struct rte_bpf_prm *converted;
	struct rte_bpf_jit jit;

	for (unsigned i = 0; i < program->code.bf_len; i++)
		if (!is_agreed(&program->code.bf_insns[i]))
			return;
	if (!are_offsets_bounded(&program->code))
		return;
	converted = rte_bpf_convert(&program->code);
	if (converted == NULL)
		return;
	program->bpf = mend_indirect_loads(converted) ? rte_bpf_load(converted) : NULL;
	rte_free(converted);
	if (program->bpf == NULL)
		return;
	/* Its own interpreter is no faster than libpcap's. */
	if (rte_bpf_get_jit(program->bpf, &jit) == 0 && jit.func != NULL) {
		program->run = jit.func;
		return;
	}
	rte_bpf_destroy(program->bpf);
	program->bpf = NULL;
}

bool
filter_run_interpreter(const struct filter_program *program, const uint8_t *bytes, uint32_t captured_bytes,
		       uint32_t wire_bytes)
{
	return bpf_filter(program->code.bf_insns, bytes, wire_bytes, captured_bytes) != 0;
}

bool
filter_run_native(const struct filter_program *program, struct rte_mbuf *m, const uint8_t *bytes,
		  uint32_t captured_bytes)
{
	m->buf_addr = (void *)(uintptr_t)bytes;
	m->data_off = 0;
	m->data_len = (uint16_t)captured_bytes;
	m->pkt_len = captured_bytes;
	/* A in 32 bits, whatever is above them. */
	return (uint32_t)program->run(m) != 0;
}
