/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "user/service/host_impl.h"

#define TICK_MS	     1000
#define SETTLE_MS    20
#define WALL_STEP_NS (100 * PD_NS_PER_MS)

/* ---- problems --------------------------------------------------------------------- */

void pd_host_lasting(struct pd_host *h, const char *fmt, ...)
{
	char text[512], **grown;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pd_log_warn("%s", text);
	for (size_t i = 0; i < h->nlasting; i++)
		if (!strcmp(h->lasting[i], text))
			return;
	grown = realloc(h->lasting, (h->nlasting + 1) * sizeof(*grown));
	if (!grown)
		return;
	h->lasting = grown;
	grown[h->nlasting] = strdup(text);
	if (grown[h->nlasting])
		h->nlasting++;
}

static void free_list(char ***list, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free((*list)[i]);
	free(*list);
	*list = NULL;
	*n = 0;
}

/* ---- clock ------------------------------------------------------------------------- */

/* Arm the descriptor that fires when somebody sets the wall clock. */
static void arm_wall(struct pd_host *h)
{
	struct itimerspec far = {.it_value = {.tv_sec = (time_t)1 << 40}};

	timerfd_settime(h->wall_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
}

static void check_wall(struct pd_host *h)
{
	uint64_t now = pd_wall_offset_ns();
	int64_t step = (int64_t)(now - h->wall_offset);

	if (!h->load || now == h->wall_offset)
		return;
	pd_load_set_wall_offset(h->load, now);
	/* Absolute times to live were converted by the old offset. */
	if (step > (int64_t)WALL_STEP_NS || step < -(int64_t)WALL_STEP_NS) {
		pd_load_bump_all(h->load);
		pd_log_info("the wall clock was set (%+" PRId64 " ms): every entry is forgotten",
			    step / (int64_t)PD_NS_PER_MS);
	}
	h->wall_offset = now;
}

static void on_wall(uv_poll_t *poll, int status, int events)
{
	struct pd_host *h = poll->data;
	uint64_t expirations;

	(void)status;
	(void)events;
	if (read(h->wall_fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return;
	arm_wall(h);
	check_wall(h);
}

/* ---- loop ---------------------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
	struct pd_host *h = timer->data;

	if (!h->load)
		return;
	pd_observers_flush(h, true);
	check_wall(h);
	pd_load_sweep(h->load);
	pd_svcs_assist(h);
	pd_svcs_assist_count(h);
	if (h->norphans)
		pd_orphans_sweep(h);
}

static void on_settle(uv_timer_t *timer)
{
	struct pd_host *h = timer->data;

	h->settle_on = false;
	if (pd_reconcile(h))
		pd_log_warn("cannot look at the interfaces; trying again at the next change");
}

static void on_net(uv_poll_t *poll, int status, int events)
{
	struct pd_host *h = poll->data;
	unsigned int what = pd_net_monitor_take(h->net);

	(void)status;
	(void)events;
	/* A lost link or hook closes services at once; the rest is gathered for a moment. */
	if (what & PD_NET_LINKS || (what & PD_NET_FILTERS && pd_ifaces_verify(h)))
		on_settle(&h->settle);
	if (what & ~PD_NET_FILTERS && !h->settle_on) {
		h->settle_on = true;
		uv_timer_start(&h->settle, on_settle, SETTLE_MS, 0);
	}
}

static void on_ring(uv_poll_t *poll, int status, int events)
{
	struct pd_host *h = poll->data;

	(void)status;
	(void)events;
	if (h->load)
		pd_load_events_consume(h->load);
	pd_observers_flush(h, false);
}

static void open_handles(struct pd_host *h)
{
	uv_timer_init(h->loop, &h->tick);
	uv_timer_init(h->loop, &h->settle);
	uv_timer_init(h->loop, &h->drain);
	uv_poll_init(h->loop, &h->net_poll, pd_net_monitor_fd(h->net));
	h->tick.data = h->settle.data = h->drain.data = h->net_poll.data = h;
	h->handles = 4;
	uv_timer_start(&h->tick, on_tick, TICK_MS, TICK_MS);
	uv_poll_start(&h->net_poll, UV_READABLE, on_net);
	h->wall_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (h->wall_fd < 0)
		return;
	arm_wall(h);
	uv_poll_init(h->loop, &h->wall_poll, h->wall_fd);
	h->wall_poll.data = h;
	h->handles++;
	uv_poll_start(&h->wall_poll, UV_READABLE, on_wall);
}

/* The poll handle of a ring must not outlive it; its memory belongs to itself. */
static void on_ring_closed(uv_handle_t *handle)
{
	free(handle);
}

static void close_ring(struct pd_host *h)
{
	if (!h->events_poll)
		return;
	uv_poll_stop(h->events_poll);
	uv_close((uv_handle_t *)h->events_poll, on_ring_closed);
	h->events_poll = NULL;
}

static int open_ring(struct pd_host *h)
{
	int fd = pd_load_events_fd(h->load, pd_on_event, h);

	if (fd < 0)
		return fd;
	pd_load_on_observed(h->load, pd_on_observed, h);
	h->events_poll = calloc(1, sizeof(*h->events_poll));
	if (!h->events_poll)
		return -ENOMEM;
	uv_poll_init(h->loop, h->events_poll, fd);
	h->events_poll->data = h;
	uv_poll_start(h->events_poll, UV_READABLE, on_ring);
	return 0;
}

/* ---- loading --------------------------------------------------------------------------- */

static uint64_t entries_wanted(const struct pd_config *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->nservices; i++)
		if (__builtin_add_overflow(n, c->services[i].max_entries, &n))
			return UINT64_MAX;
	return n ? n : PD_DEFAULT_MAX_ENTRIES;
}

int pd_host_load(struct pd_host *h, struct pd_fault *f)
{
	struct pd_load_options o = {.bpffs = h->config->bpffs,
				    .connections = h->config->connections,
				    .memory = h->config->memory,
				    .max_entries = entries_wanted(h->config)};
	const char *const *problems;
	size_t n;
	int err;

	if (h->load)
		return 0;
	err = pd_check_capabilities(f);
	if (!err)
		err = pd_check_kernel(f);
	if (!err)
		err = pd_load_open(&o, &h->load, f);
	if (err)
		return err;
	problems = pd_load_problems(h->load, &n);
	for (size_t i = 0; i < n; i++)
		pd_log_warn("%s", problems[i]);
	if (pd_load_adopted(h->load))
		pd_log_info("maps in %s adopted, with their entries and connections", o.bpffs);
	h->wall_offset = pd_wall_offset_ns();
	if (open_ring(h))
		pd_host_lasting(h, "no events: the ring buffer cannot be read");
	return pd_svcs_adopt(h, f);
}

void pd_host_unload(struct pd_host *h)
{
	pd_observers_end(h);
	close_ring(h);
	pd_load_close(&h->load);
	pd_svcs_unplace(h);
	h->counted = 0;
}

static bool has_pins(const struct pd_config *c)
{
	_cleanup_free_ char *path = pd_asprintf("%s/v1/maps/settings", c->bpffs);

	return path && !access(path, F_OK);
}

static int take_lock(struct pd_host *h, struct pd_fault *f)
{
	_cleanup_free_ char *path = pd_asprintf("%s/pandit.lock", h->config->runtime_dir);
	char pid[16] = "";

	if (!path)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (mkdir(h->config->runtime_dir, 0755) < 0 && errno != EEXIST)
		return pd_fail(f, -errno, "check `runtime_dir`", "cannot make %s: %s",
			       h->config->runtime_dir, strerror(errno));
	h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (h->lock_fd < 0)
		return pd_fail(f, -errno, "check `runtime_dir`", "cannot open %s: %s", path,
			       strerror(errno));
	if (flock(h->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (read(h->lock_fd, pid, sizeof(pid) - 1) < 0)
			pid[0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return pd_fail(f, -EBUSY,
			       "stop it first, or give this one its own `runtime_dir` and `bpffs`",
			       "another panditd (pid %s) runs with %s", pid,
			       h->config->runtime_dir);
	}
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(h->lock_fd, 0) < 0 || pwrite(h->lock_fd, pid, strlen(pid), 0) < 0)
		pd_log_debug("%s: %s", path, strerror(errno));
	return 0;
}

/* ---- life --------------------------------------------------------------------------------- */

static int add_configured(struct pd_host *h, struct pd_fault *f)
{
	int err = pd_svcs_apply(h, h->config, f);

	if (!err)
		err = pd_added_read(h, f);
	return err;
}

/* The first interface named in the configuration that could not be attached. */
static int first_failure(struct pd_host *h, struct pd_fault *f)
{
	for (size_t i = 0; i < h->nifaces; i++)
		if (h->ifaces[i]->fault.message[0] && !h->ifaces[i]->by_pattern) {
			*f = h->ifaces[i]->fault;
			return -EIO;
		}
	return 0;
}

static int start(struct pd_host *h, struct pd_fault *f)
{
	const struct pd_config *c = h->config;
	bool needed = c->nattach || c->attach_auto || c->nservices || has_pins(c);
	int err = pd_net_new(&h->net, f);

	if (!err)
		err = pd_ifaces_check(h, c, f);
	if (!err)
		open_handles(h);
	if (!err)
		err = add_configured(h, f);
	if (!err && (needed || h->nsvcs))
		err = pd_host_load(h, f);
	if (!err && pd_ifaces_apply(h, c))
		err = pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (!err && h->load)
		err = pd_ifaces_adopt(h);
	if (!err && pd_reconcile(h))
		err = pd_fail(f, -EIO, NULL, "cannot look at the interfaces");
	if (!err)
		err = first_failure(h, f);
	if (!err && c->metrics_on)
		err = pd_metrics_new(h->loop, &c->metrics, pd_stats_render, pd_host_is_ready, h,
				     &h->metrics, f);
	return err;
}

int pd_host_new(struct pd_config *config, struct uv_loop_s *loop, struct pd_host **ret,
		struct pd_fault *f)
{
	struct pd_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h) {
		pd_config_free(&config);
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	}
	h->config = config;
	h->loop = loop;
	h->lock_fd = h->wall_fd = -1;
	h->started = pd_monotonic_ns();
	for (size_t i = 0; i < config->nnotices; i++)
		pd_host_lasting(h, "%s", config->notices[i]);
	err = take_lock(h, f);
	if (!err)
		err = start(h, f);
	if (err) {
		if (h->load && pd_load_was_fresh(h->load))
			pd_ifaces_undo(h);
		pd_host_free(&h);
		return err;
	}
	h->ready = true;
	*ret = h;
	return 0;
}

static void free_host(struct pd_host *h)
{
	pd_net_free(&h->net);
	if (h->wall_fd >= 0)
		close(h->wall_fd);
	if (h->lock_fd >= 0)
		close(h->lock_fd);
	pd_svc_free_all(h);
	pd_iface_free_all(h);
	free_list(&h->problems, &h->nproblems);
	free_list(&h->lasting, &h->nlasting);
	free(h->iface_infos);
	free(h->iface_sides);
	pd_config_free(&h->config);
	free(h);
}

static void on_closed(uv_handle_t *handle)
{
	struct pd_host *h = handle->data;

	if (!--h->handles)
		free_host(h);
}

void pd_host_free(struct pd_host **host)
{
	struct pd_host *h = *host;

	if (!h)
		return;
	*host = NULL;
	pd_detach_abort(h);
	pd_observers_end(h);
	pd_whys_end(h);
	pd_metrics_free(&h->metrics);
	close_ring(h);
	pd_load_close(&h->load);
	if (!h->handles) {
		free_host(h);
		return;
	}
	if (h->wall_fd >= 0) {
		uv_poll_stop(&h->wall_poll);
		uv_close((uv_handle_t *)&h->wall_poll, on_closed);
	}
	uv_poll_stop(&h->net_poll);
	uv_close((uv_handle_t *)&h->net_poll, on_closed);
	uv_close((uv_handle_t *)&h->drain, on_closed);
	uv_close((uv_handle_t *)&h->settle, on_closed);
	uv_close((uv_handle_t *)&h->tick, on_closed);
}

bool pd_host_is_ready(void *arg)
{
	const struct pd_host *h = arg;

	return h->ready;
}
