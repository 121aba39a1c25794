// SPDX-License-Identifier: Apache-2.0
/*
 * Closed-loop load generator for Redis (TCP) and memcached (TCP and UDP).
 *
 * One thread, epoll. Every connection keeps one batch of -P requests in
 * flight; UDP keeps -P requests in flight per socket. Every reply is compared
 * byte for byte with the one expected: a value is a function of its key, so a
 * SET writes what was there before. One JSON line is printed at the end.
 *
 * --hit-ratio: that share of the reads asks for one of the -k known keys; the
 * rest ask for keys that were never written and are asked for only once, so
 * that they cannot be answered from any cache.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hist.h"
#include "load_opts.h"

#define KEY_MAX		250
#define RECV_BUF	(1 << 18)
#define UDP_HEAD	8
#define UDP_DGRAM	1500
#define UDP_BATCH	64
#define MAX_FAILURES	1000

enum kind { OP_GET, OP_ABSENT, OP_SET };

struct op {
	enum kind kind;
	uint32_t key;
};

/* What to send for a read of a known key (or of -m of them), and the reply. */
struct read_op {
	char *req, *rep;
	uint32_t req_len, rep_len;
};

/* One connection, or one request in flight of a UDP socket. */
struct conn {
	int fd;
	struct op *ops;		/* the batch in flight */
	uint32_t nops;
	uint32_t next;		/* first of it that is not answered */
	uint32_t off;		/* reply bytes of it already compared */
	uint64_t sent_at;
	char *out;
	size_t out_len, out_off;
};

struct slot {
	struct op op;
	uint64_t sent_at;
	uint32_t got;		/* reply bytes compared */
	uint16_t id;
	uint16_t frames;
	bool busy;
};

struct usock {
	int fd;
	struct slot *slots;
};

static struct {
	uint64_t requests, all, errors, mismatches, timeouts, late, reads, absent, sets;
} count;

static struct addrinfo *target;
static struct read_op *reads;
static uint32_t nreads;
static struct hist hist;
static char recv_buf[RECV_BUF];
static struct rusage usage_before;
static uint64_t counting_since;
static double busy_before;
static uint64_t rng_state, absent_serial, absent_run;
static int epfd = -1;

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		die("memory");
	return p;
}

