#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# act.sh FUNCTION ARGS...: runs a function of scenario.sh on the network $NET.
# shellcheck source=selftests/net/scenario.sh
. "$(dirname "$0")/scenario.sh"
net_name "${NET:?}"
"$@"
