/* SPDX-License-Identifier: Apache-2.0 */
/* Durations and sizes as operators write them. */
#ifndef PD_USER_LIB_UNITS_H
#define PD_USER_LIB_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define PD_UNITS_STRLEN 32

/* "1s", "500ms", "1.5m", "2h", "10us", "0" -> ns. -EINVAL: no unit or no number; -ERANGE: too
 * large. */
int pd_duration_parse(const char *s, uint64_t *ret_ns);

/* "256MiB", "4096", "4KiB", "10MB", "1GiB" -> bytes. Errors as above. */
int pd_size_parse(const char *s, uint64_t *ret_bytes);

/* The shortest exact form: 1s, 1500ms, 90s. Returns @buf. */
char *pd_duration_format(uint64_t ns, char buf[PD_UNITS_STRLEN]);
char *pd_size_format(uint64_t bytes, char buf[PD_UNITS_STRLEN]);

#endif
