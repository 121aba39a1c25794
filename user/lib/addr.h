/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as operators write them: "10.1.0.2:6379", "[fd00::2]:6379". */
#ifndef PD_USER_LIB_ADDR_H
#define PD_USER_LIB_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/service.h"

struct pd_addr {
	struct pd_ip ip; /* network order; IPv4 mapped */
	uint16_t port;	 /* host order */
};

#define PD_ADDR_STRLEN 64 /* bytes pd_addr_format() may need, NUL included */

/**
 * pd_addr_parse() - parse "ip:port", "[ip6]:port", or an address alone.
 * @default_port: port if @s has none; 0 = a port is required
 * @ret_why: set to a short reason on failure; may be NULL
 * Returns 0 or -EINVAL. Host names are not resolved on purpose: what the
 * kernel matches must not depend on DNS.
 */
int pd_addr_parse(const char *s, uint16_t default_port, struct pd_addr *ret, const char **ret_why);

bool pd_ip_is_v4(const struct pd_ip *ip);

/* True for 0.0.0.0, ::, multicast and broadcast: never an endpoint. */
bool pd_ip_is_unusable(const struct pd_ip *ip);

/* Write the address; @port in host order, 0 = without. Returns @buf. */
char *pd_addr_format(const struct pd_ip *ip, uint16_t port, char buf[PD_ADDR_STRLEN]);

#endif
