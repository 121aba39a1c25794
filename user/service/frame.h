/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet frames of requests: who talks to whom, and building one. No I/O. */
#ifndef PD_USER_SERVICE_FRAME_H
#define PD_USER_SERVICE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/conn.h"
#include "user/service/config.h"

#define PD_FRAME_MAX   1514 /* bytes of a frame that is built */
#define PD_REQUEST_MAX 1400 /* bytes of its payload */

/* Both ends of a frame; ports in network order, 0 if they cannot be read. */
struct pd_frame_ends {
	struct pd_ip src, dst;
	uint16_t sport, dport;
	uint8_t proto;
	uint16_t datagram; /* first two payload bytes of a UDP packet, as they stand; else 0 */
	uint32_t poff;	   /* where the payload starts; 0 = not known */
};

/* NULL, or why this is nothing the programs look at. */
const char *pd_frame_ends(const uint8_t *frame, size_t len, struct pd_frame_ends *ret);

/* A segment (PSH, ACK) or datagram with right checksums. Addresses are of one family. */
struct pd_frame_spec {
	struct pd_tuple flow;
	uint8_t proto;
	uint32_t seq, ack; /* host order */
	const uint8_t *payload;
	size_t len; /* at most PD_REQUEST_MAX */
};
size_t pd_frame_build(const struct pd_frame_spec *spec, uint8_t ret[PD_FRAME_MAX]);

/**
 * pd_request_encode() - a request in words, as its protocol writes it.
 * @p: its protocol
 * @text: words between blanks; "..." may hold blanks and the escapes \\ \" \n \r \t \xNN
 * @datagram: put the frame of a datagram in front of it
 *
 * Returns 0; -EINVAL; -E2BIG: more than PD_REQUEST_MAX bytes.
 */
int pd_request_encode(const struct pd_protocol *p, const char *text, bool datagram,
		      uint8_t ret[PD_REQUEST_MAX], size_t *ret_len, struct pd_fault *f);

#endif
