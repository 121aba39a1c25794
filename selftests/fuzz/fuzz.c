/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer entry for one grammar (-DPROTO, -DPROTO_HDR, -DPROTO_FLAGS).
 *
 * Input: a mode byte ('0' client, '1' server, '2' both, with 0x1e between the
 * two streams, '3' datagram), a byte that fills what is not to be read, a seed
 * of the cuts, a byte for the size of the window, and the bytes. They are fed
 * whole, then in pieces with other bytes behind the window: what comes out
 * must be the same, and every call must keep the contract of wire.h.
 */
#include "selftests/unit/wire/vectors.h"
#include "selftests/unit/wire/native.h"

enum { MODE_CLIENT, MODE_SERVER, MODE_BOTH, MODE_DATAGRAM };

#define HEADER	4

static struct feed whole, pieces;

/* Pieces of 1 to 64 bytes, or now and then up to 600; whole if @seed is 0. */
static void feed_pieces(struct feed *f, enum feed_side side, const __u8 *p, size_t n, __u32 seed)
{
	while (seed && n > 1) {
		size_t m;

		seed = seed * 1664525 + 1013904223;
		m = 1 + (seed >> 16) % (seed >> 28 ? 64 : 600);
		if (m >= n)
			break;
		feed_bytes(f, side, p, m);
		p += m;
		n -= m;
	}
	if (n)
		feed_bytes(f, side, p, n);
}

static void run(struct feed *f, const __u8 *data, size_t n, __u32 load, __u8 poison, __u32 seed)
{
	const __u8 *p = data + HEADER, *server;

	n -= HEADER;
	feed_init(f, &native_ops);
	f->offsets = 1;
	f->load = load;
	f->poison = poison;
	switch (data[0] & 3) {
	case MODE_CLIENT:
		feed_pieces(f, FEED_CLIENT, p, n, seed);
		break;
	case MODE_SERVER:
		feed_pieces(f, FEED_SERVER, p, n, seed);
		break;
	case MODE_BOTH:
		server = memchr(p, 0x1e, n);
		feed_pieces(f, FEED_CLIENT, p, server ? (size_t)(server - p) : n, seed);
		if (server)
			feed_pieces(f, FEED_SERVER, server + 1, p + n - server - 1, seed);
		break;
	default:
		vector_datagram(f, p, n < WIRE_WIN - 32 ? n : WIRE_WIN - 32);
	}
	feed_session(f);
	feed_end(f, FEED_CLIENT);
	feed_end(f, FEED_SERVER);
	feed_free(f);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t n)
{
	__u32 load;

	if (n < HEADER)
		return 0;
	load = PD_TOKEN_MAX + (data[3] % 8) * 96;
	run(&whole, data, n, 512, data[1], 0);
	run(&pieces, data, n, load, ~data[1], data[2] * 2654435761u + 1);
	if (whole.broken || pieces.broken) {
		fprintf(stderr, "the contract is broken: %s\n",
			whole.broken ? whole.broken : pieces.broken);
		abort();
	}
	if (strcmp(whole.log, pieces.log)) {
		fprintf(stderr, "--- whole\n%s--- in pieces\n%s", whole.log, pieces.log);
		abort();
	}
	return 0;
}
