/* SPDX-License-Identifier: Apache-2.0 */
/* All of panditctl but main(): it is a program, not a library. */
#ifndef PD_SELFTESTS_UNIT_PANDITCTL_CTL_SOURCES_H
#define PD_SELFTESTS_UNIT_PANDITCTL_CTL_SOURCES_H

#include "tools/panditctl/args.c"
#include "tools/panditctl/ctl.c"
#include "tools/panditctl/doctor.c"
#include "tools/panditctl/entries.c"
#include "tools/panditctl/help.c"
#include "tools/panditctl/interfaces.c"
#include "tools/panditctl/observe.c"
#include "tools/panditctl/out.c"
#include "tools/panditctl/pcap.c"
#include "tools/panditctl/services.c"
#include "tools/panditctl/spec.c"
#include "tools/panditctl/stats.c"
#include "tools/panditctl/status.c"
#include "tools/panditctl/top.c"
#include "tools/panditctl/why.c"

#endif
