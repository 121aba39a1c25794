#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# selftests/asan.sh BUILD: scenarios with the sanitizer build of the daemon; fails on any report of it, leaks included.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export PD_BUILD=$PWD/$1
export ASAN_OPTIONS=detect_leaks=1:log_path=$reports/asan UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports/ubsan

selftests/net/run.sh 010 041 080 090
status=$?
if [ -n "$(ls -A "$reports")" ]; then
	cat "$reports"/*
	exit 1
fi
exit $status