static uint64_t next_random(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static bool chance(double share)
{
	if (share <= 0)
		return false;
	return share >= 1 || (next_random() >> 11) * 0x1p-53 < share;
}

static int make_key(char *buf, uint32_t key)
{
	return sprintf(buf, "%s%012u", opt.prefix, key);
}

/* The value of a known key: printable, and different for every key. */
static void make_value(char *buf, uint32_t key)
{
	uint64_t x = key * 0x9e3779b97f4a7c15ULL + 0x1234567;
	uint32_t i;

	for (i = 0; i < opt.value_size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf[i] = 'a' + (x >> 33) % 26;
	}
}

static int bulk(char *out, const char *data, int len)
{
	int n = sprintf(out, "$%d\r\n", len);

	memcpy(out + n, data, len);
	memcpy(out + n + len, "\r\n", 2);
	return n + len + 2;
}

/* Request and reply of a read of keys first, first+1, .. (opt.mget of them). */
static void build_read(struct read_op *r, uint32_t first)
{
	size_t room = (size_t)opt.mget * (opt.value_size + KEY_MAX + 64) + 64;
	char *value = alloc(1, opt.value_size + 1), *req, *rep, key[KEY_MAX + 1];
	uint32_t i;
	int klen;

	req = r->req = alloc(1, opt.mget * (KEY_MAX + 16) + 64);
	rep = r->rep = alloc(1, room);
	if (opt.proto == REDIS)
		req += opt.mget == 1 ? sprintf(req, "*2\r\n$3\r\nGET\r\n")
				     : sprintf(req, "*%u\r\n$4\r\nMGET\r\n", opt.mget + 1);
	else
		req += sprintf(req, "get");
	if (opt.proto == REDIS && opt.mget > 1)
		rep += sprintf(rep, "*%u\r\n", opt.mget);
	for (i = 0; i < opt.mget; i++) {
		klen = make_key(key, (first + i) % opt.keys);
		make_value(value, (first + i) % opt.keys);
		if (opt.proto == REDIS) {
			req += bulk(req, key, klen);
			rep += bulk(rep, value, opt.value_size);
			continue;
		}
		req += sprintf(req, " %s", key);
		rep += sprintf(rep, "VALUE %s 0 %u\r\n%s\r\n", key, opt.value_size, value);
	}
	if (opt.proto != REDIS) {
		req += sprintf(req, "\r\n");
		rep += sprintf(rep, "END\r\n");
	}
	r->req_len = req - r->req;
	r->rep_len = rep - r->rep;
	free(value);
}

static int build_set(char *out, uint32_t key)
{
	char name[KEY_MAX + 1], *p = out;
	int klen = make_key(name, key);

	if (opt.proto == REDIS) {
		p += sprintf(p, "*3\r\n$3\r\nSET\r\n");
		p += bulk(p, name, klen);
		p += sprintf(p, "$%u\r\n", opt.value_size);
	} else {
		p += sprintf(p, "set %s 0 0 %u\r\n", name, opt.value_size);
	}
	make_value(p, key);
	p += opt.value_size;
	memcpy(p, "\r\n", 2);
	return p + 2 - out;
}

static int build_absent(char *out)
{
	char name[KEY_MAX + 1];
	int klen = sprintf(name, "%sx%07llx%08llx", opt.prefix, (unsigned long long)absent_run,
			   (unsigned long long)absent_serial++);

	if (opt.proto != REDIS)
		return sprintf(out, "get %s\r\n", name);
	return sprintf(out, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", klen, name);
}

static const char *expected(const struct op *op, uint32_t *ret_len)
{
	const char *s;

	if (op->kind == OP_GET) {
		*ret_len = reads[op->key].rep_len;
		return reads[op->key].rep;
	}
	if (op->kind == OP_SET)
		s = opt.proto == REDIS ? "+OK\r\n" : "STORED\r\n";
	else
		s = opt.proto == REDIS ? "$-1\r\n" : "END\r\n";
	*ret_len = strlen(s);
	return s;
}

/* Chooses the next request and writes it to out. Returns its length. */
static size_t choose(struct op *op, char *out)
{
	if (chance(opt.set_ratio)) {
		op->kind = OP_SET;
		op->key = next_random() % opt.keys;
		return build_set(out, op->key);
	}
	if (!chance(opt.hit_ratio)) {
		op->kind = OP_ABSENT;
		return build_absent(out);
	}
	op->kind = OP_GET;
	op->key = next_random() % nreads;
	memcpy(out, reads[op->key].req, reads[op->key].req_len);
	return reads[op->key].req_len;
}

static void answered(const struct op *op, uint64_t ns)
{
	count.requests++;
	count.all++;	/* the warm-up included */
	count.reads += op->kind == OP_GET;
	count.absent += op->kind == OP_ABSENT;
	count.sets += op->kind == OP_SET;
	hist_add(&hist, ns);
}

static void too_many_failures(void);

static void mismatch(const struct op *op, const char *got, uint32_t len, uint32_t off)
{
	uint32_t want_len, i;
	const char *want = expected(op, &want_len);

	if (!count.mismatches++) {
		fprintf(stderr, "load: mismatch: op %d key %u at byte %u of %u: want \"%.24s\" "
			"got \"", op->kind, op->key, off, want_len,
			off < want_len ? want + off : "");
		for (i = 0; i < len && i < 24; i++)
			fputc(got[i] >= 32 && got[i] < 127 ? got[i] : '.', stderr);
		fprintf(stderr, "\"\n");
	}
}

static void resolve(void)
{
	struct addrinfo hints = {
		.ai_socktype = opt.proto == MEMCACHED_UDP ? SOCK_DGRAM : SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST,
	};

	if (getaddrinfo(opt.host, opt.port, &hints, &target)) {
		fprintf(stderr, "load: %s port %s: not an address\n", opt.host, opt.port);
		exit(2);
	}
}

static int open_socket(int type)
{
	struct timeval limit = {.tv_sec = 5};
	int fd, one = 1;

	fd = socket(target->ai_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, target->ai_addr, target->ai_addrlen))
		die("connect");
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void send_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	for (; len; buf += n, len -= n) {
		n = send(fd, buf, len, MSG_NOSIGNAL);
		if (n <= 0)
			die("send");
	}
}

/* Writes every key, over TCP, 16 at a time. */
static void preload(void)
{
	const char *reply = opt.proto == REDIS ? "+OK\r\n" : "STORED\r\n";
	size_t room = opt.value_size + KEY_MAX + 64, len = strlen(reply), used, want, i;
	char *out = alloc(16, room);
	uint32_t key = 0, n;
	int fd = open_socket(SOCK_STREAM);

	while (key < opt.keys) {
		for (used = n = 0; n < 16 && key < opt.keys; n++)
			used += build_set(out + used, key++);
		send_all(fd, out, used);
		want = n * len;
		if (recv(fd, recv_buf, want, MSG_WAITALL) != (ssize_t)want)
			die("preload: no reply");
		for (i = 0; i < n; i++)
			if (memcmp(recv_buf + i * len, reply, len)) {
				fprintf(stderr, "load: preload: %.60s\n", recv_buf + i * len);
				exit(1);
			}
	}
	close(fd);
	free(out);
}

static void watch(struct conn *c, bool out)
{
	struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};

	if (epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &e) &&
	    epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &e))
		die("epoll_ctl");
}

