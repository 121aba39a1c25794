// SPDX-License-Identifier: Apache-2.0
/*
 * Checks what clients can see: many connections read and write a small set of
 * keys at the same time, and every value that was read is held against the
 * writes that were acknowledged before (see history.h for the rule).
 *
 * Two phases: A mixes reads and writes, B reads 98 % of the time. A run
 * proves something only if the kernel answered the reads, so each phase also
 * compares the hits counted meanwhile with the reads sent, and fails below a
 * share.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#include "client.h"
#include "replies.h"
#include "requests.h"
#include "selftest.h"

#define CLIENTS_MAX	256
#define THREADS_MAX	16
#define ADDRS_MAX	32
#define STALL		30000000000ULL

struct target {
	enum client_type type;
	struct sockaddr_storage addr;
	socklen_t len;
	const char *name;
};

static struct {
	uint32_t clients, threads, share_a, share_b, max_lost, seconds;
	uint64_t ops, seed, udp_timeout;
	const char *stats_cmd, *panditctl;
} opt = {
	.clients = 16, .threads = 2, .share_a = 50, .share_b = 90, .max_lost = 100,
	.seconds = 600, .ops = 1000000, .udp_timeout = 1000000000ULL,
};

static struct target targets[ADDRS_MAX];
static uint32_t ntargets;
static int netns[ADDRS_MAX];
static uint32_t nnetns;
static struct client *clients;
static struct worker workers[THREADS_MAX];
static struct mix mix;
static _Atomic int64_t budget;
static _Atomic bool give_up;
static uint64_t deadline;

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "oracle: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
	exit(1);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: oracle [--redis|--memcached|--memcached-udp ADDR:PORT]... [options]\n"
		"  addresses are given to the connections in turn; IPv6 as [ADDR]:PORT\n"
		"  -c N              connections, default 16    --threads N    default 2\n"
		"  -n N              operations, default 1000000\n"
		"  --keys N          per server, default 64\n"
		"  --netns PATH      open sockets in this namespace; several: in turn\n"
		"  --panditctl CMD   take the hits from `CMD stats --json`\n"
		"  --stats-cmd CMD   take the hits from CMD, which prints a number\n"
		"  --share-a P --share-b P   least per cent answered in the kernel (50, 90)\n"
		"  --max-lost N      datagrams that may be lost, default 100\n"
		"  --udp-timeout MS  after which a datagram counts as lost, default 1000\n"
		"  --lossy           the network loses packets: no get of several keys over UDP,\n"
		"                    whose reply does not show that a part of it is missing\n"
		"  --time S          give up after this time, default 600    --seed N\n"
		"  --self-test       check the checker\n"
		"exit 0: no wrong read; 1: a wrong read, an error, too small a share; 2: usage\n");
	exit(2);
}

static void open_client(struct client *c)
{
	const struct target *t = &targets[c->id % ntargets];
	struct timeval limit = {.tv_sec = 20};
	bool udp = c->type == C_MEMCACHED_UDP;
	int one = 1;

	if (nnetns && setns(netns[(c->id / ntargets + c->id) % nnetns], CLONE_NEWNET))
		fail("cannot enter a network namespace", strerror(errno));
	c->fd = socket(t->addr.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fail("socket", strerror(errno));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(c->fd, (const struct sockaddr *)&t->addr, t->len))
		fail(t->name, strerror(errno));
	if (!udp)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	memset(c->own, 0, sizeof(c->own));
}

static void abandon(struct worker *w, struct client *c)
{
	for (; c->next < c->nsteps; c->next++)
		apply_lost(w, c, &c->steps[c->next]);
	c->nsteps = c->next = c->rx_len = 0;
}

static void broken(struct worker *w, struct client *c, const char *why)
{
	if (w->errors++ < 5)
		fprintf(stderr, "oracle: %s connection %u: %s\n", c->where, c->id, why);
	abandon(w, c);
	close(c->fd);
	if (w->errors > 20) {
		give_up = true;
		c->fd = -1;
		return;
	}
	open_client(c);
}

static bool send_part(const struct client *c, uint32_t from, uint32_t to)
{
	ssize_t n;

	for (; from < to; from += n) {
		n = send(c->fd, c->tx + from, to - from, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

static void next_batch(struct worker *w, struct client *c)
{
	uint32_t ops, cut = 0;

	c->nsteps = c->next = 0;
	if (give_up || budget <= 0)
		return;
	ops = make_batch(w, c, &mix);
	budget -= ops;
	c->rx_len = c->frames_got = 0;
	c->start = now_ns();
	if (c->type != C_MEMCACHED_UDP && pick(w, 200) == 0)
		cut = pick(w, c->tx_len);	/* two segments */
	if (!send_part(c, 0, cut) || !send_part(c, cut, c->tx_len))
		broken(w, c, strerror(errno));
}

