/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TC and XDP hooks. Our filters have fixed handles and priorities, so that a
 * new daemon replaces the programs in place. A filter there that is not ours
 * is never touched: ours are pinned in our directory, or use a map that is or
 * was pinned there.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/lib/strbuf.h"
#include "user/load/impl.h"

#define TC_HANDLE      1
#define TC_PRIO_FIRST  0xbd1
#define TC_PRIO_SECOND 0xbd2

struct tc_row {
	enum pd_prog_id prog;
	uint32_t side;
	enum bpf_tc_attach_point point;
	uint32_t priority;
};

/* In attach order. Ingress: client_request, then home_reply; egress: home_request, then
 * client_reply. */
static const struct tc_row tc_rows[] = {
	{PD_PROG_HOME_REQUEST, PD_SIDE_HOME, BPF_TC_EGRESS, TC_PRIO_FIRST},
	{PD_PROG_HOME_REPLY, PD_SIDE_HOME, BPF_TC_INGRESS, TC_PRIO_SECOND},
	{PD_PROG_CLIENT_REPLY, PD_SIDE_CLIENT, BPF_TC_EGRESS, TC_PRIO_SECOND},
	{PD_PROG_CLIENT_REQUEST, PD_SIDE_CLIENT, BPF_TC_INGRESS, TC_PRIO_FIRST},
};

enum owner {
	OWNER_NONE,
	OWNER_US,
	OWNER_OTHER,
};

static bool holds(const uint32_t *ids, size_t n, uint32_t id)
{
	for (size_t i = 0; id && i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static bool map_is_ours(const struct pd_load *load, uint32_t id)
{
	return id == load->settings_id || holds(load->old_maps, PD_ARRAY_SIZE(load->old_maps), id);
}

/* Is this program one of this daemon or of the one before? @ret_slots: it uses the words in use. */
static bool program_is_ours(const struct pd_load *load, uint32_t prog_id, bool *ret_slots)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = {0};
	bool ours = holds(load->old_progs, PD_ARRAY_SIZE(load->old_progs), prog_id);
	uint32_t len = sizeof(info), ids[64];

	*ret_slots = false;
	if (fd < 0)
		return false;
	info.nr_map_ids = PD_ARRAY_SIZE(ids);
	info.map_ids = (uint64_t)(uintptr_t)ids;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < PD_ARRAY_SIZE(ids); i++) {
		ours = ours || map_is_ours(load, ids[i]);
		*ret_slots = *ret_slots || ids[i] == load->slots_id;
	}
	return ours;
}

static enum owner tc_owner(const struct pd_load *load, const struct bpf_tc_hook *hook,
			   const struct tc_row *row, bool *ret_slots)
{
	LIBBPF_OPTS(bpf_tc_opts, o, .handle = TC_HANDLE, .priority = row->priority);

	*ret_slots = false;
	pd_libbpf_log_start();
	if (bpf_tc_query(hook, &o) < 0)
		return OWNER_NONE;
	return program_is_ours(load, o.prog_id, ret_slots) ? OWNER_US : OWNER_OTHER;
}

static int clsact_path(const struct pd_load *load, uint32_t ifindex, char **ret)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", ifindex);
	*ret = pd_pin_path(load, "clsact", name);
	return *ret ? 0 : -ENOMEM;
}

