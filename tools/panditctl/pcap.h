/* SPDX-License-Identifier: Apache-2.0 */
/* Packets out of capture files and out of hex, as Ethernet frames. No I/O. */
#ifndef PD_TOOLS_PANDITCTL_PCAP_H
#define PD_TOOLS_PANDITCTL_PCAP_H

#include <stddef.h>
#include <stdint.h>

#include "user/lib/fault.h"

#define CTL_FRAME_MAX	(256 * 1024)	/* bytes of a packet that is believed */

struct ctl_frame {
	uint8_t *data;	/* owned */
	size_t len;
};

struct ctl_frames {
	struct ctl_frame *v;
	size_t n;
};

/**
 * ctl_pcap_read() - the packets of a classic capture file (not pcapng).
 * @data, @len: the whole file, of either byte order, times in us or ns; link
 *	type Ethernet, Linux cooked v1 or raw IP. Other than of Ethernet get a header.
 * @max: at most so many; 0: all
 * @ret: appended to; freed by the caller with ctl_frames_free(), also after an error
 *
 * -EBADMSG: not such a file, or broken; -EINVAL: a packet that was cut off when
 * it was captured, or another link type. The fault says at which packet.
 */
int ctl_pcap_read(const uint8_t *data, size_t len, size_t max, struct ctl_frames *ret,
		  struct pd_fault *f);

/* One frame: hex digits in pairs; blanks, colons and line ends between them do not matter. */
int ctl_hex_read(const char *s, struct ctl_frames *ret, struct pd_fault *f);

void ctl_frames_free(struct ctl_frames *frames);

#endif
