/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of one grammar in user space. Compiled for each row of
 * protocols.def with the -DPROTO, -DPROTO_HDR and -DPROTO_FLAGS of
 * kern/grammar.bpf.c.
 *
 * usage: test_vectors [vectors.txt]
 */
#include "check.h"
#include "native.h"

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : native_vectors();

	return check_run(&native_ops, path, "vectors of " OPS_STR(PROTO), CHECK_CUTS) ? 1 : 0;
}
