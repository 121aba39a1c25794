/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints how the given maps of an object lie in memory: type, flags, key and
 * value, and every structure these are made of, by name, with the offset of
 * each member. From BTF, with plain types spelled by what they are, so that
 * every compiler gives the same text.
 *
 *	abi OBJECT MAP...
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN	160
#define STRUCTS_MAX	256

static const struct btf *btf;

/* Named structures and unions met so far, each once. */
static const struct btf_type *met[STRUCTS_MAX];
static unsigned int nmet;

static const char *name_of(const struct btf_type *t)
{
	return btf__name_by_offset(btf, t->name_off);
}

static void die(const char *what, const char *which)
{
	fprintf(stderr, "abi: %s%s%s\n", what, which ? ": " : "", which ? which : "");
	exit(2);
}

/* The type behind typedefs, const and volatile. */
static const struct btf_type *bare(__u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	if (!t)
		die("a type is missing", NULL);
	return t;
}

static void meet(const struct btf_type *t)
{
	for (unsigned int i = 0; i < nmet; i++)
		if (met[i] == t || !strcmp(name_of(met[i]), name_of(t)))
			return;
	if (nmet == STRUCTS_MAX)
		die("too many structures", NULL);
	met[nmet++] = t;
}

/* "u32", "struct pd_ip", "u8[16]", "union {}" for one without a name. */
static void spell(__u32 id, char *to, size_t size)
{
	const struct btf_type *t = bare(id);
	char of[NAME_MAX_LEN] = "", dims[48] = "";

	while (btf_is_array(t)) {
		size_t n = strlen(dims);

		snprintf(dims + n, sizeof(dims) - n, "[%u]", btf_array(t)->nelems);
		t = bare(btf_array(t)->type);
	}
	if (btf_is_int(t))
		snprintf(of, sizeof(of), "%c%u", btf_int_encoding(t) & BTF_INT_SIGNED ? 's' : 'u',
			 t->size * 8);
	else if (btf_is_composite(t) && t->name_off)
		snprintf(of, sizeof(of), "%s %s", btf_is_union(t) ? "union" : "struct", name_of(t));
	else if (btf_is_composite(t))
		snprintf(of, sizeof(of), "%s {}", btf_is_union(t) ? "union" : "struct");
	else if (btf_is_any_enum(t))
		snprintf(of, sizeof(of), "enum%u", t->size * 8);
	else
		die("a pointer or the like in a map", name_of(t));
	if (btf_is_composite(t) && t->name_off)
		meet(t);
	snprintf(to, size, "%s%s", of, dims);
}

/* The members; those of structures without a name behind them, further in. */
static void print_members(const struct btf_type *t, __u32 base, unsigned int depth)
{
	const struct btf_member *m = btf_members(t);

	for (unsigned int i = 0; i < btf_vlen(t); i++) {
		__u32 bit = base + btf_member_bit_offset(t, i);
		__u32 bits = btf_member_bitfield_size(t, i);
		const struct btf_type *inner = bare(m[i].type);
		char type[NAME_MAX_LEN];

		spell(m[i].type, type, sizeof(type));
		printf("%*s%u", 2 * depth, "", bit / 8);
		if (bits)
			printf(":%u+%u", bit % 8, bits);
		printf(" %s%s%s\n", type, m[i].name_off ? " " : "",
		       btf__name_by_offset(btf, m[i].name_off));
		while (btf_is_array(inner))
			inner = bare(btf_array(inner)->type);
		if (btf_is_composite(inner) && !inner->name_off)
			print_members(inner, bit, depth + 1);
	}
}

static void print_map(const struct bpf_object *obj, const char *name)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(obj, name);
	char key[NAME_MAX_LEN], value[NAME_MAX_LEN];
	enum bpf_map_type type;

	if (!map)
		die("no such map", name);
	if (!bpf_map__btf_key_type_id(map) || !bpf_map__btf_value_type_id(map))
		die("a map without types", name);
	spell(bpf_map__btf_key_type_id(map), key, sizeof(key));
	spell(bpf_map__btf_value_type_id(map), value, sizeof(value));
	type = bpf_map__type(map);
	printf("map %s: %s, flags 0x%x, key %s (%u), value %s (%u)", name,
	       libbpf_bpf_map_type_str(type), bpf_map__map_flags(map), key, bpf_map__key_size(map),
	       value, bpf_map__value_size(map));
	/* the index into an array has a meaning; how many rows others have is configuration */
	if (type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY)
		printf(", %u rows", bpf_map__max_entries(map));
	printf("\n");
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;

	if (argc < 3) {
		fprintf(stderr, "usage: abi OBJECT MAP...\n");
		return 2;
	}
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj)
		die("cannot open", argv[1]);
	btf = bpf_object__btf(obj);
	if (!btf)
		die("no BTF", argv[1]);
	for (int i = 2; i < argc; i++)
		print_map(obj, argv[i]);
	/* what is met on the way is printed behind */
	for (unsigned int i = 0; i < nmet; i++) {
		printf("%s %s: %u bytes\n", btf_is_union(met[i]) ? "union" : "struct",
		       name_of(met[i]), met[i]->size);
		print_members(met[i], 0, 1);
	}
	bpf_object__close(obj);
	return 0;
}
