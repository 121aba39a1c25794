#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fetch.sh PACKAGE...: the source of Debian packages, as their authors released it, in
# build/upstream/PACKAGE. The entries of the machine's own package sources are read again as sources of
# source packages, and everything apt keeps stays under build/. Does nothing for what is there.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
into=${PD_BUILD:-$top/build}/upstream
apt=$into/apt

# What the machine's package sources say of binary packages, for source packages.
source_lists()
{
	local file

	mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/archives/partial"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -s "$file" ] || sed -n 's/^deb \(.*\)/deb-src \1/p' "$file" >"$apt/parts/$(basename "$file" .list).list"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ ! -s "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/parts/$(basename "$file")"
	done
}

apt()
{
	apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/parts" \
		-o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt" -o APT::Sandbox::User=root "$@"
}

for name in "$@"; do
	[ ! -e "$into/$name/.complete" ] || continue
	command -v apt-get >/dev/null || { echo "fetch.sh: no apt-get: cannot fetch the source of $name" >&2; exit 1; }
	source_lists
	apt update
	rm -rf "${into:?}/$name" "$into/$name.d"
	mkdir -p "$into/$name" "$into/$name.d"
	(cd "$into/$name.d" && apt source --download-only "$name")
	tar xf "$into/$name.d/$name"_*.orig.tar.* -C "$into/$name" --strip-components=1
	touch "$into/$name/.complete"
done
