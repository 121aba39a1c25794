/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that tell who wrote them. A value is one or more pieces; each ends
 * with the number of the write that put it there and the length of its
 * filler, and the filler is a function of the number. APPEND adds a piece, so
 * the last piece names the last write.
 */
#ifndef PD_ORACLE_VALUE_H
#define PD_ORACLE_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_TAIL	16	/* "[hhhhhhhh:llll]\n" */
#define PIECE_MAX	4000

static inline char piece_byte(uint32_t id, uint32_t i)
{
	return 'A' + (id * 2654435761u + i * 7) % 26;
}

/* Writes a piece with `filler` bytes of filler. Returns its length. */
static inline uint32_t piece_make(char *out, uint32_t id, uint32_t filler)
{
	uint32_t i;

	for (i = 0; i < filler; i++)
		out[i] = piece_byte(id, i);
	return filler + sprintf(out + filler, "[%08x:%04x]\n", id, filler);
}

static inline bool hex(const char *s, int n, uint32_t *ret)
{
	char buf[9] = {}, *end;

	memcpy(buf, s, n);
	*ret = strtoul(buf, &end, 16);
	return end == buf + n;
}

/* The write that the last piece names, after checking every byte; 0 = nobody wrote this. */
static inline uint32_t value_writer(const char *v, uint32_t len)
{
	uint32_t last = 0, id, filler, i;

	while (len) {
		const char *tail = v + len - PIECE_TAIL;

		if (len < PIECE_TAIL || tail[0] != '[' || tail[9] != ':' || tail[14] != ']' ||
		    tail[15] != '\n' || !hex(tail + 1, 8, &id) || !hex(tail + 10, 4, &filler) ||
		    !id || filler > len - PIECE_TAIL)
			return 0;
		for (i = 0; i < filler; i++)
			if (tail[(long)i - filler] != piece_byte(id, i))
				return 0;
		if (!last)
			last = id;
		len -= PIECE_TAIL + filler;
	}
	return last;
}

#endif
