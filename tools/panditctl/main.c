// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "tools/panditctl/ctl.h"

int main(int argc, char **argv)
{
	return ctl_main(argc, argv, stdout, stderr);
}
