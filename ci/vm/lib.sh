# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this directory: which guest kernels there are and where they are kept.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
vm_cache=$(readlink -m "${PANDIT_VM_CACHE:-$top/build/vm}") # also a link must lead there in the guest

# name -> Debian's meta package, which always depends on the newest build of that line.
declare -A vm_meta=(
	[6.1]=linux-image-amd64
	[6.12]=linux-image-6.12-amd64
)
vm_names=(6.1 6.12)

die()
{
	echo "${0##*/}: $*" >&2
	exit 2
}

# Fails with a list of what is missing, so that a bare machine gets one clear line.
vm_need()
{
	local tool missing=()

	for tool in "$@"; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	[ ${#missing[@]} -eq 0 ] || die "missing: ${missing[*]} (run ci/deps vm)"
}
