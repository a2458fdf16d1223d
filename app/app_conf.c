/* Settings of the process as a whole. */
#include "app_conf.h"

static const char *const idle_words[] = {"auto", "spin", "pause", "sleep", NULL};
static const char *const telemetry_words[] = {"auto", "on", "off", NULL};

static const struct setting app_settings[] = {
	SETTING_U32(struct app_conf, lcores, "lcores", 0, 0, 128, "",
		    "lcores to run on; 0: one for each CPU this process may use"),
	SETTING_U32(struct app_conf, workers, "workers", 0, 0, 16, "",
		    "worker roles, each with its own share of the sessions; 0: as many as the lcores allow"),
	SETTING_ENUM(
		struct app_conf, idle, "idle", "auto", idle_words,
		"what an lcore does that finds no work; auto: sleep in a replay or when lcores share CPUs, else pause"),
	SETTING_ENUM(struct app_conf, telemetry, "telemetry", "auto", telemetry_words,
		     "DPDK's telemetry socket, with /shrike/...: on or off; auto: on live, off in a replay"),
	SETTING_U32(
		struct app_conf, max_sessions, "maxSessions", 4000000, 64, 400000000, "sessions",
		"most sessions open at once, of all workers and types; beyond that the longest idle are saved early"),
	SETTING_U32(struct app_conf, n_mbufs, "mbufs", 0, 0, 16777216, "packets",
		    "packet buffers; 0: as many as queues, rings and bursts can hold"),
	SETTING_U32(struct app_conf, record_chunks, "recordChunks", 1000000, 256, 16777216, "KB",
		    "memory for records of each worker, from the first value found until the sinks have them"),
	SETTING_U64(
		struct app_conf, parser_bytes, "parserMemory", 1073741824, 1048576, 1099511627776, "bytes",
		"memory of all workers for what parsers keep of open sessions; touched as it is used; when there is no "
		"more, parsers end early"),
	SETTING_U64(struct app_conf, reserved_bytes, "reservedMemory", 0, 0, 1099511627776, "bytes",
		    "reserved 2 MB pages (vm.nr_hugepages) that the tables of sessions, records and parsers may begin "
		    "in, of those that EAL leaves; 0: none, other processes want them"),
	SETTING_U32(struct app_conf, receive_ring, "receiveRing", 2048, 128, 32768, "packets",
		    "slots of each receive ring or queue (a power of two)"),
	SETTING_U32(struct app_conf, handoff_ring, "handoffRing", 2048, 128, 32768, "packets",
		    "slots of each ring by which a worker hands packets to another one, live; there is one for each "
		    "ordered "
		    "pair of workers"),
	SETTING_U32(
		struct app_conf, merge_window_ms, "mergeWindow", 0, 0, 5000, "milliseconds",
		"packets of several ports and queues are put in the order of their time stamps: how long one waits at "
		"most for older ones; 0: they are taken as they come"),
	SETTING_BOOL(struct app_conf, stage_times, "stageTimes", "false",
		     "measure how long each stage of the packet path takes (costs about 1 ns a packet)"),
	SETTING_STR(struct app_conf, name_regex, "offlineFilenameRegex", "(?i)\\.(pcap|pcapng|cap)(\\.(gz|zst))?$",
		    "file names accepted when reading folders"),
};
SETTINGS(app, "Process: roles, lcores, pools", app_settings);
