// Frames that libpcap brings, copied into a batch.
//
// libpcap's bytes live only until it reads the next packet, and a batch must live until release():
// so each frame is copied, once, into a buffer of the source's own that is used again for the next
// batch and stays in the cache.
#include "capture/pcap_parts.h"

#include <string.h>

#define SECONDS_MAX (INT64_C(1) << 33) // year 2242; in ns it still fits 63 bits

enum link_type frames_link_type(int dlt)
{
	switch (dlt) {
	case DLT_EN10MB:
		return LINK_ETHERNET;
	case 12: // LINKTYPE_RAW as various systems number it
	case 14:
	case DLT_IPV4:
	case DLT_IPV6:
		return LINK_RAW_IP;
	case DLT_LINUX_SLL:
		return LINK_COOKED_1;
	case DLT_LINUX_SLL2:
		return LINK_COOKED_2;
	case DLT_NULL:
		return LINK_NULL;
	case DLT_LOOP:
		return LINK_LOOP;
	default:
		return LINK_OTHER;
	}
}

// A timestamp of nanosecond precision in ns since 1970, or -1 when it is none. Classic files hold
// 32 bits of seconds without a sign, which libpcap reads with one.
static int64_t timestamp_ns(const struct timeval *ts)
{
	int64_t seconds = ts->tv_sec;
	int64_t fraction = ts->tv_usec;

	if (seconds < 0 && seconds >= INT32_MIN)
		seconds += INT64_C(1) << 32;
	if (seconds < 0 || seconds > SECONDS_MAX)
		return -1;
	if (fraction < 0 || fraction >= (int64_t)NS_PER_S)
		fraction = 0;
	return seconds * (int64_t)NS_PER_S + fraction;
}

// Each frame begins a cache line: most headers are within one.
static uint32_t frame_room(uint32_t len)
{
	return (len + CACHE_LINE - 1) & ~(uint32_t)(CACHE_LINE - 1);
}

bool frames_full(const struct capture *capture)
{
	return FRAMES_SIZE - capture->used < FRAME_MAX;
}

static void add(struct capture *capture, const struct timeval *ts, uint32_t cap_len,
	uint32_t wire_len, const uint8_t *frame)
{
	struct packet *p = &capture->batch->packets[capture->batch->count++];
	int64_t ts_ns = timestamp_ns(ts);

	p->data = frame;
	p->cap_len = cap_len;
	p->wire_len = MAX(wire_len, cap_len);
	p->ts_ns = ts_ns >= 0 ? (uint64_t)ts_ns : CAPTURE_NO_TIME;
	p->iface = capture->iface;
}

// libpcap's callback: one packet into the batch.
void frames_keep(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes)
{
	struct capture *capture = (struct capture *)user;
	struct packet_batch *batch = capture->batch;
	uint32_t len = MIN(head->caplen, (uint32_t)FRAME_MAX);
	uint8_t *frame = capture->frames + capture->used;

	INVARIANT(batch->count < PACKET_BATCH_MAX && capture->used + len <= FRAMES_SIZE);
	memcpy(frame, bytes, len);
	capture->used += frame_room(len);
	add(capture, &head->ts, len, MAX(head->len, head->caplen), frame);
	if (frames_full(capture))
		pcap_breakloop(capture->pcap);
}

// The packet that the batch before left to this one.
void frames_take_held(struct capture *capture, struct packet_batch *batch)
{
	if (!capture->holds)
		return;
	memmove(capture->frames, capture->held.data, capture->held.cap_len);
	capture->held.data = capture->frames;
	capture->used = frame_room(capture->held.cap_len);
	capture->holds = false;
	batch->packets[batch->count++] = capture->held;
}

void frames_begin(struct capture *capture, struct packet_batch *batch)
{
	batch->count = 0;
	batch->link = capture->link;
	capture->used = 0;
	capture->batch = batch;
}

// What libpcap has, up to a full batch. Returns libpcap's last word, an error after packets
// included.
int frames_dispatch(struct capture *capture, struct packet_batch *batch)
{
	int count;

	frames_begin(capture, batch);
	frames_take_held(capture, batch);
	uint32_t held = batch->count;
	do { // a break asked for in the batch before may still be pending
		count = pcap_dispatch(capture->pcap, (int)(PACKET_BATCH_MAX - held), frames_keep,
			(u_char *)capture);
	} while (count == PCAP_ERROR_BREAK && batch->count == held);
	capture->packets += batch->count;
	return count == PCAP_ERROR_BREAK ? 0 : count;
}

// A file's clock, which may leave the last packet to the next batch.
void frames_set_time(struct capture *capture, struct packet_batch *batch, bool more)
{
	if (!capture_clock_file(&capture->clock, batch, more))
		return;
	const struct packet *last = &batch->packets[--batch->count];
	if (capture->plain) {
		plain_file_back(&capture->file, last->cap_len);
	} else {
		capture->held = *last;
		capture->holds = true;
	}
	capture->packets--;
}
