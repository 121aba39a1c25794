#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Brings one of Debian's stock kernels into the cache: vmlinux, modules, and an initial RAM disk that
# puts this machine's root file system behind a writable overlay. Prints the directory. Quick when the
# newest build is there already.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
export PATH=$PATH:/usr/sbin:/sbin

usage()
{
	echo "usage: fetch.sh KERNEL    (one of: ${vm_names[*]})" >&2
	exit 2
}

# The meta package names the exact build; a pattern would fetch every flavour there is.
resolve()
{
	apt-cache depends "$1" 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }'
}

download()
{
	local package=$1 dir=$2

	(cd "$dir" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2)
}

initrd_modules()
{
	local kernel=$1 root=$2 module

	for module in virtio_pci 9pnet_virtio 9p overlay; do
		modprobe -d "$root" -S "$kernel" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# A busybox, the few modules that lead to the host's files, in load order, and init.
make_initrd()
{
	local kernel=$1 dir=$2 work=$2/initrd path name

	mkdir -p "$work"/{bin,modules,proc,sys,dev,host,over,root}
	cp "$(command -v busybox)" "$work/bin/busybox"
	install -m 755 "$top/ci/vm/init" "$work/init"
	while read -r path; do
		name=$(basename "$path" .xz)
		case $path in
		*.xz) xz -dc "$path" >"$work/modules/$name" ;;
		*) cp "$path" "$work/modules/$name" ;;
		esac
		echo "$name" >>"$work/modules/order"
	done < <(initrd_modules "$kernel" "$dir")
	(cd "$work" && find . | cpio -o -H newc --quiet) >"$dir/initrd.cpio"
	rm -r "$work"
}

[ $# -eq 1 ] || usage
name=$1
meta=${vm_meta[$name]:-}
[ -n "$meta" ] || usage
vm_need qemu-system-x86_64 busybox cpio modprobe depmod xz zstd python3 dpkg-deb flock

mkdir -p "$vm_cache"
exec 9>"$vm_cache/$name.lock"
flock 9

dir=$vm_cache/$name
package=$(resolve "$meta")
if [ -z "$package" ] && [ -s "$dir/complete" ]; then
	package=$(cat "$dir/complete")	# no package lists: what is there will do
fi
if [ -z "$package" ]; then
	apt-get -qq update >&2
	package=$(resolve "$meta")
	[ -n "$package" ] || die "no package behind $meta in this machine's apt sources"
fi
kernel=${package#linux-image-}

stamp=$(cat "$dir/complete" 2>/dev/null || true)
if [ "$stamp" = "$package" ] && [ "$dir/initrd.cpio" -nt "$top/ci/vm/init" ]; then
	echo "$dir"
	exit 0
fi
if [ "$stamp" != "$package" ]; then
	rm -rf "$dir"
	mkdir -p "$dir"
	echo "fetching $package" >&2
	download "$package" "$dir" || { apt-get -qq update >&2 && download "$package" "$dir"; }
	dpkg-deb -x "$dir"/linux-image-*.deb "$dir"
	rm "$dir"/linux-image-*.deb
	rm -rf "${dir:?}/usr/share"
	depmod -b "$dir" "$kernel"
	/usr/bin/python3 "$top/ci/vm/vmlinux.py" "$dir/boot/vmlinuz-$kernel" "$dir/vmlinux"
fi
rm -f "$dir/complete"
make_initrd "$kernel" "$dir"
echo "$package" >"$dir/complete"
echo "$dir"