/* Writes without a reply are over when a later reply comes. */
static void end_silent(struct worker *w, struct client *c, uint64_t now)
{
	struct reply done = {.n = 1, .item = {{.type = '+'}}};

	while (c->next < c->nsteps && c->steps[c->next].silent)
		apply(w, c, &c->steps[c->next++], &done, now);
}

/* Takes all whole replies out of rx. False: they cannot be right. */
static bool consume(struct worker *w, struct client *c, uint64_t now)
{
	uint32_t used = 0, at;
	struct reply r;
	long n;

	while (used < c->rx_len) {
		for (at = c->next; at < c->nsteps && c->steps[at].silent; at++)
			;
		if (at >= c->nsteps)
			return false;
		n = parse_reply(c, &c->steps[at], c->rx + used, c->rx_len - used, &r);
		if (n < 0)
			return false;
		if (n == 0)
			break;
		end_silent(w, c, now);
		if (!apply(w, c, &c->steps[c->next++], &r, now))
			give_up = w->errors > 20;
		used += n;
	}
	memmove(c->rx, c->rx + used, c->rx_len - used);
	c->rx_len -= used;
	return true;
}

static void bad_bytes(const struct worker *w, const struct client *c)
{
	if (w->errors < 5)
		fprintf(stderr, "oracle: %s connection %u: bytes that are no reply: \"%.80s\"\n",
			c->where, c->id, c->rx);
}

static void on_tcp(struct worker *w, struct client *c)
{
	ssize_t n = recv(c->fd, c->rx + c->rx_len, RX_ROOM - c->rx_len - 1, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		broken(w, c, n ? strerror(errno) : "closed by the other side");
		return;
	}
	c->rx_len += n;
	c->rx[c->rx_len] = 0;
	if (!consume(w, c, now_ns())) {
		bad_bytes(w, c);
		broken(w, c, "not the protocol");
		return;
	}
	if (c->next == c->nsteps)
		next_batch(w, c);
}

static void on_udp_reply(struct worker *w, struct client *c)
{
	bool ok = consume(w, c, now_ns());

	if (ok && c->next < c->nsteps && c->steps[0].n > 1)
		return;		/* the datagrams of the other keys are on their way */
	if (!ok || c->rx_len || c->next < c->nsteps) {
		bad_bytes(w, c);
		w->errors++;
		abandon(w, c);
	}
	next_batch(w, c);
}

/*
 * The reply to a get of one key is numbered datagrams. Those of a get of
 * several keys come from memcached as a message of its own for each key that
 * was found, and one for END, all with the same number.
 */
static void on_udp(struct worker *w, struct client *c)
{
	uint8_t b[2048];
	ssize_t n = recv(c->fd, b, sizeof(b), MSG_DONTWAIT);
	uint32_t seq, total;

	if (n < 8) {
		if (n >= 0 || errno != EAGAIN)
			w->errors++;
		return;
	}
	seq = b[2] << 8 | b[3];
	total = b[4] << 8 | b[5];
	if (!c->nsteps || (b[0] << 8 | b[1]) != c->datagram || c->rx_len + n > RX_ROOM)
		return;		/* too late */
	if (c->steps[0].n == 1 && seq != c->frames_got)
		return;		/* one was lost: runs into the timeout */
	c->frames_got++;
	memcpy(c->rx + c->rx_len, b + 8, n - 8);
	c->rx_len += n - 8;
	c->rx[c->rx_len] = 0;
	if (c->steps[0].n > 1 || c->frames_got == total)
		on_udp_reply(w, c);
}