static void tcp_batch(struct conn *c);

static void tcp_open(struct conn *c)
{
	c->fd = open_socket(SOCK_STREAM);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	watch(c, false);
	tcp_batch(c);
}

static void tcp_reopen(struct conn *c)
{
	too_many_failures();
	close(c->fd);
	tcp_open(c);
}

static void tcp_flush(struct conn *c)
{
	bool was_blocked = c->out_off > 0;
	ssize_t n = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		count.errors++;
		fprintf(stderr, "load: send: %s\n", strerror(errno));
		tcp_reopen(c);
		return;
	}
	if (n > 0)
		c->out_off += n;
	if (c->out_off < c->out_len || was_blocked)
		watch(c, c->out_off < c->out_len);
}

static void tcp_batch(struct conn *c)
{
	c->out_len = c->out_off = 0;
	for (c->nops = 0; c->nops < opt.depth; c->nops++)
		c->out_len += choose(&c->ops[c->nops], c->out + c->out_len);
	c->next = c->off = 0;
	c->sent_at = now_ns();
	tcp_flush(c);
}

/* Compares received bytes with the replies due. False: they differ. */
static bool tcp_consume(struct conn *c, const char *buf, uint32_t len, uint64_t now)
{
	uint32_t want_len, part;
	const char *want;

	while (len) {
		if (c->next == c->nops)
			return false;
		want = expected(&c->ops[c->next], &want_len);
		part = want_len - c->off < len ? want_len - c->off : len;
		if (memcmp(want + c->off, buf, part)) {
			mismatch(&c->ops[c->next], buf, len, c->off);
			return false;
		}
		c->off += part;
		buf += part;
		len -= part;
		if (c->off < want_len)
			continue;
		answered(&c->ops[c->next], now - c->sent_at);
		c->next++;
		c->off = 0;
	}
	return true;
}

static void tcp_event(struct conn *c, uint32_t events)
{
	ssize_t n;

	if (events & EPOLLOUT) {
		tcp_flush(c);
		return;
	}
	n = recv(c->fd, recv_buf, sizeof(recv_buf), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		count.errors++;
		fprintf(stderr, "load: connection lost: %s\n", n ? strerror(errno) : "closed");
		tcp_reopen(c);
		return;
	}
	if (!tcp_consume(c, recv_buf, n, now_ns())) {
		if (c->next == c->nops)
			count.mismatches++;
		tcp_reopen(c);
		return;
	}
	if (c->next == c->nops)
		tcp_batch(c);
}

