// The capture filter, in pcap-filter(7)'s words.
#include "capture/pcap_parts.h"

#include <errno.h>

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
