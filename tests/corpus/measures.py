# The rows of the table of figures, in its order. A measure takes a capture, its run, Weir's flows
# by 5-tuple and the settings, and gives an Outcome.

from compare_bindings import bindings
from compare_flows import flow_counts
from compare_names import names
from compare_rtt import rtt
from compare_runs import captures, sums
from compare_tcp import tcp_counts
from compare_verdicts import verdicts

# name, function, bar (share of items, all of them at 1), what the table says.
MEASURES = (
    ("captures", captures, 1.0, "captures read to the end or refused as libpcap refuses them"),
    ("sums", sums, 1.0, "packets seen = in flows + consumed + dropped by name"),
    ("flows", flow_counts, 0.999, "per-flow packets and L3 bytes, Ethernet captures"),
    ("verdicts", verdicts, 0.99, "nDPI verdict equal to ndpiReader without guessing"),
    ("names", names, 0.98, "names in DNS, SNI, HTTP Host for the right client"),
    ("rtt", rtt, 0.99, "TCP handshake RTT within 1 us"),
    ("tcp", tcp_counts, 0.93, "TCP's repetitions, late segments, closed windows by 5-tuple"),
    ("bindings", bindings, 0.99, "MAC-IP bindings by ARP, NDP, DHCP"),
)
