// THE LIST: every classifier that the program has, in the order in which they are shown a packet.
#include "core/classify/classifier.h"

extern const struct classifier_ops arp_classifier_ops, dhcp_classifier_ops, dns_classifier_ops,
	http_classifier_ops, ndp_classifier_ops, ndpi_classifier_ops, tls_hello_classifier_ops;

const struct classifier_ops *const classifiers[] = {
	&arp_classifier_ops,
	&ndp_classifier_ops,
	&dhcp_classifier_ops,
	&dns_classifier_ops,
	&tls_hello_classifier_ops,
	&http_classifier_ops,
	&ndpi_classifier_ops,
	NULL,
};
