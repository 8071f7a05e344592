// The frames of captures of our own, in memory, with the places where they name a network or a
// host: a replica of them is the same traffic of other clients.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { FRAME_SIZE_MAX = 1518 };

enum place_kind {
	PLACE_NET4, // three bytes of a /24
	PLACE_NET6, // the last four bytes of a /64's prefix
	PLACE_HOST, // three bytes of a MAC, wherever: header, EUI-64, solicited-node group, DHCP
	PLACE_PORT, // a client's port
};

struct place {
	uint16_t offset;
	uint8_t kind;
	uint8_t idx; // of the network or host
};

struct frame {
	uint8_t *bytes;
	struct place *places;
	uint64_t at_us; // since the capture's first frame
	uint32_t len;
	uint32_t file;
	uint32_t flow; // frames of one conversation have one; UINT32_MAX: not IP
	uint16_t place_count;
	uint16_t ip, l4; // offsets; 0: none
	uint8_t version; // of IP, 0: none
	uint8_t protocol;
	bool backward; // from the one who did not begin
};

struct frames {
	struct frame *list;
	uint32_t count, capacity;
	uint32_t file_count;
	uint32_t flow_count;
	uint32_t host_count;
	uint8_t hosts[64][6];
};

// Takes the Ethernet frames of classic little-endian captures; others are named on stderr and
// left out. Ends the process where a file cannot be read.
void frames_load(struct frames *frames, char *const *paths, int path_count);
void frames_free(struct frames *frames);
// Leaves of each TCP conversation the first packets_max packets, of them the first large_max that
// are large, and its end; sequence numbers are lowered by what went.
void frames_shorten(struct frames *frames, uint32_t packets_max, uint32_t large_max);
// The frame as replica's networks and hosts send it, with right checksums; turn: another port for
// the same clients' next time. out holds frame->len bytes.
void frame_rewrite(const struct frame *frame, uint32_t replica, uint32_t turn, uint8_t *out);
