// classifiers/ndpi_lines.c leaves in a packet and its flow what libndpi's own function leaves, to
// the last octet: over made-up headers of HTTP with every field that libndpi knows, whole, cut off
// and misspelt, and over the packets of our own capture and of the corpus where it lies beside the
// sources.
#include "captures.h"
#include "classifiers/ndpi_lines.h"
#include "classifiers/ndpi_names.h"

#define NDPI_LIB_COMPILATION
#include <ndpi/ndpi_api.h>

#include <dlfcn.h>
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MADE = 300000, SIZE_MAX_MADE = 4096 };

static struct ndpi_detection_module_struct *module;
static struct ndpi_names names;
static uint64_t checked, with_lines, with_fields, full;
static uint32_t random_state = 1;

static uint32_t random_next(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223; // Knuth's LCG
	return (uint32_t)((uint64_t)random_state * below >> 32);
}

static int set_up(void **)
{
	module = ndpi_init_detection_module(ndpi_no_prefs);
	return module == NULL;
}

static int tear_down(void **)
{
	ndpi_names_now = NULL;
	ndpi_exit_detection_module(module);
	return 0;
}

// The packet is of exactly this size, so that a sanitizer sees a step behind it.
static void check(const uint8_t *payload, uint32_t len)
{
	static struct ndpi_packet_struct before, theirs;
	static struct ndpi_flow_struct flow[2];
	uint8_t *exact = malloc(len > 0 ? len : 1);

	assert_non_null(exact);
	memcpy(exact, payload, len);
	// What an earlier packet may have left.
	before.http_num_headers = (uint8_t)random_next(3);
	before.host_line.ptr = exact;
	before.host_line.len = (uint16_t)random_next(3);
	before.parsed_lines = (uint16_t)random_next(3);
	before.payload = exact;
	before.payload_packet_len = (uint16_t)len;
	before.packet_lines_parsed_complete = random_next(16) == 0;
	for (unsigned i = 0; i < 2; i++) {
		memset(&flow[i], 0, sizeof(flow[i]));
		module->packet = before;
		ndpi_names_now = i == 0 ? NULL : &names;
		ndpi_parse_packet_line_info(module, &flow[i]);
		if (i == 0)
			theirs = module->packet;
	}
	assert_memory_equal(&theirs, &module->packet, sizeof(theirs));
	assert_memory_equal(&flow[0], &flow[1], sizeof(flow[0]));
	checked++;
	with_lines += theirs.parsed_lines > 2;
	with_fields += theirs.parsed_lines > 2 && theirs.http_num_headers > 2;
	full += theirs.parsed_lines == NDPI_MAX_PARSE_LINES_PER_PACKET - 1;
	free(exact);
}

// ---- Made-up headers

static const char *const beginnings[] = {"Server:", "Host:", "X-Forwarded-For:", "Authorization:",
	"Accept:", "Referer:", "User-Agent:", "Content-Encoding:", "Transfer-Encoding:",
	"Content-Length:", "Content-Disposition:", "Cookie:", "Origin:", "X-Session-Type:", "Date:",
	"Vary:", "ETag:", "Pragma:", "Expires:", "Set-Cookie:", "Keep-Alive:", "Connection:",
	"Last-Modified:", "Accept-Ranges:", "Accept-Language:", "Accept-Encoding:",
	"Upgrade-Insecure-Requests:", "Content-Type:", "HTTP/1.1 200", "HTTP/1.0 404",
	"HTTP/1.1 555", "http/1.1 9", "GET / HTTP/1.1", "", "X", "Proxy-Connection:"};
static const char *const values[] = {"", "a", " ", "  ", "   text/html; charset=utf-8",
	"text/html;", " ;", " application/json\rX", "1234", " 42", " gzip, deflate", " \t", "\r",
	"\n", " 0 OK"};
static const char *const ends[] = {
	"\r\n", "\r\n", "\r\n", "\r\n", "\r\n\r\n", "\n", "\r", "\r\r\n", "", " "};
#define PICK(array) array[random_next(sizeof(array) / sizeof((array)[0]))]

static uint32_t text_put(uint8_t *at, const char *text)
{
	uint32_t len = 0;

	for (; text[len] != '\0'; len++) {
		at[len] = (uint8_t)text[len];
		if (random_next(64) == 0)
			at[len] ^= 0x20; // another case, or another character
		if (random_next(512) == 0)
			at[len] = (uint8_t)random_next(256);
	}
	return random_next(32) == 0 && len > 0 ? random_next(len) : len;
}

static void test_made(void **)
{
	static uint8_t payload[SIZE_MAX_MADE];

	for (unsigned i = 0; i < MADE; i++) {
		uint32_t len = 0;
		uint32_t left = random_next(64) == 0 ? 80 : random_next(8);
		for (; left > 0 && len < SIZE_MAX_MADE - 128; left--) {
			len += text_put(payload + len, PICK(beginnings));
			if (random_next(8) > 0)
				len += text_put(payload + len, " ");
			len += text_put(payload + len, PICK(values));
			len += text_put(payload + len, PICK(ends));
		}
		check(payload, len);
	}
	assert_true(with_lines > MADE / 3);
	assert_true(with_fields > MADE / 8);
	assert_true(full > 100);
}

// ---- Captures

static void file_run(const char *path, uint32_t)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *bytes;
	pcap_t *pcap = pcap_open_offline(path, error);

	if (pcap == NULL)
		return; // what libpcap refuses, others test
	// Payloads begin where they begin on most packets; another beginning is as good.
	while (pcap_next_ex(pcap, &head, &bytes) == 1)
		for (unsigned at = 42; at <= 66; at += 12)
			if (head->caplen > at && head->caplen < 65536)
				check(bytes + at, head->caplen - at);
	pcap_close(pcap);
}

static void test_captures(void **)
{
	checked = with_lines = with_fields = 0;
	file_run(HOUSE, 0);
	captures_below(CORPUS, file_run, 0);
	assert_true(checked > 1000);
	assert_true(with_fields > 10);
}

// The symbol of this program, and not the library's, is what it finds itself.
static void test_takes_its_place(void **)
{
	static const char symbol[] = "ndpi_parse_packet_line_info";

	assert_ptr_equal(dlsym(RTLD_DEFAULT, symbol), (void *)ndpi_parse_packet_line_info);
	assert_non_null(dlsym(RTLD_NEXT, symbol));
	assert_ptr_not_equal(dlsym(RTLD_NEXT, symbol), dlsym(RTLD_DEFAULT, symbol));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_captures, set_up, tear_down),
		cmocka_unit_test(test_takes_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
