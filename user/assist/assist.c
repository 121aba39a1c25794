/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: when it is made, kept and given up. What is said on it is the drivers'. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "user/assist/impl.h"
#include "user/lib/cleanup.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000  /* while the server cannot be reached */
#define WAIT_MS	     60000 /* after a refusal or an overrun */
#define DEADLINE_MS  5000  /* for the server to agree */
#define PING_MS	     5000  /* a silent connection */
#define PAUSE_MS     1	   /* between two looks at what has arrived */
#define STEADY_MS    10000 /* so long it has to hold to be made again at once */
#define GAPS_MAX     8	   /* in GAPS_MS: more, and the reports cost more than they save */
#define GAPS_MS	     10000
#define IN_BYTES     65536

struct pd_assist {
	const struct pd_driver *driver;
	const struct pd_assist_ops *ops;
	void *arg;
	struct pd_addr *addrs; /* naddrs, owned */
	size_t naddrs, next;
	char *credentials; /* owned; NULL = none */
	uv_tcp_t tcp;
	uv_timer_t timer; /* to connect, for the server to agree, to ping */
	uv_timer_t pause;
	uv_connect_t connect;
	unsigned int handles; /* open */
	bool tcp_open, freed, overrun;
	enum pd_assist_state state;
	uint64_t retry_ms, since; /* since: loop ms of the present state */
	uint64_t gaps_since;
	uint32_t gaps;
	union pd_reader reader;
	char reason[256];
};

/* All connections are read on the loop's thread, one after the other. */
static char in[IN_BYTES];

static const struct pd_driver *const drivers[] = {&pd_driver_redis, &pd_driver_memcached};

static const struct pd_driver *find_driver(const char *protocol)
{
	for (size_t i = 0; i < PD_ARRAY_SIZE(drivers); i++)
		if (!strcmp(drivers[i]->protocol, protocol))
			return drivers[i];
	return NULL;
}

bool pd_assist_has(const char *protocol)
{
	return find_driver(protocol);
}

const char *pd_assist_state_name(enum pd_assist_state state)
{
	static const char *const names[] = {"off", "connecting", "on", "waiting"};

	return names[state];
}

enum pd_assist_state pd_assist_state(const struct pd_assist *a)
{
	return a->state;
}

const char *pd_assist_reason(const struct pd_assist *a)
{
	return a->reason;
}

/* ---- states ---------------------------------------------------------------- */

static void connect_next(uv_timer_t *timer);

