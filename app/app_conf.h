/* Settings of the process as a whole: roles, lcores, pools. */
#ifndef APP_CONF_H
#define APP_CONF_H

#include "conf.h"

enum idle_mode { IDLE_AUTO, IDLE_SPIN, IDLE_PAUSE, IDLE_SLEEP };

enum telemetry_mode { TELEMETRY_AUTO, TELEMETRY_ON, TELEMETRY_OFF };

struct app_conf {
	uint32_t lcores, workers; /* 0: by the machine */
	int idle;
	int telemetry;
	uint32_t max_sessions;
	uint32_t n_mbufs; /* 0: by ports, rings and bursts */
	uint32_t record_chunks;
	uint64_t parser_bytes;
	uint64_t reserved_bytes;
	uint32_t receive_ring, handoff_ring;
	uint32_t merge_window_ms; /* 0: packets of several ports are taken as they come */
	bool stage_times;
	const char *name_regex; /* offlineFilenameRegex */
};
extern const struct setting_group app_settings_group;

#endif