static void check_time(struct worker *w, struct client *c, uint64_t now)
{
	if (!c->nsteps || now < c->start)
		return;
	if (c->type == C_MEMCACHED_UDP && now - c->start > opt.udp_timeout) {
		w->lost++;
		abandon(w, c);
		next_batch(w, c);
	} else if (now - c->start > STALL) {
		give_up = true;
		broken(w, c, "no reply for 30 s");
	}
	if (now > deadline) {
		if (!give_up)
			fprintf(stderr, "oracle: out of time\n");
		give_up = true;
		w->errors++;
		abandon(w, c);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pollfd fds[CLIENTS_MAX];
	uint32_t i, busy = w->nclients;
	uint64_t now;

	for (i = 0; i < w->nclients; i++)
		next_batch(w, w->clients[i]);
	while (busy) {
		for (i = 0; i < w->nclients; i++)
			fds[i] = (struct pollfd){.fd = w->clients[i]->fd, .events = POLLIN};
		poll(fds, w->nclients, 20);
		now = now_ns();
		for (i = busy = 0; i < w->nclients; i++) {
			struct client *c = w->clients[i];

			if (fds[i].revents && c->type == C_MEMCACHED_UDP)
				on_udp(w, c);
			else if (fds[i].revents)
				on_tcp(w, c);
			check_time(w, c, now);
			busy += c->nsteps > 0;
		}
	}
	return NULL;
}

/* Sum of the "hits" of `panditctl stats --json`, or the number --stats-cmd prints. */
static uint64_t read_hits(void)
{
	static char out[1 << 20];
	uint64_t sum = 0;
	char cmd[1024], *p;
	size_t n;
	FILE *f;

	snprintf(cmd, sizeof(cmd), opt.panditctl ? "%s stats --json" : "%s",
		 opt.panditctl ? opt.panditctl : opt.stats_cmd);
	f = popen(cmd, "r");
	if (!f)
		fail(cmd, strerror(errno));
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = 0;
	if (pclose(f) || !n)
		fail("no statistics from", cmd);
	if (!opt.panditctl)
		return strtoull(out, NULL, 10);
	for (p = out; (p = strstr(p, "\"hits\""));) {
		p += strcspn(p, ":") + 1;
		sum += strtoull(p + strspn(p, " \""), NULL, 10);
	}
	return sum;
}

static bool counting_hits(void)
{
	return opt.panditctl || opt.stats_cmd;
}

static uint64_t total(size_t offset)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < opt.threads; i++)
		sum += *(uint64_t *)((char *)&workers[i] + offset);
	return sum;
}

#define TOTAL(field) total(offsetof(struct worker, field))

static bool run_phase(const char *name, uint64_t ops, struct mix m, uint32_t least)
{
	uint64_t hits = counting_hits() ? read_hits() : 0, reads = TOTAL(reads), begin = now_ns();
	pthread_t threads[THREADS_MAX];
	double share, secs;
	uint32_t i;

	mix = m;
	budget = ops;
	for (i = 0; i < opt.threads; i++)
		if (pthread_create(&threads[i], NULL, work, &workers[i]))
			fail("threads", NULL);
	for (i = 0; i < opt.threads; i++)
		pthread_join(threads[i], NULL);
	secs = (now_ns() - begin) / 1e9;
	reads = TOTAL(reads) - reads;
	printf("phase %s: %llu operations in %.1f s, %llu reads", name, (unsigned long long)ops,
	       secs, (unsigned long long)reads);
	if (!counting_hits()) {
		printf(", hits not counted\n");
		return true;
	}
	hits = read_hits() - hits;
	share = reads ? 100.0 * hits / reads : 0;
	printf(", %llu answered in the kernel: %.1f %% (at least %u %%)%s\n",
	       (unsigned long long)hits, share, least, share < least ? ": TOO FEW" : "");
	return share >= least;
}