__attribute__((format(printf, 3, 4))) static void
enter(struct pd_assist *a, enum pd_assist_state state, const char *fmt, ...)
{
	char reason[sizeof(a->reason)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	if (state == a->state && !strcmp(reason, a->reason))
		return;
	a->state = state;
	a->since = uv_now(a->timer.loop);
	memcpy(a->reason, reason, sizeof(reason));
	a->ops->state(a->arg, state, a->reason);
}

static void on_closed(uv_handle_t *handle)
{
	struct pd_assist *a = handle->data;

	if (handle == (uv_handle_t *)&a->tcp)
		a->tcp_open = false;
	if (--a->handles || !a->freed)
		return;
	free(a->addrs);
	free(a->credentials);
	free(a);
}

static void hang_up(struct pd_assist *a)
{
	uv_timer_stop(&a->pause);
	uv_timer_stop(&a->timer);
	if (a->tcp_open && !uv_is_closing((uv_handle_t *)&a->tcp))
		uv_close((uv_handle_t *)&a->tcp, on_closed);
}

/* The connection is of no use any more; try again in @ms. */
static void retry(struct pd_assist *a, uint64_t ms)
{
	bool was_on = a->state == PD_ASSIST_ON;

	hang_up(a);
	uv_timer_start(&a->timer, connect_next, ms, 0);
	/* What it had not told yet is lost. */
	if (was_on)
		a->ops->all(a->arg, true);
}

static const char *address(const struct pd_assist *a, char buf[PD_ADDR_STRLEN])
{
	const struct pd_addr *addr = &a->addrs[a->next];

	return pd_addr_format(&addr->ip, addr->port, buf);
}

/* It cannot be reached, or has gone: the next address, after a while that grows. */
static void lose(struct pd_assist *a, const char *why)
{
	bool was_on = a->state == PD_ASSIST_ON;
	char text[PD_ADDR_STRLEN];
	uint64_t ms;

	if (was_on && uv_now(a->timer.loop) - a->since >= STEADY_MS)
		a->retry_ms = RETRY_MIN_MS;
	ms = a->retry_ms;
	a->retry_ms = ms * 2 < RETRY_MAX_MS ? ms * 2 : RETRY_MAX_MS;
	retry(a, ms);
	enter(a, PD_ASSIST_CONNECTING, "%s: %s", address(a, text), why);
	if (!was_on)
		a->next = (a->next + 1) % a->naddrs;
}

/* It is there, but does not do it. */
static void rest(struct pd_assist *a, const char *what, const char *why)
{
	char text[PD_ADDR_STRLEN];

	retry(a, WAIT_MS);
	enter(a, PD_ASSIST_WAITING, "%s: %s%s", address(a, text), what, why);
	a->next = (a->next + 1) % a->naddrs;
}

/* ---- what the driver tells -------------------------------------------------- */

static void on_key(void *arg, const void *key, size_t len)
{
	struct pd_assist *a = arg;

	a->ops->key(a->arg, key, len);
}

static void on_all(void *arg, bool gap)
{
	struct pd_assist *a = arg;
	uint64_t now = uv_now(a->timer.loop);

	a->ops->all(a->arg, gap);
	if (!gap)
		return;
	if (!a->gaps || now - a->gaps_since > GAPS_MS) {
		a->gaps_since = now;
		a->gaps = 0;
	}
	a->overrun |= ++a->gaps > GAPS_MAX;
}

static void on_ping(uv_timer_t *timer);

static void on_agreed(void *arg)
{
	struct pd_assist *a = arg;
	char text[PD_ADDR_STRLEN];

	uv_timer_start(&a->timer, on_ping, PING_MS, PING_MS);
	/* Nothing told of what changed before. */
	a->ops->all(a->arg, true);
	enter(a, PD_ASSIST_ON, "%s", address(a, text));
}

/* ---- reading and writing ------------------------------------------------------ */

/* Small writes to a connection that is made: what the socket does not take at once is not waited
 * for. */
static int send_all(struct pd_assist *a, const struct pd_strbuf *out)
{
	uv_buf_t buf = uv_buf_init(out->s, (unsigned int)out->len);

	if (out->failed)
		return -ENOMEM;
	if (!out->len)
		return 0;
	return uv_try_write((uv_stream_t *)&a->tcp, &buf, 1) == (int)out->len ? 0 : -EPIPE;
}

static void on_ping(uv_timer_t *timer)
{
	struct pd_assist *a = timer->data;
	const char *ping = a->driver->ping ? a->driver->ping(&a->reader) : NULL;
	_cleanup_strbuf_ struct pd_strbuf out = {0};

	if (ping)
		pd_strbuf_adds(&out, ping);
	if (send_all(a, &out))
		lose(a, "connection lost");
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(in, sizeof(in));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_pause_over(uv_timer_t *timer)
{
	struct pd_assist *a = timer->data;

	uv_read_start((uv_stream_t *)&a->tcp, on_alloc, on_read);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct pd_assist *a = stream->data;
	const struct pd_sink sink = {.arg = a, .key = on_key, .all = on_all, .on = on_agreed};
	_cleanup_strbuf_ struct pd_strbuf out = {0};
	char text[PD_ASSIST_TEXT] = "";
	int err;

	if (n == 0)
		return;
	if (n < 0) {
		lose(a, n == UV_EOF ? "closed by the server" : uv_strerror((int)n));
		return;
	}
	err = a->driver->feed(&a->reader, buf->base, (size_t)n, &sink, &out, text);
	if (err == -EACCES)
		rest(a, "the server refuses: ", text);
	else if (err)
		rest(a, "not an answer of this protocol", "");
	else if (a->overrun)
		rest(a, "the server leaves out too many of its reports", "");
	else if (send_all(a, &out))
		lose(a, "connection lost");
	if (a->state != PD_ASSIST_ON)
		return;
	/* However many changes there are, the loop wakes for them once in a while only. */
	uv_read_stop(stream);
	uv_timer_start(&a->pause, on_pause_over, PAUSE_MS, 0);
}

/* ---- connecting ----------------------------------------------------------------- */

/* One line of the credentials file into @text. */
static int read_credentials(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if ((size_t)n == size - 1 && !memchr(text, '\n', (size_t)n))
		return -EFBIG;
	return 0;
}

static void say_hello(struct pd_assist *a)
{
	const char *user = NULL, *password = NULL;
	struct pd_strbuf out = {0};
	char secret[512] = "";
	int err = a->credentials ? read_credentials(a->credentials, secret, sizeof(secret)) : 0;

	if (a->credentials && !err)
		pd_credentials_split(secret, &user, &password);
	if (err) {
		rest(a, "cannot read the credentials: ", strerror(-err));
	} else {
		a->driver->hello(&a->reader, user, password, &out);
		if (send_all(a, &out))
			lose(a, "connection lost");
		else
			uv_read_start((uv_stream_t *)&a->tcp, on_alloc, on_read);
	}
	explicit_bzero(secret, sizeof(secret));
	if (out.s)
		explicit_bzero(out.s, out.len);
	pd_strbuf_free(&out);
}

/* A peer that has vanished without a word is found out, by its kernel's silence. */
static void set_options(struct pd_assist *a)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},		{IPPROTO_TCP, TCP_KEEPIDLE, 5},
		{IPPROTO_TCP, TCP_KEEPINTVL, 1},	{IPPROTO_TCP, TCP_KEEPCNT, 5},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, 10000},
	};
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&a->tcp, &fd))
		return;
	for (size_t i = 0; i < PD_ARRAY_SIZE(options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			   sizeof(options[i].value));
}