static int clsact_make(struct pd_load *load, uint32_t ifindex, const char *ifname,
		       struct pd_fault *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	_cleanup_free_ char *path = NULL;
	int err;

	pd_libbpf_log_start();
	err = bpf_tc_hook_create(&hook);
	if (err == -EEXIST)
		return 0;
	if (err)
		return pd_fail(f, err, "modprobe sch_ingress cls_bpf, and run `panditctl doctor`",
			       "%s: cannot make the clsact qdisc: %s", ifname, strerror(-err));
	/* A directory is what a bpf file system can hold: it says that the qdisc is ours to remove.
	 */
	if (clsact_path(load, ifindex, &path))
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return pd_fail(f, -errno, NULL, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

static int attach_row(struct pd_load *load, uint32_t ifindex, const char *ifname,
		      const struct tc_row *row, struct pd_fault *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = row->point);
	LIBBPF_OPTS(bpf_tc_opts, o, .handle = TC_HANDLE, .priority = row->priority,
		    .prog_fd = load->prog_fds[row->prog], .flags = BPF_TC_F_REPLACE);
	const char *dir = row->point == BPF_TC_INGRESS ? "ingress" : "egress";
	bool slots;
	int err;

	if (load->prog_fds[row->prog] < 0)
		return pd_fail(f, -ENOENT, "rebuild panditd", "%s: there is no program %s", ifname,
			       pd_prog_names[row->prog]);
	if (tc_owner(load, &hook, row, &slots) == OWNER_OTHER) {
		char hint[160];

		snprintf(hint, sizeof(hint),
			 "detach it there; or, if no panditd has it: tc filter del dev %s %s prio "
			 "%u",
			 ifname, dir, row->priority);
		return pd_fail(f, -EBUSY, hint,
			       "%s: the tc filter %s prio %u belongs to another panditd", ifname,
			       dir, row->priority);
	}
	err = bpf_tc_attach(&hook, &o);
	if (err)
		return pd_fail(f, err, "run `panditctl doctor`", "%s: cannot attach %s: %s", ifname,
			       pd_prog_names[row->prog], strerror(-err));
	return 0;
}

int pd_load_attach(struct pd_load *load, uint32_t ifindex, const char *ifname, uint32_t sides,
		   struct pd_fault *f)
{
	int err = clsact_make(load, ifindex, ifname, f);

	for (size_t i = 0; !err && i < PD_ARRAY_SIZE(tc_rows); i++)
		if (sides & tc_rows[i].side)
			err = attach_row(load, ifindex, ifname, &tc_rows[i], f);
	return err;
}

int pd_load_detach(struct pd_load *load, uint32_t ifindex, uint32_t sides, struct pd_fault *f)
{
	int err = 0;

	/* The reverse of the attach order: what answers goes first, the home hook last. */
	for (size_t i = PD_ARRAY_SIZE(tc_rows); i-- > 0;) {
		const struct tc_row *row = &tc_rows[i];
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = row->point);
		LIBBPF_OPTS(bpf_tc_opts, o, .handle = TC_HANDLE, .priority = row->priority);
		bool slots;
		int one;

		if (!(sides & row->side) || tc_owner(load, &hook, row, &slots) != OWNER_US)
			continue;
		one = bpf_tc_detach(&hook, &o);
		if (one && one != -ENOENT && one != -ENODEV && !err)
			err = pd_fail(f, one, NULL, "cannot detach %s from interface %u: %s",
				      pd_prog_names[row->prog], ifindex, strerror(-one));
	}
	return err;
}

bool pd_load_has_old_words(const struct pd_load *load, uint32_t ifindex)
{
	struct pd_edge edge;

	for (size_t i = 0; i < PD_ARRAY_SIZE(tc_rows); i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
			    .attach_point = tc_rows[i].point);
		bool slots;

		if (tc_rows[i].side == PD_SIDE_CLIENT &&
		    tc_owner(load, &hook, &tc_rows[i], &slots) == OWNER_US && !slots)
			return true;
	}
	pd_load_edge(load, ifindex, &edge);
	return edge.old_words;
}

uint32_t pd_load_any_of_ours(const struct pd_load *load, uint32_t ifindex)
{
	uint32_t sides = 0;
	struct pd_edge edge;

	for (size_t i = 0; i < PD_ARRAY_SIZE(tc_rows); i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
			    .attach_point = tc_rows[i].point);
		bool slots;

		if (tc_owner(load, &hook, &tc_rows[i], &slots) == OWNER_US)
			sides |= tc_rows[i].side;
	}
	pd_load_edge(load, ifindex, &edge);
	return sides | (edge.ours ? PD_SIDE_EDGE : 0);
}

uint32_t pd_load_attached(struct pd_load *load, uint32_t ifindex)
{
	uint32_t sides = PD_SIDE_CLIENT | PD_SIDE_HOME;

	for (size_t i = 0; i < PD_ARRAY_SIZE(tc_rows); i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
			    .attach_point = tc_rows[i].point);
		bool slots;

		if (tc_owner(load, &hook, &tc_rows[i], &slots) != OWNER_US)
			sides &= ~tc_rows[i].side;
	}
	return sides;
}

bool pd_load_clsact_ours(const struct pd_load *load, uint32_t ifindex)
{
	_cleanup_free_ char *path = NULL;

	return !clsact_path(load, ifindex, &path) && !access(path, F_OK);
}

int pd_load_clsact_remove(struct pd_load *load, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	_cleanup_free_ char *path = NULL;
	int err;

	pd_libbpf_log_start();
	err = bpf_tc_hook_destroy(&hook);
	if (err && err != -ENOENT && err != -ENODEV && err != -EINVAL)
		return err;
	if (clsact_path(load, ifindex, &path))
		return -ENOMEM;
	if (rmdir(path) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static uint32_t xdp_flag(enum pd_xdp_mode mode)
{
	return mode == PD_XDP_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
}

static void program_name(uint32_t prog_id, char *buf, size_t len)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = {0};
	uint32_t info_len = sizeof(info);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &info_len))
		snprintf(buf, len, "%s", info.name);
}

