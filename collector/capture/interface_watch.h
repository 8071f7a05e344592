// Watches whether the interface that a socket captures from can be heard: it goes down and comes up
// again, or is removed and made anew by its name. The source's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct interface_watch {
	int fd; // of AF_PACKET, bound to the interface; borrowed
	const char *name; // borrowed
	bool promiscuous;
	bool watched; // a network interface that can go down, not "any"
	bool down;
	int index; // one made anew by its name has another
	int hardware; // what it is, as ARPHRD_*: libpcap has the link type by that
	uint64_t look_ns, look_pause_ns; // steady: when one that is down is looked at again
	uint64_t times_down;
};

// As it is now.
void interface_watch_start(
	struct interface_watch *watch, int fd, const char *name, bool promiscuous);

// Whether it can be heard. One that is down is looked at now and then; what was made anew is heard
// from here on.
bool interface_watch_heard(struct interface_watch *watch);

// Whether the very interface that it was is still there, down or up.
bool interface_watch_there(const struct interface_watch *watch);