static void on_connect(uv_connect_t *connect, int status)
{
	struct pd_assist *a = connect->data;

	if (status == UV_ECANCELED) /* hung up meanwhile */
		return;
	if (status < 0) {
		lose(a, uv_strerror(status));
		return;
	}
	set_options(a);
	say_hello(a);
}

static void on_deadline(uv_timer_t *timer)
{
	lose(timer->data, "no answer");
}

static void connect_next(uv_timer_t *timer)
{
	struct pd_assist *a = timer->data;
	const struct pd_addr *addr = &a->addrs[a->next];
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
	bool v4 = pd_ip_is_v4(&addr->ip);
	int err;

	if (a->tcp_open) { /* not closed yet */
		uv_timer_start(timer, connect_next, RETRY_MIN_MS, 0);
		return;
	}
	a->overrun = false;
	a->gaps = 0;
	memcpy(&sin.sin_addr, addr->ip.b + 12, 4);
	memcpy(&sin6.sin6_addr, addr->ip.b, 16);
	err = uv_tcp_init(timer->loop, &a->tcp);
	if (!err) {
		a->tcp.data = a;
		a->tcp_open = true;
		a->handles++;
		a->connect.data = a;
		err = uv_tcp_connect(&a->connect, &a->tcp,
				     v4 ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6,
				     on_connect);
	}
	if (err)
		lose(a, uv_strerror(err));
	else
		uv_timer_start(&a->timer, on_deadline, DEADLINE_MS, 0);
}

/* ---- life -------------------------------------------------------------------------- */

int pd_assist_new(struct uv_loop_s *loop, const struct pd_assist_options *o,
		  const struct pd_assist_ops *ops, void *arg, struct pd_assist **ret)
{
	const struct pd_driver *driver = find_driver(o->protocol);
	struct pd_assist *a;

	if (!driver)
		return -EOPNOTSUPP;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->addrs = malloc(o->naddrs * sizeof(*a->addrs));
	a->credentials = o->credentials ? strdup(o->credentials) : NULL;
	if (!a->addrs || (o->credentials && !a->credentials)) {
		free(a->addrs);
		free(a->credentials);
		free(a);
		return -ENOMEM;
	}
	memcpy(a->addrs, o->addrs, o->naddrs * sizeof(*a->addrs));
	a->naddrs = o->naddrs;
	a->driver = driver;
	a->ops = ops;
	a->arg = arg;
	a->state = PD_ASSIST_CONNECTING;
	a->retry_ms = RETRY_MIN_MS;
	uv_timer_init(loop, &a->timer);
	uv_timer_init(loop, &a->pause);
	a->timer.data = a->pause.data = a;
	a->handles = 2;
	/* From the loop: whoever asks for it is not done yet with what it is asked for. */
	uv_timer_start(&a->timer, connect_next, 0, 0);
	*ret = a;
	return 0;
}

void pd_assist_free(struct pd_assist **assist)
{
	struct pd_assist *a = *assist;

	if (!a)
		return;
	*assist = NULL;
	a->freed = true;
	hang_up(a);
	uv_close((uv_handle_t *)&a->timer, on_closed);
	uv_close((uv_handle_t *)&a->pause, on_closed);
}
