/* SPDX-License-Identifier: Apache-2.0 */
/* panditd: options, signals, the loop. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "user/lib/log.h"
#include "user/lib/notify.h"
#include "user/service/admin.h"
#include "user/service/config.h"
#include "user/service/host.h"
#include "user/service/version.h"

#define EXIT_FAILED 1
#define EXIT_CONFIG 2

struct daemon {
	uv_loop_t loop;
	uv_signal_t term, interrupt, hangup;
	const char *file; /* NULL = built in */
	struct pd_host *host;
	struct pd_admin *admin;
};

static void usage(FILE *out)
{
	fputs("usage: panditd [-c FILE] [--check] [-v] [--version] [--help]\n"
	      "  -c, --config FILE  configuration (default: " PD_CONFIG_FILE " if it is there,\n"
	      "                     else this host alone with nothing attached)\n"
	      "      --check        check the configuration and exit: 0 good, 2 bad\n"
	      "  -v, --verbose      log more\n",
	      out);
}

static void on_stop(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;

	pd_log_info("%s: stopping; programs and entries stay",
		    signum == SIGTERM ? "SIGTERM" : "SIGINT");
	pd_notify("STOPPING=1");
	uv_stop(&d->loop);
}

static void on_hangup(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;
	struct pd_config *config = NULL;
	struct pd_fault f = {0};
	int err;

	(void)signum;
	if (!d->file) {
		pd_log_warn("SIGHUP: there is no configuration file to read again");
		return;
	}
	pd_notify("RELOADING=1");
	err = pd_config_read(d->file, &config, &f);
	if (!err)
		err = pd_host_reload(d->host, config, &f);
	if (err) {
		pd_log_fault(PD_LOG_ERR, err, &f);
		pd_log_err("SIGHUP: nothing was changed");
	} else {
		pd_log_info("SIGHUP: %s applied", d->file);
	}
	pd_notify("READY=1");
}

static void watch(struct daemon *d, uv_signal_t *handle, uv_signal_cb fn, int signum)
{
	uv_signal_init(&d->loop, handle);
	handle->data = d;
	uv_signal_start(handle, fn, signum);
}

static void close_signal(uv_signal_t *handle)
{
	if (!uv_is_closing((uv_handle_t *)handle))
		uv_close((uv_handle_t *)handle, NULL);
}

static int serve(struct daemon *d, struct pd_config *config)
{
	struct pd_fault f = {0};
	int err;

	/* Handlers are in place before anything is announced. */
	watch(d, &d->term, on_stop, SIGTERM);
	watch(d, &d->interrupt, on_stop, SIGINT);
	watch(d, &d->hangup, on_hangup, SIGHUP);
	err = pd_host_new(config, &d->loop, &d->host, &f);
	if (!err)
		err = pd_admin_new(d->host, pd_host_socket(d->host), &d->loop, &d->admin, &f);
	if (err) {
		pd_log_fault(PD_LOG_ERR, err, &f);
	} else {
		puts("pandit: ready");
		fflush(stdout);
		pd_notify("READY=1");
		uv_run(&d->loop, UV_RUN_DEFAULT);
	}
	pd_admin_free(&d->admin);
	pd_host_free(&d->host);
	close_signal(&d->term);
	close_signal(&d->interrupt);
	close_signal(&d->hangup);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	return err;
}

static int run(const char *file, bool check)
{
	struct daemon d = {.file = file};
	struct pd_config *config = NULL;
	struct pd_fault f = {0};
	int err = pd_config_read(file, &config, &f);

	if (err) {
		pd_log_fault(PD_LOG_ERR, err, &f);
		return EXIT_CONFIG;
	}
	if (check) {
		for (size_t i = 0; i < config->nnotices; i++)
			pd_log_warn("%s", config->notices[i]);
		printf("%s: ok: %zu services\n", file ? file : "built-in configuration",
		       config->nservices);
		pd_config_free(&config);
		return EXIT_SUCCESS;
	}
	signal(SIGPIPE, SIG_IGN);
	if (uv_loop_init(&d.loop)) {
		pd_config_free(&config);
		pd_log_err("cannot make the event loop");
		return EXIT_FAILED;
	}
	err = serve(&d, config);
	uv_loop_close(&d.loop);
	return err ? EXIT_FAILED : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	enum {
		OPT_CHECK = 256,
		OPT_VERSION
	};
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPT_VERSION},
		{0},
	};
	const char *file = NULL;
	bool check = false;
	int c;

	while ((c = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'v':
			pd_log_set_level(PD_LOG_DEBUG);
			break;
		case OPT_CHECK:
			check = true;
			break;
		case OPT_VERSION:
			puts("panditd " PD_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_CONFIG;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return EXIT_CONFIG;
	}
	if (!file && !access(PD_CONFIG_FILE, F_OK))
		file = PD_CONFIG_FILE;
	return run(file, check);
}
