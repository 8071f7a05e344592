// Whether an interface can be heard: interface_watch.h.
#include "capture/interface_watch.h"

#include "core/base/clock.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

// How long one that is down is not looked at: first, and at the most.
#define LOOK_MIN_NS (100 * NS_PER_MS)
#define LOOK_MAX_NS (2 * NS_PER_S)

// Its name by its index. False: it is not there any more.
static bool find_name(const struct interface_watch *w, struct ifreq *ret_name)
{
	*ret_name = (struct ifreq){.ifr_ifindex = w->index};
	return ioctl(w->fd, SIOCGIFNAME, ret_name) == 0;
}

static bool is_up(const struct interface_watch *w)
{
	struct ifreq request;

	return find_name(w, &request) && ioctl(w->fd, SIOCGIFFLAGS, &request) == 0 &&
		(request.ifr_flags & IFF_UP);
}

// What the interface of this name is now: its index, and ARPHRD_*; 0: there is none.
static int find_named(const struct interface_watch *w, int *ret_hardware)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", w->name);
	if (ioctl(w->fd, SIOCGIFHWADDR, &request) != 0)
		return 0;
	*ret_hardware = request.ifr_hwaddr.sa_family;
	return ioctl(w->fd, SIOCGIFINDEX, &request) == 0 ? request.ifr_ifindex : 0;
}

// An interface that was removed and made anew by its name, as a modem is that comes back, is
// another to the kernel. The socket is bound to that one: unlike a new socket that takes no
// privileges, which are gone by now. Filter, ring and link type stay.
static bool bind_anew(struct interface_watch *w)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};
	int hardware, error;
	socklen_t len = sizeof(error);

	address.sll_ifindex = find_named(w, &hardware);
	if (address.sll_ifindex == 0 || hardware != w->hardware ||
		bind(w->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return false;
	w->index = address.sll_ifindex;
	getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len); // that it is not up yet
	struct packet_mreq all = {.mr_ifindex = w->index, .mr_type = PACKET_MR_PROMISC};
	if (w->promiscuous)
		setsockopt(w->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
	return true;
}

// Whether it can be heard, by what the kernel says now.
static bool look(struct interface_watch *w)
{
	if (w->down && clock_steady_ns() < w->look_ns)
		return false;
	if (is_up(w))
		return true;
	if (w->down && !interface_watch_there(w) && bind_anew(w) && is_up(w))
		return true;
	w->look_pause_ns = w->down ? MIN(2 * w->look_pause_ns, LOOK_MAX_NS) : LOOK_MIN_NS;
	w->look_ns = clock_steady_ns() + w->look_pause_ns;
	return false;
}

void interface_watch_start(struct interface_watch *w, int fd, const char *name, bool promiscuous)
{
	*w = (struct interface_watch){.fd = fd, .name = name, .promiscuous = promiscuous};
	w->index = find_named(w, &w->hardware);
	w->watched = is_up(w);
}

bool interface_watch_heard(struct interface_watch *w)
{
	bool heard = !w->watched || look(w);

	w->times_down += !heard && !w->down;
	w->down = !heard;
	return heard;
}

bool interface_watch_there(const struct interface_watch *w)
{
	struct ifreq request;

	return find_name(w, &request);
}
