// A filter over Ethernet frames in memory, by libpcap's compiler and interpreter.
#include "capture/frame_filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

struct frame_filter {
	struct bpf_program program;
};

int frame_filter_new(struct frame_filter **ret, const char *text, char error[CAPTURE_ERROR_SIZE])
{
	if (text == NULL || *text == '\0') {
		*ret = NULL;
		return 0;
	}
	struct frame_filter *filter = calloc(1, sizeof(*filter));
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, INT16_MAX);
	int err = 0;
	if (filter == NULL || pcap == NULL) {
		snprintf(error, CAPTURE_ERROR_SIZE, "no memory for the capture filter");
		err = -ENOMEM;
	} else if (pcap_compile(pcap, &filter->program, text, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		snprintf(error, CAPTURE_ERROR_SIZE,
			"the capture filter does not fit pcap-filter(7): %s", pcap_geterr(pcap));
		err = -EINVAL;
	}
	if (pcap != NULL)
		pcap_close(pcap);
	if (err)
		free(filter);
	else
		*ret = filter;
	return err;
}

void frame_filter_free(struct frame_filter *filter)
{
	if (filter == NULL)
		return;
	pcap_freecode(&filter->program);
	free(filter);
}

bool frame_filter_passes(const struct frame_filter *filter, const uint8_t *frame, uint32_t cap_len,
	uint32_t wire_len)
{
	return filter == NULL ||
		bpf_filter(filter->program.bf_insns, frame, wire_len, cap_len) != 0;
}
