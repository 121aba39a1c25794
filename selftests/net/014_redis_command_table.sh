#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command and subcommand of the running redis-server has a row that agrees with what the server says of it.
. "$(dirname "$0")/scenario.sh"
begin
table=$PD_ROOT/proto/wire/resp
check "commands.def is not what the server's COMMAND gives" bash -o pipefail -c \
	"nsenter --net=/run/netns/$NS-r redis-cli --json COMMAND | /usr/bin/python3 $table/commands.py --check $table/commands.def"
python <<'END'
import redis_table
redis_table.check_all(Redis("c"))
END
finish
