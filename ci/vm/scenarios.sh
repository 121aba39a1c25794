#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs scenarios of selftests/net under Debian's stock kernels: loading says that the verifier is
# content, this says that the kernel answers. Emulation is slow, so entries live longer than by default,
# and no request of a connection has to go to the server for its idle timer.
#
#	scenarios.sh NUMBER...
set -uo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1

[ $# -ge 1 ] || die "usage: scenarios.sh NUMBER..."
commands=()
for kernel in "${vm_names[@]}"; do
	commands+=("ci/vm/run.sh -k $kernel -t 420 env MAX_AGE=600s REDIS_SVC=', idle: 600s' \
PD_TIME=200 STEP_TIME=180 selftests/net/run.sh $*")
done
exec ci/count "${commands[@]}"
