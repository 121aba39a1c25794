/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/lib/cleanup.h"
#include "user/lib/units.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{"h", 3600000000000ULL},
	{"min", 60000000000ULL},
	{"m", 60000000000ULL},
	{"s", 1000000000ULL},
	{"ms", 1000000ULL},
	{"us", 1000ULL},
	{"ns", 1ULL},
};

static const struct unit sizes[] = {
	{"", 1},
	{"B", 1},
	{"KiB", 1ULL << 10},
	{"MiB", 1ULL << 20},
	{"GiB", 1ULL << 30},
	{"TiB", 1ULL << 40},
	{"K", 1ULL << 10},
	{"M", 1ULL << 20},
	{"G", 1ULL << 30},
	{"kB", 1000ULL},
	{"KB", 1000ULL},
	{"MB", 1000000ULL},
	{"GB", 1000000000ULL},
};

static const struct unit *find_unit(const struct unit *units, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

/* number [. digits] unit. The fraction must come out whole in the base unit. */
static int parse(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
	uint64_t whole = 0, frac = 0, scale = 1, v;
	const struct unit *u;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			return -ERANGE;
	if (*s == '.') {
		if (s[1] < '0' || s[1] > '9')
			return -EINVAL;
		for (s++; *s >= '0' && *s <= '9'; s++) {
			if (scale >= 1000000000ULL)
				return -EINVAL;
			frac = frac * 10 + (uint64_t)(*s - '0');
			scale *= 10;
		}
	}
	while (*s == ' ')
		s++;
	u = find_unit(units, n, s);
	if (!u)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, u->factor, &v) ||
	    __builtin_mul_overflow(frac, u->factor, &frac) ||
	    __builtin_add_overflow(v, frac / scale, &v))
		return -ERANGE;
	if (frac % scale)
		return -EINVAL;
	*ret = v;
	return 0;
}

int pd_duration_parse(const char *s, uint64_t *ret_ns)
{
	if (!strcmp(s, "0")) {
		*ret_ns = 0;
		return 0;
	}
	return parse(s, durations, PD_ARRAY_SIZE(durations), ret_ns);
}

int pd_size_parse(const char *s, uint64_t *ret_bytes)
{
	return parse(s, sizes, PD_ARRAY_SIZE(sizes), ret_bytes);
}

char *pd_duration_format(uint64_t ns, char buf[PD_UNITS_STRLEN])
{
	static const struct unit order[] = {
		{"s", 1000000000ULL}, {"ms", 1000000ULL}, {"us", 1000ULL}, {"ns", 1ULL}};

	for (size_t i = 0; i < PD_ARRAY_SIZE(order); i++) {
		if (ns % order[i].factor)
			continue;
		snprintf(buf, PD_UNITS_STRLEN, "%" PRIu64 "%s", ns / order[i].factor,
			 order[i].name);
		break;
	}
	return buf;
}

char *pd_size_format(uint64_t bytes, char buf[PD_UNITS_STRLEN])
{
	static const struct unit order[] = {
		{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1ULL}};

	for (size_t i = 0; i < PD_ARRAY_SIZE(order); i++) {
		if (bytes % order[i].factor || (!bytes && order[i].factor > 1))
			continue;
		snprintf(buf, PD_UNITS_STRLEN, "%" PRIu64 "%s", bytes / order[i].factor,
			 order[i].name);
		break;
	}
	return buf;
}
