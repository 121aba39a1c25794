#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Does every program of these BPF objects load, on this machine's kernel and on Debian's stock ones, and
# within its budget of verified instructions? One row per kernel, object and program; ends with counts.
#
#	load.sh -k 6.1 build/pandit.bpf.o		one kernel, hard limits only
#	load.sh -b ci/budgets clang-14=A clang-19=B	everywhere, against the budgets
#	load.sh -b ci/budgets -u clang-14=A clang-19=B	write the budgets anew
#
# A budget row is "kernel label program instructions". The machine's own kernel can be any, so there
# only the hard limits hold.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

max_insns=250000
max_stack=448
headroom=115	# percent of what was counted: the same source varies that much between builds of one kernel

usage()
{
	sed -n '3,12s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

kernels=() budgets='' update=0
while getopts k:b:u opt; do
	case $opt in
	k) kernels+=("$OPTARG") ;;
	b) budgets=$OPTARG ;;
	u) update=1 ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
[ "$update" = 0 ] || [ -n "$budgets" ] || usage
[ ${#kernels[@]} -gt 0 ] || kernels=(host "${vm_names[@]}")

labels=() objects=()
for arg in "$@"; do
	case $arg in
	*=*) labels+=("${arg%%=*}") objects+=("$(realpath "${arg#*=}")") ;;
	*) labels+=(-) objects+=("$(realpath "$arg")") ;;
	esac
	[ -r "${objects[-1]}" ] || die "${objects[-1]}: no such file"
done

loader=$top/build/test/loadall
if [ ! "$loader" -nt "$top/ci/vm/loadall.c" ]; then
	mkdir -p "${loader%/*}"
	"${CC:-gcc}" -std=gnu11 -O2 -Wall -Wextra -Werror "$top/ci/vm/loadall.c" -o "$loader" -lbpf
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs in the guest or here: one result file for each object.
load_objects()
{
	local dir=$1 loader=$2 n=0 object

	shift 2
	for object in "$@"; do
		"$loader" "$object" >"$dir/$n.rows" 2>"$dir/$n.log" || true
		n=$((n + 1))
	done
}

load_on()
{
	local kernel=$1 dir=$work/$1 status=0

	mkdir -p "$dir"
	if [ "$kernel" = host ]; then
		load_objects "$dir" "$loader" "${objects[@]}"
		return
	fi
	"$top/ci/vm/run.sh" -k "$kernel" -o "$dir" bash -c "$(declare -f load_objects)
load_objects \"\$@\"" - "$dir" "$loader" "${objects[@]}" >"$dir/console" 2>&1 || status=$?
	[ "$status" = 0 ] || echo "guest status $status" >"$dir/failed"
}

declare -A budget seen
read_budgets()
{
	local kernel label program insns

	while read -r kernel label program insns; do
		case $kernel in '' | '#'*) continue ;; esac
		budget["$kernel $label $program"]=$insns
	done <"$budgets"
}

# Why a row fails, or nothing.
complaint()
{
	local kernel=$1 key="$1 $2 $3" insns=$4 stack=$5 status=$6

	if [ "$status" != ok ]; then
		echo "refused: $status"
	elif [ "$insns" -gt $max_insns ]; then
		echo "over $max_insns instructions"
	elif [ "$stack" -gt $max_stack ]; then
		echo "over $max_stack bytes of stack"
	elif [ -z "$budgets" ] || [ "$update" = 1 ] || [ "$kernel" = host ]; then
		return 0
	elif [ -z "${budget[$key]:-}" ]; then
		echo "no row in $budgets: make budgets"
	elif [ "$insns" -gt "${budget[$key]}" ]; then
		echo "over its budget of ${budget[$key]}"
	fi
}

passed=0 failed=0
fail()
{
	failed=$((failed + 1))
	echo "FAIL $*"
}

judge_object()
{
	local kernel=$1 n=$2 label=${labels[$2]} rows=0 why program insns stack time status

	while IFS=$'\t' read -r program insns stack time status; do
		rows=$((rows + 1))
		seen["$kernel $label $program"]=$insns
		why=$(complaint "$kernel" "$label" "$program" "$insns" "$stack" "$status")
		if [ -n "$why" ]; then
			fail "$kernel $label $program: $why"
		else
			passed=$((passed + 1))
		fi
		printf '  %-5s %-10s %-20s %7d insns %4d B stack %8d us  %s\n' \
			"$kernel" "$label" "$program" "$insns" "$stack" "$time" "$status"
	done <"$work/$kernel/$n.rows"
	[ "$rows" -gt 0 ] || fail "$kernel $label: no program of ${objects[$n]} was tried"
	sed 's/^/    /' "$work/$kernel/$n.log"
}

judge_kernel()
{
	local kernel=$1 n

	if [ -e "$work/$kernel/failed" ]; then
		fail "$kernel: $(cat "$work/$kernel/failed")"
		tail -n 20 "$work/$kernel/console"
		return
	fi
	for n in "${!objects[@]}"; do
		judge_object "$kernel" "$n"
	done
}

# A program that is gone must not leave its budget behind: it may have vanished by mistake.
judge_leftovers()
{
	local key kernel label rest

	for key in "${!budget[@]}"; do
		read -r kernel label rest <<<"$key"
		[[ " ${kernels[*]} " == *" $kernel "* && " ${labels[*]} " == *" $label "* ]] || continue
		[ -n "${seen[$key]:-}" ] || fail "$kernel $label $rest: has a budget but is not in the object"
	done
}

write_budgets()
{
	local key kernel label program max

	{
		echo "# SPDX-License-Identifier: Apache-2.0"
		echo "# Verified instructions each program may take: kernel, compiler, program, maximum."
		echo "# Written by \`make budgets\` (what was counted plus $((headroom - 100)) %); held by \`make test-vm\`."
		for key in "${!seen[@]}"; do
			read -r kernel label program <<<"$key"
			[ "$kernel" != host ] || continue
			max=$(((seen[$key] * headroom / 100 + 99) / 100 * 100))
			[ $max -le $max_insns ] || max=$max_insns
			printf '%-5s %-9s %-20s %7d\n' "$kernel" "$label" "$program" "$max"
		done | LC_ALL=C sort
	} >"$budgets.new"
	mv "$budgets.new" "$budgets"
	echo "wrote $budgets"
}

for kernel in "${kernels[@]}"; do
	[ "$kernel" != host ] || continue
	[ -n "${vm_meta[$kernel]:-}" ] || die "unknown kernel $kernel"
	"$top/ci/vm/fetch.sh" "$kernel" >/dev/null
done
for kernel in "${kernels[@]}"; do
	load_on "$kernel" &
done
wait
if [ -n "$budgets" ] && [ "$update" = 0 ]; then
	read_budgets
fi
for kernel in "${kernels[@]}"; do
	judge_kernel "$kernel"
done
judge_leftovers
if [ "$update" = 1 ] && [ "$failed" = 0 ]; then
	write_budgets
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
