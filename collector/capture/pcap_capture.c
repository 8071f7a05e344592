// Capture source over libpcap (pcap_capture.h), the first stage of the pipeline of `weir`: its
// operations. Files, live interfaces and the frames that libpcap brings are in pcap_*.c.
#include "capture/pcap_capture.h"

#include "capture/pcap_parts.h"
#include "core/base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void capture_close(struct capture *capture)
{
	if (capture == NULL)
		return;
	if (capture->pcap != NULL)
		pcap_close(capture->pcap);
	byte_stream_free(capture->stream);
	pcap_freecode(&capture->filter);
	plain_file_close(&capture->file);
	memory_release(capture->frames, FRAMES_SIZE);
	free(capture->file_buffer);
	free(capture->filter_text);
	free(capture->name);
	free(capture);
}

// Whether the configuration says what to read, and can be met. Returns 0 or -EINVAL.
static int check(const struct capture_config *config, char error[CAPTURE_ERROR_SIZE])
{
	if (config->file == NULL && config->interface == NULL)
		return capture_explain(error, -EINVAL,
			"nothing to read: give a capture file (-r FILE) or an interface (-i "
			"INTERFACE)");
	if (config->file != NULL && config->interface != NULL)
		return capture_explain(
			error, -EINVAL, "give either a capture file or an interface");
	if (config->file != NULL && config->queues > 1)
		return capture_explain(error, -EINVAL, "\"%s\" has one receive queue only",
			file_title(config->file));
	return 0;
}

// What it reads, with the filter set. Returns 0 or -errno.
static int open_source(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE])
{
	int err = config->file != NULL ? file_open(capture, config->file, error)
				       : live_open(capture, config, error);

	if (!err && config->queues > 1)
		err = live_open_queue(capture, config, error);
	else if (!err)
		err = filter_set(capture, config->filter, error);
	return err;
}

static int capture_open(struct capture **ret, const struct capture_config *config, uint16_t queue,
	char error[CAPTURE_ERROR_SIZE])
{
	const char *name = config->file != NULL ? file_title(config->file) : config->interface;

	int err = check(config, error);
	if (err)
		return err;
	INVARIANT(queue < MAX(config->queues, 1) && (queue == 0 || config->first != NULL));
	struct capture *capture = calloc(1, sizeof(*capture));
	if (capture == NULL)
		return capture_explain(error, -ENOMEM, "no memory to open \"%s\"", name);
	capture->fd = -1;
	capture->iface = config->iface;
	capture->poll_ms = MAX(config->poll_ms, 1u);
	capture->shared_wait = config->shared_wait;
	capture->packet_clock = config->packet_clock;
	capture->exit_idle_ns = config->exit_idle_ns;
	capture->name = strdup(name);
	capture->frames = memory_reserve(FRAMES_SIZE);
	if (capture->name == NULL || capture->frames == NULL)
		err = capture_explain(error, -ENOMEM, "no memory to open \"%s\"", name);
	else
		err = open_source(capture, config, error);
	if (err) {
		capture_close(capture);
		return err;
	}
	capture->link = (uint8_t)frames_link_type(pcap_datalink(capture->pcap));
	bool filtered = config->filter != NULL && *config->filter != '\0';
	if (config->file != NULL && !filtered)
		file_open_plain(capture);
	*ret = capture;
	return 0;
}

static int capture_receive(struct capture *capture, struct packet_batch *batch)
{
	return capture->fd < 0 ? file_receive(capture, batch) : live_receive(capture, batch);
}

// Only a plain file's bytes lie where they need not be overwritten.
static struct capture_loan *capture_loan_of(struct capture *capture)
{
	return capture->plain ? plain_file_loan(&capture->file) : NULL;
}

static void capture_confirm(
	struct capture *capture, struct packet_batch *batch, struct counters *counters)
{
	struct capture_loan *loan = capture_loan_of(capture);

	if (loan != NULL)
		capture_loan_confirm(&loan, 1, batch, counters);
}

// The bytes are the source's own, and used again by the next receive().
static void capture_release(struct capture *, struct packet_batch *batch)
{
	batch->count = 0;
}

static int capture_descriptor(struct capture *capture)
{
	return capture->fd;
}

static const char *capture_error(struct capture *capture)
{
	return capture->error;
}

const struct capture_ops pcap_capture_ops = {
	.name = "pcap",
	.open = capture_open,
	.start = live_start,
	.receive = capture_receive,
	.loan = capture_loan_of,
	.confirm = capture_confirm,
	.release = capture_release,
	.descriptor = capture_descriptor,
	.stats = live_stats,
	.error = capture_error,
	.close = capture_close,
};
