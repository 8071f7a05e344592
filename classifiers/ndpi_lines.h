// How libndpi cuts a payload into lines, done faster. For ndpi.c.
#pragma once

struct ndpi_detection_module_struct;
struct ndpi_flow_struct;

// libndpi's function, of which its header says nothing; defined in ndpi_lines.c for the whole
// program. Cuts the module's packet into lines at CR LF, once a packet, and notes the fields of an
// HTTP header. Any thread.
void ndpi_parse_packet_line_info(
	struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow);