/* Sends a new request in each of the given slots. */
static void udp_send(struct usock *u, const uint16_t *idx, uint32_t n)
{
	static char bufs[UDP_BATCH][UDP_DGRAM];
	struct mmsghdr msgs[UDP_BATCH] = {};
	struct iovec iov[UDP_BATCH];
	uint64_t now = now_ns();
	uint32_t i;
	int sent;

	for (i = 0; i < n; i++) {
		struct slot *s = &u->slots[idx[i]];
		char *b = bufs[i];

		s->id += opt.depth;
		*s = (struct slot){.id = s->id, .sent_at = now, .busy = true};
		memcpy(b, (char[]){s->id >> 8, s->id, 0, 0, 0, 1, 0, 0}, UDP_HEAD);
		iov[i].iov_base = b;
		iov[i].iov_len = UDP_HEAD + choose(&s->op, b + UDP_HEAD);
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	for (i = 0; i < n; i += sent) {
		sent = sendmmsg(u->fd, msgs + i, n - i, 0);
		if (sent <= 0) {
			count.errors++;
			too_many_failures();
			break;	/* the rest runs into its timeout */
		}
	}
}

/*
 * Compares one datagram. All datagrams of a reply but the last have the same
 * size, so each tells its own place. True: its request is complete.
 */
static bool udp_consume(struct usock *u, const uint8_t *b, uint32_t len, uint64_t now)
{
	uint32_t id, seq, total, want_len, off;
	struct slot *s;
	const char *want;

	if (len < UDP_HEAD) {
		count.errors++;
		return false;
	}
	id = b[0] << 8 | b[1];
	seq = b[2] << 8 | b[3];
	total = b[4] << 8 | b[5];
	s = &u->slots[id % opt.depth];
	if (!s->busy || s->id != id) {
		count.late++;
		return false;
	}
	len -= UDP_HEAD;
	want = expected(&s->op, &want_len);
	off = seq + 1 == total ? want_len - len : seq * len;
	if (seq >= total || len > want_len || off > want_len - len ||
	    memcmp(want + off, b + UDP_HEAD, len)) {
		mismatch(&s->op, (const char *)b + UDP_HEAD, len, 0);
		too_many_failures();
		s->busy = false;
		return true;
	}
	s->got += len;
	if (++s->frames < total)
		return false;
	if (s->got != want_len)
		mismatch(&s->op, (const char *)b + UDP_HEAD, len, s->got);
	answered(&s->op, now - s->sent_at);
	s->busy = false;
	return true;
}

static void udp_event(struct usock *u)
{
	static uint8_t bufs[UDP_BATCH][UDP_DGRAM];
	static struct mmsghdr msgs[UDP_BATCH];
	static struct iovec iov[UDP_BATCH];
	uint16_t idx[UDP_BATCH];
	uint32_t n = 0;
	uint64_t now;
	int i, got;

	for (i = 0; i < UDP_BATCH && !iov[i].iov_base; i++) {
		iov[i] = (struct iovec){bufs[i], UDP_DGRAM};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	got = recvmmsg(u->fd, msgs, opt.depth < UDP_BATCH ? opt.depth : UDP_BATCH,
		       MSG_DONTWAIT, NULL);
	now = now_ns();
	if (got < 0 && errno != EAGAIN) {
		count.errors++;
		too_many_failures();
	}
	for (i = 0; i < got; i++)
		if (udp_consume(u, bufs[i], msgs[i].msg_len, now))
			idx[n++] = (bufs[i][0] << 8 | bufs[i][1]) % opt.depth;
	if (n)
		udp_send(u, idx, n);
}

/* Requests without a reply in time are counted and replaced. */
static void udp_timeouts(struct usock *u, uint64_t now)
{
	uint64_t limit = opt.timeout_ms * 1000000ULL;
	uint32_t i, n = 0;
	uint16_t idx[UDP_BATCH];

	for (i = 0; i < opt.depth; i++) {
		if (u->slots[i].busy && now - u->slots[i].sent_at < limit)
			continue;
		if (u->slots[i].sent_at)
			count.timeouts++;
		idx[n++] = i;
		if (n == UDP_BATCH) {
			udp_send(u, idx, n);
			n = 0;
		}
	}
	if (n)
		udp_send(u, idx, n);
}

static struct usock *udp_open(void)
{
	struct usock *socks = alloc(opt.conns, sizeof(*socks));
	int room = 4 << 20;
	uint32_t i, j;

	for (i = 0; i < opt.conns; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &socks[i]};

		socks[i].fd = open_socket(SOCK_DGRAM);
		setsockopt(socks[i].fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		socks[i].slots = alloc(opt.depth, sizeof(struct slot));
		for (j = 0; j < opt.depth; j++)
			socks[i].slots[j].id = j;
		if (epoll_ctl(epfd, EPOLL_CTL_ADD, socks[i].fd, &e))
			die("epoll_ctl");
		udp_timeouts(&socks[i], now_ns());
	}
	return socks;
}

static void tcp_open_all(void)
{
	struct conn *conns = alloc(opt.conns, sizeof(*conns));
	size_t room = opt.value_size + opt.mget * (KEY_MAX + 16) + KEY_MAX + 128;
	uint32_t i;

	for (i = 0; i < opt.conns; i++) {
		conns[i].ops = alloc(opt.depth, sizeof(struct op));
		conns[i].out = alloc(opt.depth, room);
		tcp_open(&conns[i]);
	}
}

/* Seconds all processors were busy since the start; idle and stolen time left out. */
static double machine_busy(void)
{
	unsigned long long user, nice, sys, idle, wait, irq, soft;
	FILE *f = fopen("/proc/stat", "re");
	int n = 0;

	if (f) {
		n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle,
			   &wait, &irq, &soft);
		fclose(f);
	}
	return n == 7 ? (double)(user + nice + sys + irq + soft) / sysconf(_SC_CLK_TCK) : 0;
}

static double cpu_seconds(const struct timeval *t)
{
	return t->tv_sec + t->tv_usec / 1e6;
}

static void report(void)
{
	double secs = (now_ns() - counting_since) / 1e9;
	struct rusage b, *a = &usage_before;

	getrusage(RUSAGE_SELF, &b);

	printf("{\"requests\":%llu,\"all_requests\":%llu,"
	       "\"seconds\":%.3f,\"rps\":%.0f,\"p50_us\":%.2f,\"p99_us\":%.2f,"
	       "\"errors\":%llu,\"mismatches\":%llu,\"timeouts\":%llu,\"late\":%llu,"
	       "\"reads\":%llu,\"absent\":%llu,\"sets\":%llu,"
	       "\"user_cpu\":%.3f,\"sys_cpu\":%.3f,\"machine_cpu\":%.3f}\n",
	       (unsigned long long)count.requests, (unsigned long long)count.all,
	       secs, secs ? count.requests / secs : 0,
	       hist_us(&hist, 0.5), hist_us(&hist, 0.99),
	       (unsigned long long)count.errors, (unsigned long long)count.mismatches,
	       (unsigned long long)count.timeouts, (unsigned long long)count.late,
	       (unsigned long long)count.reads, (unsigned long long)count.absent,
	       (unsigned long long)count.sets,
	       cpu_seconds(&b.ru_utime) - cpu_seconds(&a->ru_utime),
	       cpu_seconds(&b.ru_stime) - cpu_seconds(&a->ru_stime),
	       machine_busy() - busy_before);
}

static void too_many_failures(void)
{
	if (count.errors + count.mismatches < MAX_FAILURES)
		return;
	fprintf(stderr, "load: too many failures: giving up\n");
	report();
	exit(1);
}

/* Forgets what was counted in the warm-up, but for failures. */
static void start_counting(void)
{
	count.requests = count.reads = count.absent = count.sets = count.timeouts = 0;
	memset(&hist, 0, sizeof(hist));
	counting_since = now_ns();
	getrusage(RUSAGE_SELF, &usage_before);
	busy_before = machine_busy();
}

static void run(void)
{
	uint64_t start, now, stop, sweep = 0, last = 0, moved;
	struct usock *socks = NULL;
	struct epoll_event ev[256];
	bool counting = false;
	uint32_t u;
	int i, n;

	if (opt.proto == MEMCACHED_UDP)
		socks = udp_open();
	else
		tcp_open_all();
	start = moved = now_ns();
	start += opt.warmup * NSEC;
	stop = start + opt.seconds * NSEC;
	start_counting();
	for (;;) {
		n = epoll_wait(epfd, ev, 256, 100);
		for (i = 0; i < n; i++)
			if (socks)
				udp_event(ev[i].data.ptr);
			else
				tcp_event(ev[i].data.ptr, ev[i].events);
		now = now_ns();
		if (!counting && now >= start) {
			counting = true;
			start_counting();
			last = 0;
		}
		if (now >= stop || (counting && opt.requests && count.requests >= opt.requests))
			break;
		if (now - sweep > NSEC / 10) {
			sweep = now;
			for (u = 0; socks && u < opt.conns; u++)
				udp_timeouts(&socks[u], now);
			if (count.requests != last)
				moved = now;
			last = count.requests;
		}
		if (!socks && now - moved > 10 * NSEC) {
			fprintf(stderr, "load: no reply for 10 s\n");
			count.errors++;
			break;
		}
	}
	report();
}

int main(int argc, char **argv)
{
	cpu_set_t set;
	uint32_t i;

	parse_options(argc, argv);
	if (opt.cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(opt.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			die("--cpu");
	}
	/* Nothing here may outlive its time, whatever the servers do. */
	alarm(opt.warmup + opt.seconds + 60);
	rng_state = now_ns() * 2654435761u | 1;
	absent_run = next_random() & 0xfffffff;
	resolve();
	if (opt.preload)
		preload();
	if (opt.preload_only)
		return 0;
	nreads = opt.mget > 1 && opt.keys > 1024 ? 1024 : opt.keys;
	reads = alloc(nreads, sizeof(*reads));
	for (i = 0; i < nreads; i++)
		build_read(&reads[i], i);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		die("epoll");
	run();
	return count.errors || count.mismatches ? 1 : 0;
}
