// SPDX-License-Identifier: Apache-2.0
#include "tools/panditctl/pcap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FILE_HEAD	24
#define PACKET_HEAD	16
#define ETHERNET_HEAD	14

/* The form of a file: draft-ietf-opsawg-pcap. */
#define MAGIC_US	0xa1b2c3d4u
#define MAGIC_NS	0xa1b23c4du
#define MAGIC_NG	0x0a0d0d0au	/* pcapng: the same in both byte orders */

/* Link types, https://www.tcpdump.org/linktypes.html */
enum link {
	LINK_ETHERNET = 1,
	LINK_RAW = 101,
	LINK_COOKED = 113,
};

struct reader {
	const uint8_t *at;
	size_t left;
	bool swapped;	/* the file's byte order is not ours */
	uint32_t link;
};

static uint32_t take32(struct reader *r)
{
	uint32_t v;

	memcpy(&v, r->at, sizeof(v));
	r->at += sizeof(v);
	r->left -= sizeof(v);
	return r->swapped ? __builtin_bswap32(v) : v;
}

/* ---- frames ------------------------------------------------------------- */

static int add_frame(struct ctl_frames *to, size_t room, struct pd_fault *f)
{
	struct ctl_frame *grown = realloc(to->v, (to->n + 1) * sizeof(*grown));

	if (!grown)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	to->v = grown;
	grown[to->n].data = calloc(1, room ? room : 1);
	grown[to->n].len = room;
	if (!grown[to->n].data)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	to->n++;
	return 0;
}

void ctl_frames_free(struct ctl_frames *frames)
{
	for (size_t i = 0; i < frames->n; i++)
		free(frames->v[i].data);
	free(frames->v);
	memset(frames, 0, sizeof(*frames));
}

/* An Ethernet header of type @type, then @len bytes. */
static int add_bare(struct ctl_frames *to, const uint8_t *type, const uint8_t *data, size_t len,
		    struct pd_fault *f)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	int err = add_frame(to, ETHERNET_HEAD + len, f);
	uint8_t *frame;

	if (err)
		return err;
	frame = to->v[to->n - 1].data;
	memcpy(frame, macs, sizeof(macs));
	memcpy(frame + 12, type, 2);
	memcpy(frame + ETHERNET_HEAD, data, len);
	return 0;
}

/* @data as the file's link type has it. */
static int add_packet(const struct reader *r, struct ctl_frames *to, const uint8_t *data,
		      size_t len, size_t number, struct pd_fault *f)
{
	static const uint8_t v4[2] = { 0x08, 0x00 }, v6[2] = { 0x86, 0xdd };
	int err;

	switch (r->link) {
	case LINK_COOKED:
		if (len < 16)
			break;
		return add_bare(to, data + 14, data + 16, len - 16, f);
	case LINK_RAW:
		if (len < 1)
			break;
		return add_bare(to, data[0] >> 4 == 6 ? v6 : v4, data, len, f);
	default:
		if (len < ETHERNET_HEAD)
			break;
		err = add_frame(to, len, f);
		if (!err)
			memcpy(to->v[to->n - 1].data, data, len);
		return err;
	}
	return pd_fail(f, -EBADMSG, "capture it again", "packet %zu has only %zu bytes", number,
		       len);
}

/* ---- files -------------------------------------------------------------- */

static int read_head(struct reader *r, struct pd_fault *f)
{
	uint32_t magic;

	if (r->left < FILE_HEAD)
		return pd_fail(f, -EBADMSG, "tcpdump -w FILE writes one",
			       "this is no capture file: it has only %zu bytes", r->left);
	magic = take32(r);
	if (magic == MAGIC_NG)
		return pd_fail(f, -EBADMSG, "tcpdump -r FILE -w NEW.pcap converts it",
			       "this is a pcapng file");
	r->swapped = magic == __builtin_bswap32(MAGIC_US) || magic == __builtin_bswap32(MAGIC_NS);
	if (!r->swapped && magic != MAGIC_US && magic != MAGIC_NS)
		return pd_fail(f, -EBADMSG, "tcpdump -w FILE writes one",
			       "this is no capture file: it starts with %02x %02x %02x %02x",
			       r->at[-4], r->at[-3], r->at[-2], r->at[-1]);
	for (int i = 0; i < 4; i++)	/* version, two unused words, largest packet */
		take32(r);
	r->link = take32(r) & 0x0fffffff;
	if (r->link != LINK_ETHERNET && r->link != LINK_RAW && r->link != LINK_COOKED)
		return pd_fail(f, -EINVAL, "capture on one interface, with Ethernet headers",
			       "link type %u is none of 1 (Ethernet), 101 (raw IP), 113 (cooked)",
			       r->link);
	return 0;
}

static int read_packet(struct reader *r, struct ctl_frames *to, size_t number, struct pd_fault *f)
{
	uint32_t have, whole;
	int err;

	if (r->left < PACKET_HEAD)
		return pd_fail(f, -EBADMSG, "-n leaves it out",
			       "the file ends inside the header of packet %zu", number);
	take32(r);	/* time */
	take32(r);
	have = take32(r);
	whole = take32(r);
	if (have > CTL_FRAME_MAX)
		return pd_fail(f, -EBADMSG, "capture it again",
			       "packet %zu claims to have %u bytes", number, have);
	if (have > r->left)
		return pd_fail(f, -EBADMSG, "-n leaves it out",
			       "the file ends inside packet %zu: %u bytes of it, not %zu", number,
			       have, r->left);
	if (have < whole)
		return pd_fail(f, -EINVAL, "tcpdump -s 0 captures all of it",
			       "packet %zu was cut off: %u bytes of %u", number, have, whole);
	err = add_packet(r, to, r->at, have, number, f);
	r->at += have;
	r->left -= have;
	return err;
}

int ctl_pcap_read(const uint8_t *data, size_t len, size_t max, struct ctl_frames *ret,
		  struct pd_fault *f)
{
	struct reader r = { .at = data, .left = len };
	int err = read_head(&r, f);

	for (size_t number = 1; !err && r.left && (!max || number <= max); number++)
		err = read_packet(&r, ret, number, f);
	return err;
}

/* ---- hex ---------------------------------------------------------------- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ctl_hex_read(const char *s, struct ctl_frames *ret, struct pd_fault *f)
{
	const char *start = s;
	size_t len = 0;
	uint8_t *to;
	int err = add_frame(ret, strlen(s) / 2, f);

	if (err)
		return err;
	to = ret->v[ret->n - 1].data;
	for (;;) {
		s += strspn(s, " \t\r\n:");
		if (!*s)
			break;
		if (digit(s[0]) < 0 || digit(s[1]) < 0)
			return pd_fail(f, -EINVAL, "write bytes as two hex digits each",
				       "the frame in hex is wrong at character %zu",
				       (size_t)(s - start) + 1);
		to[len++] = (uint8_t)(digit(s[0]) << 4 | digit(s[1]));
		s += 2;
	}
	if (!len)
		return pd_fail(f, -EINVAL, "write bytes as two hex digits each",
			       "the frame in hex is empty");
	ret->v[ret->n - 1].len = len;
	return 0;
}
