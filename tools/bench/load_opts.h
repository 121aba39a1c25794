/* SPDX-License-Identifier: Apache-2.0 */
/* The options of load. Included once, by load.c. */
#ifndef PD_BENCH_LOAD_OPTS_H
#define PD_BENCH_LOAD_OPTS_H

#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum proto { REDIS, MEMCACHED, MEMCACHED_UDP };

static struct {
	enum proto proto;
	const char *host, *port, *prefix;
	uint32_t conns, depth, value_size, keys, mget;
	double hit_ratio, set_ratio, seconds, warmup;
	uint64_t requests;
	uint32_t timeout_ms;
	int cpu;
	bool preload, preload_only;
} opt = {
	.host = "127.0.0.1", .prefix = "key:", .conns = 50, .depth = 1, .value_size = 64,
	.keys = 1000, .mget = 1, .hit_ratio = 1, .warmup = 0.5, .timeout_ms = 1000, .cpu = -1,
};

static void usage(void)
{
	fprintf(stderr,
		"usage: load --proto redis|memcached|memcached-udp [--host ADDR] [--port N]\n"
		"  -c N            connections (UDP: sockets), default 50\n"
		"  -P N            requests in flight per connection, default 1\n"
		"  -d BYTES        value size, default 64      -k N  number of keys, default 1000\n"
		"  --op get|set|mget   what is measured, default get; mget reads -m N keys (10)\n"
		"  --hit-ratio F   share of reads that ask for known keys, default 1; the rest\n"
		"                  ask for keys never written, each once\n"
		"  --set-ratio F   share of requests that write a known key, default 0\n"
		"  -t SECONDS      measured time, default 5, 60 with -n    -n N  stop after N\n"
		"  --warmup S      before measuring, default 0.5\n"
		"  --cpu N         run on this processor\n"
		"  --timeout MS    after which a UDP request counts as lost, default 1000\n"
		"  --prefix S      of the keys, default \"key:\"\n"
		"  --preload       write all keys first (over TCP); --preload-only: nothing else\n"
		"prints one JSON line; exit 0, 1 = errors or mismatches, 2 = usage\n");
	exit(2);
}

static double number(const char *s, double min, double max)
{
	char *end;
	double v = strtod(s, &end);

	if (*end || end == s || v < min || v > max) {
		fprintf(stderr, "load: %s: expected a number from %g to %g\n", s, min, max);
		exit(2);
	}
	return v;
}

static enum proto parse_proto(const char *s)
{
	if (!strcmp(s, "redis"))
		return REDIS;
	if (!strcmp(s, "memcached"))
		return MEMCACHED;
	if (!strcmp(s, "memcached-udp"))
		return MEMCACHED_UDP;
	usage();
	return 0;
}

static void parse_op(const char *s)
{
	if (!strcmp(s, "set"))
		opt.set_ratio = 1;
	else if (!strcmp(s, "mget"))
		opt.mget = opt.mget > 1 ? opt.mget : 10;
	else if (strcmp(s, "get"))
		usage();
}

enum { O_PROTO = 256, O_HOST, O_PORT, O_OP, O_HIT, O_SET, O_WARMUP, O_CPU, O_TIMEOUT, O_PREFIX,
	O_PRELOAD, O_PRELOAD_ONLY };

static const struct option long_opts[] = {
	{"proto", 1, NULL, O_PROTO}, {"host", 1, NULL, O_HOST}, {"port", 1, NULL, O_PORT},
	{"op", 1, NULL, O_OP}, {"hit-ratio", 1, NULL, O_HIT}, {"set-ratio", 1, NULL, O_SET},
	{"warmup", 1, NULL, O_WARMUP}, {"cpu", 1, NULL, O_CPU}, {"timeout", 1, NULL, O_TIMEOUT},
	{"prefix", 1, NULL, O_PREFIX}, {"preload", 0, NULL, O_PRELOAD},
	{"preload-only", 0, NULL, O_PRELOAD_ONLY}, {}
};

static void parse_one(int o)
{
	switch (o) {
	case 'c': opt.conns = number(optarg, 1, 10000); break;
	case 'P': opt.depth = number(optarg, 1, 1024); break;
	case 'd': opt.value_size = number(optarg, 1, 1 << 20); break;
	case 'k': opt.keys = number(optarg, 1, 1e7); break;
	case 'm': opt.mget = number(optarg, 1, 100); break;
	case 't': opt.seconds = number(optarg, 0.01, 3600); break;
	case 'n': opt.requests = number(optarg, 1, 1e12); break;
	case O_PROTO: opt.proto = parse_proto(optarg); break;
	case O_HOST: opt.host = optarg; break;
	case O_PORT: opt.port = optarg; break;
	case O_OP: parse_op(optarg); break;
	case O_HIT: opt.hit_ratio = number(optarg, 0, 1); break;
	case O_SET: opt.set_ratio = number(optarg, 0, 1); break;
	case O_WARMUP: opt.warmup = number(optarg, 0, 60); break;
	case O_CPU: opt.cpu = number(optarg, 0, CPU_SETSIZE - 1); break;
	case O_TIMEOUT: opt.timeout_ms = number(optarg, 1, 60000); break;
	case O_PREFIX: opt.prefix = optarg; break;
	case O_PRELOAD: opt.preload = true; break;
	case O_PRELOAD_ONLY: opt.preload = opt.preload_only = true; break;
	default: usage();
	}
}

static void check_options(void)
{
	if (!opt.port)
		opt.port = opt.proto == REDIS ? "6379" : "11211";
	if (!opt.seconds)
		opt.seconds = opt.requests ? 60 : 5;
	if (strlen(opt.prefix) > 200)
		usage();
	/* A request id is 16 bits and its remainder names the slot. */
	while (opt.proto == MEMCACHED_UDP && opt.depth & (opt.depth - 1))
		opt.depth++;
	if (opt.proto == MEMCACHED_UDP && opt.set_ratio && opt.value_size > 1200) {
		fprintf(stderr, "load: a UDP write must fit one datagram: -d 1200 at most\n");
		exit(2);
	}
	if (opt.proto == MEMCACHED_UDP && opt.mget * (strlen(opt.prefix) + 13) > 1400)
		usage();
}

/* Fills opt, or ends the program with status 2. */
static void parse_options(int argc, char **argv)
{
	int o;

	while ((o = getopt_long(argc, argv, "c:P:d:k:m:t:n:", long_opts, NULL)) != -1)
		parse_one(o);
	if (optind != argc)
		usage();
	check_options();
}

#endif
