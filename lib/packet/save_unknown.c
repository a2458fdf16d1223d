/* The list of saveUnknownPackets: all, corrupt, ip:X, ether:X, each with '-' before it to take it away again.
 *
 * X is all, a number (decimal, or hexadecimal with 0x) or a name of the tables here. Items count in order. 'all' is
 * every ethertype and IP protocol but not corrupt packets, as in the reference. */

#include "decode_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

struct number_name {
	const char *name;
	uint16_t number;
};

/* IANA's keywords, and what /etc/protocols calls the first few. */
static const struct number_name ip_names[] = {
	{"hopopt", 0},
	{"icmp", 1},
	{"igmp", 2},
	{"ggp", 3},
	{"ipencap", 4},
	{"ipv4", 4},
	{"st", 5},
	{"tcp", 6},
	{"cbt", 7},
	{"egp", 8},
	{"igp", 9},
	{"pup", 12},
	{"udp", 17},
	{"hmp", 20},
	{"xns-idp", 22},
	{"rdp", 27},
	{"iso-tp4", 29},
	{"dccp", 33},
	{"xtp", 36},
	{"ddp", 37},
	{"idpr-cmtp", 38},
	{"ipv6", 41},
	{"idrp", 45},
	{"rsvp", 46},
	{"gre", 47},
	{"esp", 50},
	{"ah", 51},
	{"skip", 57},
	{"ipv6-icmp", 58},
	{"icmpv6", 58},
	{"ipv6-nonxt", 59},
	{"rspf", 73},
	{"vmtp", 81},
	{"eigrp", 88},
	{"ospf", 89},
	{"ospfigp", 89},
	{"ax.25", 93},
	{"ipip", 94},
	{"etherip", 97},
	{"encap", 98},
	{"pim", 103},
	{"ipcomp", 108},
	{"vrrp", 112},
	{"pgm", 113},
	{"l2tp", 115},
	{"isis", 124},
	{"sctp", 132},
	{"fc", 133},
	{"mobility-header", 135},
	{"udplite", 136},
	{"mpls-in-ip", 137},
	{"manet", 138},
	{"hip", 139},
	{"shim6", 140},
	{"wesp", 141},
	{"rohc", 142},
};

static const struct number_name ether_names[] = {
	{"ipv4", 0x0800},
	{"ip", 0x0800},
	{"arp", 0x0806},
	{"wol", 0x0842},
	{"rarp", 0x8035},
	{"atalk", 0x809b},
	{"aarp", 0x80f3},
	{"ipx", 0x8137},
	{"ipv6", 0x86dd},
	{"mac-control", 0x8808},
	{"lacp", 0x8809},
	{"slow", 0x8809},
	{"mpls", 0x8847},
	{"mpls-multicast", 0x8848},
	{"pppoe-discovery", 0x8863},
	{"pppoe", 0x8864},
	{"eapol", 0x888e},
	{"profinet", 0x8892},
	{"aoe", 0x88a2},
	{"ethercat", 0x88a4},
	{"lldp", 0x88cc},
	{"macsec", 0x88e5},
	{"ptp", 0x88f7},
	{"cfm", 0x8902},
	{"fcoe", 0x8906},
	{"esis", 0x890d},
	{"hsr", 0x892f},
	{"loopback", 0x9000},
};

static bool
parse_number(const char *text, unsigned max, const struct number_name *names, unsigned n_names, unsigned *out)
{
	unsigned long number;
	char *end;

	for (unsigned i = 0; i < n_names; i++)
		if (strcasecmp(text, names[i].name) == 0) {
			*out = names[i].number;
			return true;
		}
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoul(text, &end, text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10);
	*out = (unsigned)number;
	return errno == 0 && *end == '\0' && number <= max;
}

static void
change(uint64_t *bits, unsigned first, unsigned last, bool save)
{
	for (unsigned i = first; i <= last; i++) {
		if (save)
			bit_set(bits, i);
		else
			bit_clear(bits, i);
	}
}

static bool
change_named(uint64_t *bits, const char *what, unsigned max, const struct number_name *names, unsigned n_names,
	     bool save)
{
	unsigned number;

	if (strcasecmp(what, "all") == 0) {
		change(bits, 0, max, save);
		return true;
	}
	if (!parse_number(what, max, names, n_names, &number))
		return false;
	change(bits, number, number, save);
	return true;
}

static bool
parse_item(const char *item, struct save_unknown *out)
{
	bool save = *item != '-';

	if (!save)
		item++;
	if (strcasecmp(item, "all") == 0) {
		change(out->ethertype, 0, 65535, save);
		change(out->ip_protocol, 0, 255, save);
		return true;
	}
	if (strcasecmp(item, "corrupt") == 0) {
		out->corrupt = save;
		return true;
	}
	if (strncasecmp(item, "ip:", 3) == 0)
		return change_named(out->ip_protocol, item + 3, 255, ip_names, sizeof(ip_names) / sizeof(ip_names[0]),
				    save);
	if (strncasecmp(item, "ether:", 6) == 0)
		return change_named(out->ethertype, item + 6, 65535, ether_names,
				    sizeof(ether_names) / sizeof(ether_names[0]), save);
	return false;
}

bool
save_unknown_parse(const struct conf_list *items, struct save_unknown *out, const char **bad)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < items->n; i++)
		if (!parse_item(items->item[i], out)) {
			*bad = items->item[i];
			return false;
		}
	return true;
}