/* Joins the histories of all workers and checks them. Returns the number of wrong reads. */
static size_t check_all(void)
{
	struct history all = {};
	uint32_t i;
	size_t n, bad;

	for (i = 0; i < opt.threads; i++)
		for (n = 0; n < workers[i].history.len; n++)
			history_add(&all, workers[i].history.recs[n]);
	bad = history_check(&all, STORES * nkeys, stdout);
	free(all.recs);
	return bad;
}

/* Empties the servers: whatever was there is not in the history. */
static void empty_servers(void)
{
	struct worker *w = &workers[0];
	bool done[STORES] = {};
	struct pollfd p;
	uint32_t i;

	for (i = 0; i < opt.clients; i++) {
		struct client *c = &clients[i];

		if (c->type == C_MEMCACHED_UDP || done[store_of(c)])
			continue;
		done[store_of(c)] = true;
		c->tx_len = c->nsteps = 0;
		if (c->type == C_REDIS)
			redis_flush(c);
		else {
			add_step(c, ST_FLUSH, 0);
			put(c, "flush_all\r\n");
		}
		c->start = 1;	/* may have been so for ever */
		p = (struct pollfd){.fd = c->fd, .events = POLLIN};
		if (!send_part(c, 0, c->tx_len) || poll(&p, 1, 20000) != 1)
			fail(c->where, "the server cannot be emptied");
		budget = 0;
		on_tcp(w, c);
		if (c->nsteps || w->errors)
			fail(c->where, "the server cannot be emptied");
	}
	for (i = 0; i < opt.clients; i++)
		if (!done[store_of(&clients[i])])
			fail("a memcached-udp address needs a memcached address too", NULL);
}

static void make_clients(void)
{
	uint32_t i;

	clients = calloc(opt.clients, sizeof(*clients));
	for (i = 0; i < opt.threads; i++) {
		workers[i].rng = (opt.seed + i + 1) * 0x9e3779b97f4a7c15ULL | 1;
		workers[i].clients = calloc(opt.clients, sizeof(struct client *));
	}
	for (i = 0; i < opt.clients; i++) {
		struct client *c = &clients[i];
		struct worker *w = &workers[i % opt.threads];

		c->id = i;
		c->type = targets[i % ntargets].type;
		c->where = targets[i % ntargets].name;
		c->tx = malloc(TX_ROOM);
		c->rx = malloc(RX_ROOM);
		if (!c->tx || !c->rx)
			fail("memory", NULL);
		open_client(c);
		w->clients[w->nclients++] = c;
	}
}

static void add_target(enum client_type type, char *s)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *ai;
	char host[80], *colon = strrchr(s, ':');
	struct target *t = &targets[ntargets];

	if (!colon || ntargets == ADDRS_MAX)
		usage();
	snprintf(host, sizeof(host), "%.*s", (int)(colon - s), s);
	if (*host == '[')
		snprintf(host, sizeof(host), "%.*s", (int)(colon - s) - 2, s + 1);
	if (getaddrinfo(host, colon + 1, &hints, &ai))
		fail(s, "not an address");
	t->type = type;
	t->name = s;
	memcpy(&t->addr, ai->ai_addr, ai->ai_addrlen);
	t->len = ai->ai_addrlen;
	ntargets++;
	freeaddrinfo(ai);
}

static uint64_t number(const char *s, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t v = strtoull(s, &end, 10);

	if (*end || end == s || v < min || v > max)
		fail(s, "not a number in range");
	return v;
}

static void add_netns(const char *path)
{
	if (nnetns == ADDRS_MAX)
		usage();
	netns[nnetns] = open(path, O_RDONLY | O_CLOEXEC);
	if (netns[nnetns++] < 0)
		fail(path, strerror(errno));
}

enum { O_REDIS = 256, O_MEMCACHED, O_UDP, O_THREADS, O_KEYS, O_NETNS, O_PANDITCTL, O_STATS,
	O_SHARE_A, O_SHARE_B, O_LOST, O_TIME, O_SEED, O_SELF,
	O_LOSSY, O_UDP_TIMEOUT };

