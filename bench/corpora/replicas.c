// Corpora B and E: real traffic again and again. In B every replica has clients of its own and
// starts when it likes within ten minutes; in E four houses live the same minutes many times.
#include "corpora.h"
#include "frames.h"

#include <stdlib.h>

struct event {
	uint64_t at_us;
	uint32_t replica;
	uint32_t frame;
};

static int compare(const void *left, const void *right)
{
	const struct event *a = left, *b = right;

	if (a->at_us != b->at_us)
		return a->at_us < b->at_us ? -1 : 1;
	if (a->replica != b->replica)
		return a->replica < b->replica ? -1 : 1;
	return a->frame < b->frame ? -1 : a->frame > b->frame;
}

// Each capture of each replica starts at a moment of its own.
static struct event *schedule(
	const struct frames *frames, uint32_t replicas, uint32_t window_s, uint32_t *ret_count)
{
	struct chance chance = chance_of(1);
	struct event *events = calloc((size_t)frames->count * replicas, sizeof(*events));
	uint64_t *starts = calloc(frames->file_count, sizeof(*starts));
	uint32_t count = 0;

	if (events == NULL || starts == NULL)
		abort();
	for (uint32_t replica = 0; replica < replicas; replica++) {
		for (uint32_t file = 0; file < frames->file_count; file++)
			starts[file] = chance_below(&chance, window_s * 1000000);
		for (uint32_t i = 0; i < frames->count; i++) {
			const struct frame *frame = &frames->list[i];
			events[count++] =
				(struct event){starts[frame->file] + frame->at_us, replica, i};
		}
	}
	free(starts);
	qsort(events, count, sizeof(*events), compare);
	*ret_count = count;
	return events;
}

void make_replicas(struct output *out, uint32_t packets, const struct replicas *how,
	char *const *paths, int path_count)
{
	struct frames frames;
	uint8_t bytes[FRAME_SIZE_MAX];
	uint32_t count;

	frames_load(&frames, paths, path_count);
	frames_shorten(&frames, how->packets_max, how->large_max);
	uint32_t replicas = packets / frames.count + 1;
	struct event *events = schedule(&frames, replicas, how->window_s, &count);
	for (uint32_t i = 0; i < count && i < packets; i++) {
		const struct frame *frame = &frames.list[events[i].frame];
		uint32_t replica = events[i].replica, turn = 0;
		if (how->houses) {
			turn = replica / how->houses;
			replica %= how->houses;
		}
		frame_rewrite(frame, replica, turn, bytes);
		output_packet(out, events[i].at_us, bytes, frame->len);
	}
	free(events);
	frames_free(&frames);
}
