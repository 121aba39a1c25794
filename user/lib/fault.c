/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "user/lib/fault.h"

int pd_fail(struct pd_fault *f, int code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	if (!f)
		return code;
	va_start(ap, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, ap);
	va_end(ap);
	snprintf(f->hint, sizeof(f->hint), "%s", hint ? hint : "");
	return code;
}