static const struct option long_opts[] = {
	{"redis", 1, NULL, O_REDIS}, {"memcached", 1, NULL, O_MEMCACHED},
	{"memcached-udp", 1, NULL, O_UDP}, {"threads", 1, NULL, O_THREADS},
	{"keys", 1, NULL, O_KEYS}, {"netns", 1, NULL, O_NETNS},
	{"panditctl", 1, NULL, O_PANDITCTL}, {"stats-cmd", 1, NULL, O_STATS},
	{"share-a", 1, NULL, O_SHARE_A}, {"share-b", 1, NULL, O_SHARE_B},
	{"max-lost", 1, NULL, O_LOST}, {"time", 1, NULL, O_TIME}, {"seed", 1, NULL, O_SEED},
	{"udp-timeout", 1, NULL, O_UDP_TIMEOUT}, {"lossy", 0, NULL, O_LOSSY},
	{"self-test", 0, NULL, O_SELF}, {}
};

static void parse_option(int o)
{
	switch (o) {
	case O_REDIS: add_target(C_REDIS, optarg); break;
	case O_MEMCACHED: add_target(C_MEMCACHED, optarg); break;
	case O_UDP: add_target(C_MEMCACHED_UDP, optarg); break;
	case O_THREADS: opt.threads = number(optarg, 1, THREADS_MAX); break;
	case O_KEYS: nkeys = number(optarg, 32, KEYS_MAX) & ~7u; break;
	case O_NETNS: add_netns(optarg); break;
	case O_PANDITCTL: opt.panditctl = optarg; break;
	case O_STATS: opt.stats_cmd = optarg; break;
	case O_SHARE_A: opt.share_a = number(optarg, 0, 100); break;
	case O_SHARE_B: opt.share_b = number(optarg, 0, 100); break;
	case O_LOST: opt.max_lost = number(optarg, 0, 1 << 30); break;
	case O_TIME: opt.seconds = number(optarg, 1, 86400); break;
	case O_SEED: opt.seed = number(optarg, 0, UINT64_MAX); break;
	case O_UDP_TIMEOUT: opt.udp_timeout = number(optarg, 1, 60000) * 1000000; break;
	case O_LOSSY: udp_single = true; break;
	case O_SELF: exit(self_test());
	case 'c': opt.clients = number(optarg, 1, CLIENTS_MAX - 1); break;
	case 'n': opt.ops = number(optarg, 100, 1ULL << 31); break;
	default: usage();
	}
}

int main(int argc, char **argv)
{
	size_t bad;
	bool enough;
	int o;

	opt.seed = now_ns();
	while ((o = getopt_long(argc, argv, "c:n:", long_opts, NULL)) != -1)
		parse_option(o);
	if (!ntargets || optind != argc)
		usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("oracle: %u connections, %u threads, %u keys per server, seed %llu\n", opt.clients,
	       opt.threads, nkeys, (unsigned long long)opt.seed);
	deadline = now_ns() + opt.seconds * 1000000000ULL;
	alarm(opt.seconds + 60);
	make_clients();
	empty_servers();
	enough = run_phase("A (mixed)", opt.ops / 2, (struct mix){.reads = 660, .flush_in = 20000},
			   opt.share_a);
	if (!give_up)
		enough &= run_phase("B (read-mostly)", opt.ops - opt.ops / 2,
				    (struct mix){.reads = 980, .flush_in = 100000}, opt.share_b);
	bad = check_all();
	printf("oracle: %llu values read, %llu written, %llu errors, %llu datagrams lost, "
	       "%zu wrong reads\n", (unsigned long long)TOTAL(read_keys),
	       (unsigned long long)TOTAL(writes), (unsigned long long)TOTAL(errors),
	       (unsigned long long)TOTAL(lost), bad);
	if (TOTAL(lost) > opt.max_lost)
		fprintf(stderr, "oracle: more datagrams lost than --max-lost\n");
	o = bad || TOTAL(errors) || !enough || give_up || TOTAL(lost) > opt.max_lost;
	printf("oracle: %s\n", o ? "FAILED" : "ok");
	return o;
}
