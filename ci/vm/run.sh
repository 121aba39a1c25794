#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command under one of Debian's stock kernels in qemu, in this directory, with this machine's
# files (writes go to memory and are lost, but for what is under the directory of -o). Ends with the
# command's status; 125 when the guest died before it had one.
# Always software emulation: /dev/kvm being there does not mean that it can start a stock kernel.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	echo "usage: run.sh [-k KERNEL] [-t SECONDS] [-m MIB] [-o DIR] COMMAND [ARG...]" >&2
	exit 2
}

kernel=6.1 limit=300 memory=2048 out=
while getopts k:t:m:o: opt; do
	case $opt in
	k) kernel=$OPTARG ;;
	t) limit=$OPTARG ;;
	m) memory=$OPTARG ;;
	o) out=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage

dir=$("$top/ci/vm/fetch.sh" "$kernel")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -n "$out" ]; then
	out=$(cd "$out" && pwd)
else
	out=$work
fi
rm -f "$out/rc"
{
	printf 'cd %q || exit 125\n' "$PWD"
	printf '%q ' "$@"
	echo
} >"$out/cmd"

status=0
timeout "$limit" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -m "$memory" -smp 1 \
	-nodefaults -no-user-config -display none -serial stdio -no-reboot \
	-device isa-debug-exit,iobase=0x501,iosize=1 \
	-kernel "$dir/vmlinux" -initrd "$dir/initrd.cpio" \
	-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
	-device virtio-9p-pci,fsdev=host,mount_tag=host \
	-fsdev "local,id=out,path=$out,security_model=none" \
	-device virtio-9p-pci,fsdev=out,mount_tag=out \
	-append "console=ttyS0 panic=-1 quiet loglevel=3 mitigations=off nokaslr out=$out modules=$dir/lib/modules" \
	</dev/null || status=$?
if [ ! -s "$out/rc" ]; then
	echo "run.sh: the guest ($kernel) ended without a status (qemu: $status)" >&2
	exit 125
fi
exit "$(cat "$out/rc")"
