// Every setting, in one table: its place in the YAML file, type, default, bounds, help. Parser,
// command line, help, the commented weir.yaml and its check in a test all come from SETTINGS.
//
// Settings are read by main before any thread starts and are read-only from then on. Strings and
// lists belong to the struct.
#pragma once

#include "core/settings/problems.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// A list or a map of the file as it stands there, each with its line; checked by whoever uses it.
struct setting_item {
	char *key; // of a map; NULL in a list
	char *value;
	unsigned line; // 0: from the command line or the default
};

struct setting_list {
	struct setting_item *items;
	size_t count;
};

enum setting_source { SOURCE_FILE, SOURCE_INTERFACE };
enum setting_fanout { FANOUT_HASH, FANOUT_FLOW };
enum setting_overload { OVERLOAD_AUTO, OVERLOAD_WAIT, OVERLOAD_DROP };
enum setting_admission { ADMISSION_AUTO, ADMISSION_ON, ADMISSION_OFF };
enum setting_profile { PROFILE_BASIC, PROFILE_STANDARD, PROFILE_FULL };
enum setting_exporter { EXPORTER_FILE, EXPORTER_KAFKA, EXPORTER_NULL };
enum setting_format { FORMAT_PROTOBUF, FORMAT_JSON };
enum setting_limits { LIMITS_DEFAULT, LIMITS_GATEWAY, LIMITS_SERVER, SETTING_LIMITS_COUNT };
enum setting_log { SETTING_LOG_ERROR, SETTING_LOG_WARNING, SETTING_LOG_INFO };

