/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "user/assist/impl.h"

void pd_credentials_split(char *text, const char **ret_user, const char **ret_password)
{
	char *colon;

	text[strcspn(text, "\r\n")] = '\0';
	colon = strchr(text, ':');
	*ret_user = colon && colon != text ? text : NULL;
	*ret_password = colon ? colon + 1 : text;
	if (colon)
		*colon = '\0';
}
