/* SPDX-License-Identifier: Apache-2.0 */
#include "user/load/impl.h"

/* What the kernel adds to a row of an LRU hash: element head, node, key, rounding (6.1 to 6.18). */
#define ROW_OVERHEAD 88
#define ROWS_MIN     64

/*
 * The rule: the budget is divided evenly over the size classes; a class gets
 * as many rows as fit its part, but no more than @max_entries. LRU maps
 * reserve their memory when they are made, so the sum is what the maps take.
 */
void pd_load_sizes(uint64_t memory, uint64_t max_entries, uint32_t ret_rows[PD_CLASSES])
{
	static const uint32_t sizes[PD_CLASSES] = {
		sizeof(struct pd_entry_s),
		sizeof(struct pd_entry_m),
		sizeof(struct pd_entry_l),
		sizeof(struct pd_entry_xl),
	};

	for (unsigned int i = 0; i < PD_CLASSES; i++) {
		uint64_t rows = memory / PD_CLASSES / (sizes[i] + ROW_OVERHEAD);

		if (rows > max_entries)
			rows = max_entries;
		if (rows > UINT32_MAX / 2)
			rows = UINT32_MAX / 2;
		ret_rows[i] = rows < ROWS_MIN ? ROWS_MIN : (uint32_t)rows;
	}
}
