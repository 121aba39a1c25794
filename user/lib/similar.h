/* SPDX-License-Identifier: Apache-2.0 */
/* "did you mean": the closest known word to a misspelt one. */
#ifndef PD_USER_LIB_SIMILAR_H
#define PD_USER_LIB_SIMILAR_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours) between two words; case does not count. */
unsigned int pd_edit_distance(const char *a, const char *b);

struct pd_similar {
	const char *word; /* what was written */
	const char *best; /* closest so far; NULL = nothing close enough */
	unsigned int distance;
};

/* Offer a candidate. It must outlive @s. */
void pd_similar_try(struct pd_similar *s, const char *candidate);

#endif
