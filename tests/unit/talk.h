// A conversation shown to one classifier, packet by packet, as core/classify shows it; for its unit
// tests, the property test and the fuzz targets.
//
// A conversation can be written as a script, which is also the fuzz targets' input:
//   one octet     enum talk_kind
//   then packets: control, length (two octets, high first), octets.
//   control       bit 0: the end that sends; bit 1: cut, ten octets more were on the wire; bits
//   2-7:
//                 half seconds since the packet before
#pragma once

#include "fake_report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the octets of a packet are. Ends: 10.0.0.1 and 192.0.2.7, or fe80::1 and 2001:db8::2.
enum talk_kind {
	TALK_UDP, // payload
	TALK_TCP, // payload
	TALK_UDP6, // payload
	TALK_FRAME, // a whole Ethernet frame without a flow: ARP
	TALK_FRAME6, // the same, of IPv6 and ICMPv6: NDP
	TALK_KINDS,
};
enum { TALK_SCRIPT_MAX = 1 << 16 };

struct talk {
	const struct classifier_ops *ops;
	enum talk_kind kind;
	void *self, *state;
	struct report *report;
	struct flow_view view;
	uint64_t now_ns;
	uint32_t seq[2]; // of the next segment
	uint8_t ip[2][16];
	bool joined; // TCP whose beginning was not seen
	bool enough; // the classifier said so, or its limit is reached: it is shown no more
	bool finished;
	uint8_t script[TALK_SCRIPT_MAX];
	size_t script_len;
};

struct talk *talk_new(const struct classifier_ops *ops, enum talk_kind kind);
void talk_free(struct talk *talk); // accepts NULL

// End `from` (0 or 1) sends these octets `after_ms` later (a multiple of 500 to be scripted
// exactly), of which the last `cut_len` are not in the capture.
void talk_say_later(struct talk *talk, unsigned from, const void *bytes, size_t len,
	unsigned after_ms, unsigned cut_len);
void talk_say(struct talk *talk, unsigned from, const void *bytes, size_t len);

// The flow's end: the classifier's last word.
void talk_end(struct talk *talk);

// Plays a script into `report`, which is forgotten first; every packet is a copy of its own exact
// size. `say_cut`: packet number `say_cut` (from 0) is cut to `cut_to` octets, the capture's snap
// length; SIZE_MAX: none.
void talk_play(const struct classifier_ops *ops, struct report *report, const uint8_t *script,
	size_t script_len, size_t say_cut, size_t cut_to);

// Whether everything told was in the script: texts in one packet (whole or in pieces), DNS
// names label by label. Ends the process where it was not.
void talk_check_claims(const struct report *report, const uint8_t *script, size_t script_len);

// For the end of a unit test: ends the flow; plays it again cut at every length, each time checking
// the claims; writes the script to $WEIR_CORPUS/NAME when that is set; frees.
void talk_close(struct talk *talk, const char *name);
