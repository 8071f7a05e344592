// The capture filter, in pcap-filter(7)'s words.
#include "capture/pcap_parts.h"

#include "core/base/own_connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int filter_apply(
	struct capture *capture, struct bpf_program *program, char error[CAPTURE_ERROR_SIZE])
{
	if (pcap_setfilter(capture->pcap, program) == 0)
		return 0;
	return capture_explain(
		error, -EINVAL, "the capture filter cannot be set: %s", pcap_geterr(capture->pcap));
}

int filter_compile(struct capture *capture, const char *filter, char error[CAPTURE_ERROR_SIZE])
{
	free(capture->filter_text);
	capture->filter_text = filter != NULL && *filter != '\0' ? strdup(filter) : NULL;
	if (capture->filter_text == NULL && filter != NULL && *filter != '\0')
		return capture_explain(error, -ENOMEM, "no memory for the capture filter");
	if (pcap_compile(capture->pcap, &capture->filter, filter != NULL ? filter : "", 1,
		    PCAP_NETMASK_UNKNOWN) == 0)
		return 0;
	return capture_explain(error, -EINVAL,
		"the capture filter does not fit pcap-filter(7) or the link type: %s",
		pcap_geterr(capture->pcap));
}

int filter_set(struct capture *capture, const char *filter, char error[CAPTURE_ERROR_SIZE])
{
	if (filter == NULL || *filter == '\0')
		return 0;
	int err = filter_compile(capture, filter, error);
	return err ? err : filter_apply(capture, &capture->filter, error);
}

// "(FILTER) and not (tcp and ((host L and host P and port N) or ...))"; NULL: no memory.
static char *text_without_own(const struct capture *capture, uint32_t count)
{
	enum { ONE_SIZE = 160 };
	const char *base = capture->filter_text;
	size_t size = (base != NULL ? strlen(base) : 0) + ONE_SIZE * (count + 1), used = 0;
	char *text = malloc(size);

	if (text == NULL)
		return NULL;
	if (base != NULL)
		used += (size_t)snprintf(text, size, "(%s) and ", base);
	for (uint32_t i = 0; i < count; i++) {
		const struct own_connection *c = own_connections_at(i);
		char local[INET6_ADDRSTRLEN], peer[INET6_ADDRSTRLEN];
		int family = c->ip6 ? AF_INET6 : AF_INET;
		inet_ntop(family, c->local, local, sizeof(local));
		inet_ntop(family, c->peer, peer, sizeof(peer));
		used += (size_t)snprintf(text + used, size - used,
			"%s(host %s and host %s and port %u)", i == 0 ? "not (tcp and (" : " or ",
			local, peer, c->port);
	}
	snprintf(text + used, size - used, "))");
	return text;
}

void filter_leave_out_own(struct capture *capture)
{
	uint32_t count = own_connections_count();
	char *text = text_without_own(capture, count);
	struct bpf_program program;

	capture->own_known = count;
	if (text == NULL ||
		pcap_compile(capture->pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		free(text); // the filter stays as it is
		own_connections_miss();
		return;
	}
	struct sock_fprog kernel = {
		.len = (unsigned short)program.bf_len,
		.filter = (struct sock_filter *)program.bf_insns,
	};
	static_assert(sizeof(struct sock_filter) == sizeof(struct bpf_insn));
	// One takes the other's place, where libpcap would first let nothing pass. Only what comes
	// without a link header is addressed otherwise, which libpcap knows.
	int failed;
	if (capture->link == LINK_COOKED_1 || capture->link == LINK_COOKED_2)
		failed = pcap_setfilter(capture->pcap, &program);
	else
		failed = setsockopt(
			capture->fd, SOL_SOCKET, SO_ATTACH_FILTER, &kernel, sizeof(kernel));
	if (failed != 0)
		own_connections_miss();
	pcap_freecode(&program);
	free(text);
}