void pd_load_edge(const struct pd_load *load, uint32_t ifindex, struct pd_edge *ret)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	bool slots;

	*ret = (struct pd_edge){0};
	if (bpf_xdp_query((int)ifindex, 0, &q) < 0)
		return;
	ret->prog_id = q.hw_prog_id;
	if (q.drv_prog_id) {
		ret->prog_id = q.drv_prog_id;
		ret->mode = PD_XDP_NATIVE;
	} else if (q.skb_prog_id) {
		ret->prog_id = q.skb_prog_id;
		ret->mode = PD_XDP_GENERIC;
	}
	if (!ret->prog_id)
		return;
	ret->ours = program_is_ours(load, ret->prog_id, &slots);
	ret->old_words = ret->ours && !slots;
	program_name(ret->prog_id, ret->name, sizeof(ret->name));
}

/* Never over a program that came meanwhile: @old is what may be replaced; 0 = nothing. */
static int put_edge(struct pd_load *load, uint32_t ifindex, enum pd_xdp_mode mode, uint32_t old)
{
	_cleanup_close_ int old_fd = old ? bpf_prog_get_fd_by_id(old) : -1;
	LIBBPF_OPTS(bpf_xdp_attach_opts, o, .old_prog_fd = old_fd);
	uint32_t flags = xdp_flag(mode);

	if (old && old_fd < 0)
		return -ESTALE;
	pd_libbpf_log_start();
	return bpf_xdp_attach((int)ifindex, load->prog_fds[PD_PROG_EDGE_CLIENT],
			      old ? flags : flags | XDP_FLAGS_UPDATE_IF_NOEXIST, old ? &o : NULL);
}

/* "Kernel error message: TEXT", if the driver gave a text. */
static void note_refusal(struct pd_load *load, int err)
{
	static const char prefix[] = "Kernel error message: ";
	const char *said = pd_libbpf_log_reason();

	if (!strncmp(said, prefix, sizeof(prefix) - 1))
		snprintf(load->edge_refusal, sizeof(load->edge_refusal), "%.120s",
			 said + sizeof(prefix) - 1);
	else
		snprintf(load->edge_refusal, sizeof(load->edge_refusal), "%s", strerror(-err));
}

const char *pd_load_edge_refusal(const struct pd_load *load)
{
	return load->edge_refusal;
}

static int edge_busy(const char *ifname, const struct pd_edge *now, struct pd_fault *f)
{
	char hint[160];

	snprintf(hint, sizeof(hint),
		 "take it off (`ip link set dev %s xdp off`), or attach %s without the side edge",
		 ifname, ifname);
	return pd_fail(f, -EBUSY, hint, "%s: another XDP program is attached: id %u%s%s", ifname,
		       now->prog_id, now->name[0] ? ", " : "", now->name);
}

int pd_load_attach_edge(struct pd_load *load, uint32_t ifindex, const char *ifname,
			enum pd_xdp_mode want, enum pd_xdp_mode *ret_mode, struct pd_fault *f)
{
	struct pd_edge now;
	int err;

	load->edge_refusal[0] = '\0';
	if (load->prog_fds[PD_PROG_EDGE_CLIENT] < 0)
		return pd_fail(f, -ENOENT, "attach it without the side edge",
			       "%s: this kernel refused edge_client", ifname);
	pd_libbpf_log_start();
	pd_load_edge(load, ifindex, &now);
	if (now.prog_id && !now.ours)
		return edge_busy(ifname, &now, f);
	if (now.prog_id && want == PD_XDP_NONE)
		want = now.mode;
	if (now.prog_id && want != now.mode) {
		bpf_xdp_detach((int)ifindex, xdp_flag(now.mode), NULL);
		now.prog_id = 0;
	}
	*ret_mode = want == PD_XDP_NONE ? PD_XDP_NATIVE : want;
	err = put_edge(load, ifindex, *ret_mode, now.prog_id);
	if (err && want == PD_XDP_NONE) {
		note_refusal(load, err);
		*ret_mode = PD_XDP_GENERIC;
		err = put_edge(load, ifindex, *ret_mode, 0);
	}
	if (err)
		return pd_fail(f, err, "run `panditctl doctor`, or attach it without the side edge",
			       "%s: cannot attach edge_client: %s", ifname, strerror(-err));
	return 0;
}

int pd_load_detach_edge(struct pd_load *load, uint32_t ifindex, struct pd_fault *f)
{
	struct pd_edge now;
	int err;

	pd_libbpf_log_start();
	pd_load_edge(load, ifindex, &now);
	if (!now.ours)
		return 0;
	err = bpf_xdp_detach((int)ifindex, xdp_flag(now.mode), NULL);
	if (err && err != -ENODEV)
		return pd_fail(f, err, NULL, "cannot detach edge_client from interface %u: %s",
			       ifindex, strerror(-err));
	return 0;
}
