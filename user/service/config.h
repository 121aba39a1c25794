/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration, checked and with every default filled in. Its schema is
 * proto/pandit/v1/config.proto; this is what the rest of the daemon reads.
 */
#ifndef PD_USER_SERVICE_CONFIG_H
#define PD_USER_SERVICE_CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/service.h"
#include "user/lib/addr.h"
#include "user/lib/fault.h"
#include "user/service/host.h"

#define PD_CONFIG_FILE	       "/etc/pandit/pandit.yaml"
#define PD_DEFAULT_MAX_AGE_NS  1000000000ULL
#define PD_DEFAULT_IDLE_NS     30000000000ULL
#define PD_DEFAULT_MAX_VALUE   4096 /* bytes */
#define PD_DEFAULT_MAX_ENTRIES 100000
#define PD_DEFAULT_UDP_BUDGET  (1U << 20) /* bytes per second and source */

/* A row of protocols.def. */
struct pd_protocol {
	uint8_t id;
	const char *label; /* what operators write */
	uint16_t port;	   /* default port, host order */
	uint32_t flags;	   /* WIRE_F_* */
};

const struct pd_protocol *pd_protocol_find(const char *label);
const struct pd_protocol *pd_protocol_by_id(uint8_t id);

/* The database number in a realm; -1 if the protocol has none. */
int32_t pd_realm_db(const struct pd_protocol *p, uint64_t realm);

struct pd_config_service {
	char *name;
	const struct pd_protocol *protocol;
	struct pd_addr *addrs;
	size_t naddrs;
	uint32_t transport; /* PD_TRANSPORT_* */
	uint64_t max_age_ns, idle_ns, max_entries;
	uint32_t max_value, udp_budget;
	bool acl_uniform, home_this, bounded, udp_any, assist_off;
	char *credentials; /* a file, for the assist channel; NULL = none */
};

struct pd_config_attach {
	char name[IF_NAMESIZE];
	uint32_t sides; /* PD_SIDE_*; 0 = found from the routes */
};

struct pd_config {
	char *file; /* where it was read; NULL = built in */
	char *node, *runtime_dir, *state_dir, *bpffs;
	char *socket; /* runtime_dir/pandit.sock */
	struct pd_config_attach *attach;
	size_t nattach;
	bool attach_auto;
	bool metrics_on;
	struct pd_addr metrics;
	uint64_t connections, memory;
	struct pd_config_service *services;
	size_t nservices;
	char **notices; /* what was accepted but does nothing in this version */
	size_t nnotices;
};

/* @file: NULL = built in defaults. -EINVAL and others with @f filled: exit status 2. */
int pd_config_read(const char *file, struct pd_config **ret, struct pd_fault *f);

/* The same from memory; @file is for messages. */
int pd_config_parse(const char *file, const char *text, size_t len, struct pd_config **ret,
		    struct pd_fault *f);
void pd_config_free(struct pd_config **config);

/* A service of its own, from `panditctl add`; checked like one of the file. Freed with the next. */
int pd_config_service_new(const struct pd_service_spec *spec, struct pd_config_service **ret,
			  struct pd_fault *f);
void pd_config_service_free(struct pd_config_service **service);

/* Same in everything that decides what the kernel does. */
bool pd_config_service_same(const struct pd_config_service *a, const struct pd_config_service *b);

/* "client", "home", "edge", joined by '+', to PD_SIDE_*. -EINVAL if unknown. */
int pd_sides_parse(const char *s, uint32_t *ret);

/* The reverse. Returns @buf. */
char *pd_sides_format(uint32_t sides, char buf[32]);

#endif
