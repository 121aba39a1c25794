/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs the daemon runs itself (SYSCALL), and the home of the maps. */
#define PD_DEFINE_MAPS
#include "count.h"
#include "words.h"

char LICENSE[] SEC("license") = "GPL";