// X(member, path, kind, default, min, max or allowed values, help)
//   TEXT      char *; default NULL or a string; bounds: longest length
//   NUMBER    uint64_t; bounds inclusive
//   BYTES     uint64_t octets; written 64MiB, 10KiB, 1GiB or a plain number; bounds in octets
//   DURATION  uint64_t ns; written 30s, 5m, 1h, 90d, 250ms; bounds in ms
//   FLAG      bool; yes/no, true/false, on/off
//   CHOICE    enum, in the order of the allowed values "a|b|c"
//   LIST      struct setting_list; a YAML sequence of scalars; default: comma-separated
//   MAP       struct setting_list; a YAML mapping of scalars; default: empty
#define SETTINGS(X) \
	X(tenant, "tenant", TEXT, "default", 1, 64, "Who this gateway's data belongs to") \
	X(site, "site", TEXT, "default", 1, 64, "The place where this gateway stands") \
	X(collector_id, "collector_id", TEXT, NULL, 32, 36, \
		"This collector's id, 32 hex digits; made once and kept in state_dir otherwise") \
	X(state_dir, "state_dir", TEXT, "/var/lib/weir", 1, 4096, \
		"Where the collector keeps its id; made when absent") \
	X(user, "user", TEXT, "nobody", 0, 32, \
		"The user to become once the source is open, when started as root; \"\" to stay") \
	X(log_level, "log_level", CHOICE, "info", 0, "error|warning|info", \
		"The least important lines to log") \
	X(limits, "limits", CHOICE, "default", 0, "default|gateway|server", \
		"How much memory the tables take where the settings below do not say: gateway, a " \
		"box " \
		"of 512 MiB; server, a mirror port of 10 Gb/s and more") \
	X(shards, "shards", NUMBER, "1", 1, 64, \
		"Threads that share the packets, each flow on one of them; limits of flows and " \
		"DPI " \
		"are shared out") \
	X(cpus, "cpus", TEXT, "auto", 1, 256, \
		"The core of each shard, such as 2,4-6; auto: one each where there are enough; " \
		"any; " \
		"weir-dpdk has EAL's") \
	X(interfaces, "capture.interface", LIST, "", 0, 16, \
		"The interfaces to listen on; after the name of each, as you need them: " \
		"role=lan, " \
		"role=mirror (its own prefixes are nobody's) or role=wan (counted only), " \
		"group=NAME (both halves of a tap are one group), name=NAME (for records)") \
	X(interface_name, "capture.name", TEXT, NULL, 1, 64, \
		"What records call the only interface, or the files; its own name otherwise") \
	X(files, "capture.files", LIST, "", 0, 256, \
		"Capture files to read in place of interfaces, merged in order of time; - is " \
		"standard input") \
	X(filter, "capture.filter", TEXT, "", 0, 4096, \
		"Collect only what matches, in pcap-filter(7) words") \
	X(fanout, "capture.fanout", CHOICE, "hash", 0, "hash|flow", \
		"With several shards, live: the kernel shares packets out by its own hash, or by " \
		"a " \
		"program of ours, which also knows MPLS and fragments") \
	X(snaplen, "capture.snaplen", NUMBER, "2048", 64, 262144, \
		"Octets kept of each frame, live; files have theirs") \
	X(buffer, "capture.buffer", BYTES, "16MiB", 1 << 20, 1 << 30, \
		"The kernel's ring for live capture, for each shard; with weir-dpdk a port's " \
		"packets") \
	X(poll, "capture.poll", DURATION, "100ms", 1, 1000, "The longest wait for packets") \
	X(promiscuous, "capture.promiscuous", FLAG, "yes", 0, 0, "Also frames for other stations") \
	X(mtu, "capture.mtu", NUMBER, "1500", 68, 65535, \
		"weir-dpdk: the port takes frames of so many octets behind their Ethernet header") \
	X(dedup, "capture.dedup", FLAG, "no", 0, 0, \
		"Drop exact copies of frames, which some mirror ports make") \
	X(dedup_window, "capture.dedup_window", DURATION, "10ms", 1, 10000, \
		"A copy comes after so long a time at the most") \
	X(overload, "capture.overload", CHOICE, "auto", 0, "auto|wait|drop", \
		"When export is slow: live sources drop and files wait, unless told otherwise") \
	X(local, "networks.local", LIST, \
		"10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,100.64.0.0/10,fc00::/" \
		"7,fe80::/10", \
		0, 256, "Addresses of clients; link prefixes and neighbours count as well") \
	X(routers, "networks.routers", LIST, "", 0, 256, \
		"MAC addresses of routers with clients behind them") \
	X(flows_max, "flow.max", NUMBER, "262144", 1024, 16777216, \
		"Flows at one time; then the oldest is evicted") \
	X(vlan_in_key, "flow.vlan_in_key", FLAG, "yes", 0, 0, \
		"The same addresses in two VLANs are two flows") \
	X(idle_tcp, "flow.idle_tcp", DURATION, "60s", 1000, 540000, \
		"A TCP flow ends after so long a silence") \
	X(idle_udp, "flow.idle_udp", DURATION, "30s", 1000, 540000, "The same for UDP") \
	X(idle_icmp, "flow.idle_icmp", DURATION, "10s", 1000, 540000, \
		"The same for everything else") \
	X(idle_closed, "flow.idle_closed", DURATION, "5s", 1000, 540000, \
		"The same for TCP that was closed") \
	X(active, "flow.active", DURATION, "300s", 1000, 540000, \
		"A long flow is reported so often") \
	X(dpi, "dpi.enabled", FLAG, "yes", 0, 0, "Recognise applications by libnDPI") \
	X(dpi_states_max, "dpi.states", NUMBER, "32768", 64, 1048576, \
		"Undecided flows at one time") \
	X(dpi_memory, "dpi.memory", BYTES, "64MiB", 4 << 20, UINT64_C(4) << 30, \
		"For what libnDPI allocates inside") \
	X(dpi_packets_max, "dpi.packets", NUMBER, "16", 1, 32, \
		"Packets with payload that libnDPI sees of a flow") \
	X(admission, "dpi.admission", CHOICE, "auto", 0, "auto|on|off", \
		"Limit the new flows that libnDPI is shown: live sources do and files do not, " \
		"unless told otherwise") \
	X(admission_rate, "dpi.admission_rate", NUMBER, "50000", 100, 10000000, \
		"The limit: flows a second, for each shard") \
	X(dpi_plain, "dpi.plain", FLAG, "no", 0, 0, \
		"Leave it to libnDPI which of its dissectors it asks: slower, with the same " \
		"verdicts") \
	X(findings_max, "dpi.findings", NUMBER, "131072", 1024, 4194304, \
		"Chunks of 128 octets for names of live flows") \
	X(clients_max, "clients.max", NUMBER, "16384", 64, 1048576, \
		"Clients at one time; then those met only once give way first, and who finds no " \
		"place is counted") \
	X(clients_random_max, "clients.random_max", NUMBER, "8192", 16, 1048576, \
		"Of these, with random MACs") \
	X(answers_max, "clients.answers", NUMBER, "65536", 256, 4194304, \
		"DNS answers kept to name flows") \
	X(usage_max, "usage.max", NUMBER, "65536", 256, 4194304, \
		"Usage rows of one window, at most half for clients met only once; the rest is " \
		"booked as other") \
	X(usage_window, "usage.window", DURATION, "300s", 60000, 86400000, \
		"One usage row covers so long") \
	X(profile, "privacy.profile", CHOICE, "standard", 0, "basic|standard|full", \
		"Where the policy starts from") \
	X(rules, "privacy.fields", MAP, "", 0, 1024, \
		"Field by field: keep, drop, pseudonym, truncate: N, domain, bucket: T; see weir " \
		"explain") \
	X(exclude_macs, "privacy.exclude.mac", LIST, "", 0, 1024, \
		"Of these MAC addresses nothing leaves") \
	X(exclude_subnets, "privacy.exclude.subnet", LIST, "", 0, 1024, \
		"Of addresses in these subnets nothing leaves") \
	X(key_file, "privacy.key_file", TEXT, NULL, 1, 4096, \
		"Key of the pseudonyms, 32 octets or more, readable by its owner only; a random " \
		"one for this run otherwise") \
	X(retention, "privacy.retention", DURATION, "90d", 3600000, UINT64_C(7776000000), \
		"When what leaves expires") \
	X(policy_id, "privacy.id", TEXT, "default", 1, 64, "What this policy is called") \
	X(policy_version, "privacy.version", TEXT, "1", 1, 32, "And which version of it") \
	X(region, "region", TEXT, NULL, 1, 64, "Where the data may go; stands in every segment") \
	X(exporter, "export.exporter", CHOICE, "file", 0, "file|kafka|null", "Where records go") \
	X(format, "export.format", CHOICE, "protobuf", 0, "protobuf|json", "How rows are written") \
	X(batches, "export.batches", NUMBER, "24", 8, 4096, "Batches between ledger and exporter") \
	X(batch_bytes, "export.batch_bytes", BYTES, "1MiB", 16 << 10, 4 << 20, \
		"A batch is sealed at this size") \
	X(batch_age, "export.batch_age", DURATION, "1s", 10, 60000, "or at this age") \
	X(shutdown_timeout, "export.shutdown_timeout", DURATION, "10s", 100, 600000, \
		"At the end, export may take so long") \
	X(directory, "file.directory", TEXT, "weir-out", 1, 4096, \
		"Where segments are written; made when absent") \
	X(segment_bytes, "file.segment_bytes", BYTES, "64MiB", 64 << 10, UINT64_C(4) << 30, \
		"A segment is finished at this size") \
	X(segment_age, "file.segment_age", DURATION, "5m", 1000, 86400000, "or at this age") \
	X(zstd_level, "file.zstd_level", NUMBER, "0", 0, 19, \
		"Compression level of segments, as zstd counts; 0 is zstd's -1, for rows as like " \
		"as a flood's -2: a fifth faster than 1 for four hundredths more octets") \
	X(brokers, "kafka.brokers", TEXT, "127.0.0.1:9092", 1, 4096, \
		"Brokers to begin with, host:port, comma-separated") \
	X(topic_prefix, "kafka.topic_prefix", TEXT, "weir.", 0, 200, \
		"Topics are this and flows, clients, usage, health, erasures") \
	X(rows_per_message, "kafka.rows_per_message", NUMBER, "1", 1, 1000, \
		"Delimited rows in one message") \
	X(patience, "kafka.patience", DURATION, "60s", 1000, 86400000, \
		"Files: a run ends, its rows lost, when the brokers have taken none for so long") \
	X(kafka_properties, "kafka.properties", MAP, "", 0, 256, "Any librdkafka property")

