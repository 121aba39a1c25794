/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "user/lib/similar.h"

#define WORD_MAX 48

static unsigned int min2(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static int same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned int pd_edit_distance(const char *a, const char *b)
{
	unsigned int rows[3][WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);
	unsigned int *prev2 = rows[0], *prev = rows[1], *cur = rows[2], *t;

	if (la > WORD_MAX || lb > WORD_MAX)
		return (unsigned int)(la > lb ? la : lb);
	for (size_t j = 0; j <= lb; j++) {
		prev[j] = (unsigned int)j;
		prev2[j] = 0;
	}
	for (size_t i = 1; i <= la; i++) {
		cur[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			cur[j] = min2(prev[j] + 1, cur[j - 1] + 1);
			cur[j] = min2(cur[j], prev[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				cur[j] = min2(cur[j], prev2[j - 2] + 1);
		}
		t = prev2;
		prev2 = prev;
		prev = cur;
		cur = t;
	}
	return prev[lb];
}

void pd_similar_try(struct pd_similar *s, const char *candidate)
{
	unsigned int d = pd_edit_distance(s->word, candidate);
	unsigned int limit = (unsigned int)(strlen(candidate) + 2) / 3;

	if (d > limit || (s->best && d >= s->distance))
		return;
	s->best = candidate;
	s->distance = d;
}
