#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [--plain] [NNN | NNN_name.sh]...: runs the scenarios given, or all,
# in order. Last line: "N passed, N failed". Exit 0 if none failed.
# Environment: PD_TIME (seconds for one scenario, 180), PD_VERBOSE, PD_BUILD.

HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=selftests/net/lib.sh
. "$HERE/lib.sh"

files=()
for arg in "$@"; do
	case $arg in
	--plain) export PD_PLAIN=1 ;;
	[0-9][0-9][0-9]) files+=("$HERE/$arg"_*.sh) ;;
	*) files+=("$HERE/$(basename "$arg")") ;;
	esac
done
[ ${#files[@]} -gt 0 ] || files=("$HERE"/[0-9][0-9][0-9]_*.sh)

if [ "$(id -u)" != 0 ]; then
	echo "run.sh: must be root (it makes network namespaces)" >&2
	exit 1
fi

passed=0 failed=0
for file in "${files[@]}"; do
	name=$(basename "$file" .sh)
	export PD_NET=${name%%_*}-$$
	limit=$(sed -n 's/^# time: \([0-9]*\).*/\1/p' "$file")
	begin=$SECONDS
	timeout -k 15 "${PD_TIME:-${limit:-180}}" bash "$file"
	status=$?
	[ $status = 137 ] && echo "not ok ${name%%_*} ${name#*_}: killed"
	net_down "$PD_NET"
	[ -n "${PD_VERBOSE:-}" ] && echo "# $((SECONDS - begin)) s"
	if [ $status = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