#define SETTING_TYPE_TEXT char *
#define SETTING_TYPE_NUMBER uint64_t
#define SETTING_TYPE_BYTES uint64_t
#define SETTING_TYPE_DURATION uint64_t
#define SETTING_TYPE_FLAG bool
#define SETTING_TYPE_CHOICE unsigned
#define SETTING_TYPE_LIST struct setting_list
#define SETTING_TYPE_MAP struct setting_list

struct settings {
#define X(member, path, kind, initial, min, max, help) SETTING_TYPE_##kind member;
	SETTINGS(X)
#undef X
	char *path; // of the YAML file, or NULL
#define X(...) +1
	unsigned lines[0 SETTINGS(X)]; // of each setting there; 0: the default's
#undef X

	// From the command line only.
	char *output; // -o: a directory, or "-": rows to standard output
	uint64_t seed; // --seed: fixes ids, keys and reading time; 0: none
	bool packet_clock; // --clock packet: a live source has a file's clock
	uint64_t exit_idle; // --exit-idle: a live source ends after so long a silence, ns; 0: never
};

// Fills in every default. Returns 0 or -ENOMEM.
int settings_init(struct settings *settings);
void settings_fini(struct settings *settings); // accepts a half-made one

// Reads the file over what is there. All that is wrong goes to `problems`, not only the first;
// returns 0, or -EINVAL when there were any, or -errno when the file cannot be read (a problem says
// so).
int settings_read(struct settings *settings, const char *path, struct problems *problems);

// Sets one by its path, as the command line does ("flow.max", "1000"). The same checks.
int settings_set(
	struct settings *settings, const char *path, const char *value, struct problems *problems);

// Gives every setting that `limits` chooses and nobody has set its value of that preset, and
// clients.random_max half of clients.max where that was set lower than it. For when file and
// command line have been read.
void settings_apply_limits(struct settings *settings);

// One more value of a list, as it is: no commas are looked for. The same checks.
int settings_add(
	struct settings *settings, const char *path, const char *value, struct problems *problems);

void setting_list_clear(struct setting_list *list);

// What is wrong with a setting that only its user can judge: "FILE:LINE: path: text", or "command
// line: path: text" where it was given there.
__attribute__((format(printf, 4, 5))) void settings_complain(const struct settings *settings,
	const char *path, struct problems *problems, const char *format, ...);

// What a choice is set to, as its words are written: path "limits" gives "gateway". Of a setting
// that is no choice there is none.
#define SETTING_WORD_SIZE 16
void settings_word(
	const struct settings *settings, const char *path, char ret_word[SETTING_WORD_SIZE]);

// A time as settings are written: "250ms", "2s", "90d". Whether it is one that fits.
bool setting_parse_duration(const char *text, uint64_t *ret_ns);

// The commented weir.yaml with every default; and the list for --help.
void settings_print_yaml(FILE *out);
void settings_print_help(FILE *out);
