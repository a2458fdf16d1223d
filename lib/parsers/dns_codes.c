/* The words for DNS numbers (IANA, "Domain Name System (DNS) Parameters"). */
#include "dns_priv.h"

#include <rte_common.h>

static const char *const type_names[] = {
	[1] = "A",	 [2] = "NS",	      [3] = "MD",     [4] = "MF",     [5] = "CNAME",	[6] = "SOA",
	[7] = "MB",	 [8] = "MG",	      [9] = "MR",     [10] = "NULL",  [11] = "WKS",	[12] = "PTR",
	[13] = "HINFO",	 [14] = "MINFO",      [15] = "MX",    [16] = "TXT",   [17] = "RP",	[18] = "AFSDB",
	[19] = "X25",	 [20] = "ISDN",	      [21] = "RT",    [22] = "NSAP",  [23] = "NSAPPTR", [24] = "SIG",
	[25] = "KEY",	 [26] = "PX",	      [27] = "GPOS",  [28] = "AAAA",  [29] = "LOC",	[30] = "NXT",
	[31] = "EID",	 [32] = "NIMLOC",     [33] = "SRV",   [34] = "ATMA",  [35] = "NAPTR",	[36] = "KX",
	[37] = "CERT",	 [38] = "A6",	      [39] = "DNAME", [40] = "SINK",  [41] = "OPT",	[42] = "APL",
	[43] = "DS",	 [44] = "SSHFP",      [46] = "RRSIG", [47] = "NSEC",  [48] = "DNSKEY",	[49] = "DHCID",
	[50] = "NSEC3",	 [51] = "NSEC3PARAM", [52] = "TLSA",  [55] = "HIP",   [65] = "HTTPS",	[99] = "SPF",
	[108] = "EUI48", [109] = "EUI64",     [249] = "TKEY", [250] = "TSIG", [251] = "IXFR",	[252] = "AXFR",
	[253] = "MAILB", [254] = "MAILA",     [255] = "ANY",  [256] = "URI",  [257] = "CAA",
};

static const char *const opcode_names[] = {"QUERY", "IQUERY", "STATUS", "3", "NOTIFY", "UPDATE"};

static const char *const status_names[] = {
	"NOERROR",     "FORMERR", "SERVFAIL", "NXDOMAIN",  "NOTIMPL", "REFUSED", "YXDOMAIN", "YXRRSET",
	"NXRRSET",     "NOTAUTH", "NOTZONE",  "DSOTYPENI", "12",      "13",	 "14",	     "15",
	"BADSIG_VERS", "BADKEY",  "BADTIME",  "BADMODE",   "BADNAME", "BADALG",	 "BADTRUNC", "BADCOOKIE",
};

const char *
dns_type_name(uint16_t type)
{
	return type < RTE_DIM(type_names) ? type_names[type] : NULL;
}

const char *
dns_class_name(uint16_t class)
{
	switch (class) {
	case 1:
		return "IN";
	case 2:
		return "CS";
	case 3:
		return "CH";
	case 4:
		return "HS";
	case 255:
		return "ANY";
	default:
		return NULL;
	}
}

const char *
dns_opcode_name(unsigned opcode)
{
	return opcode < RTE_DIM(opcode_names) ? opcode_names[opcode] : NULL;
}

const char *
dns_status_name(unsigned status)
{
	return status < RTE_DIM(status_names) ? status_names[status] : NULL;
}
