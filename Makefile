# SPDX-License-Identifier: Apache-2.0
# The only Makefile. `make help` lists the targets. Everything built is in build/.

.DELETE_ON_ERROR:
.SECONDEXPANSION:
MAKEFLAGS += --no-builtin-rules
SHELL     := /bin/bash

B        := build
CC       := gcc
CLANG    ?= clang-14
BPFTOOL  ?= /usr/sbin/bpftool
PREFIX   ?= /usr
DESTDIR  ?=
VERSION  := 0.1.0

V ?= 0
ifeq ($(V),0)
Q   := @
msg  = @printf '  %-9s %s\n' "$(1)" "$(2)";
else
Q   :=
msg  =
endif

## help: list the targets
help:
	@sed -n 's/^## \([a-z-]*\): \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

## all: everything that is installed, and the tools
all: $(B)/panditd $(B)/panditctl tools docs

# ---- protocols: one directory each, in the tree or from PROTOCOL_DIRS ---------

PROTOCOL_DIRS ?=
PROTOCOL_ROWS := proto/wire/protocols.def $(addsuffix /protocol.def,$(PROTOCOL_DIRS))
PROTOCOLS := $(shell awk -F, '/^PROTOCOL/ {gsub(/ /, "", $$2); print $$2}' $(PROTOCOL_ROWS))
header_of = $(firstword $(wildcard proto/wire/$(1)/$(1).h $(foreach d,$(PROTOCOL_DIRS),$(abspath $(d))/$(1).h)))
flags_of  = $(shell awk -F, '/^PROTOCOL/ {n = $$2; gsub(/ /, "", n); if (n == "$(1)") print $$5}' $(PROTOCOL_ROWS) | tr -d '()')

# Rewritten only when the set changes, so that nothing is rebuilt without need.
$(B)/gen/protocols.def: $(PROTOCOL_ROWS) $(B)/gen/protocol-set
	$(call msg,GEN,$@)cat $(PROTOCOL_ROWS) > $@
$(B)/gen/protocols.h: $(B)/gen/protocols.def
	$(call msg,GEN,$@)for h in $(foreach p,$(PROTOCOLS),$(call header_of,$(p))); do echo "#include \"$$h\""; done > $@
$(B)/gen/protocol-set: FORCE
	@mkdir -p $(@D); echo '$(PROTOCOLS) $(PROTOCOL_DIRS)' | cmp -s - $@ || echo '$(PROTOCOLS) $(PROTOCOL_DIRS)' > $@
FORCE:
.PHONY: FORCE

# ---- kernel objects -----------------------------------------------------------

MULTIARCH := $(shell $(CC) -print-multiarch)
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -std=gnu11 \
	-I. -I$(B)/gen -Ikern -I/usr/include/$(MULTIARCH) -MMD -MP
# control first: bpftool wants the definition of a map before its uses.
KERN := control observe words feed sum fill home client edge

# Objects for one clang: $(1) = its command, $(2) = the directory.
define bpf_rules
$(2)/bpf/%.o: kern/%.bpf.c $(B)/gen/protocols.def
	@mkdir -p $$(@D)
	$$(call msg,BPF,$$@)$(1) $(BPF_CFLAGS) -c $$< -o $$@
$(2)/bpf/proto_%.o: kern/grammar.bpf.c $(B)/gen/protocols.def $(B)/gen/protocols.h
	@mkdir -p $$(@D)
	$$(call msg,BPF,$$@)$(1) $(BPF_CFLAGS) -DPROTO=$$* -DPROTO_HDR='"$$(call header_of,$$*)"' -DPROTO_FLAGS='$$(call flags_of,$$*)' -c $$< -o $$@
$(2)/pandit.bpf.o: $(KERN:%=$(2)/bpf/%.o) $(PROTOCOLS:%=$(2)/bpf/proto_%.o)
	$$(call msg,LINK,$$@)$(BPFTOOL) gen object $$@ $$^
endef
$(eval $(call bpf_rules,$(CLANG),$(B)))
$(eval $(call bpf_rules,clang-19,$(B)/clang-19))
-include $(wildcard $(B)/bpf/*.d $(B)/clang-19/bpf/*.d)

## bpf: the linked kernel object
bpf: $(B)/pandit.bpf.o

$(B)/pandit.skel.h: $(B)/pandit.bpf.o
	$(call msg,SKEL,$@)$(BPFTOOL) gen skeleton $< name pandit > $@

# ---- daemon and tools -----------------------------------------------------------

CFLAGS   ?= -O2 -g
SANITIZE ?=
ALL_CFLAGS := $(CFLAGS) $(SANITIZE) -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -DPD_VERSION='"$(VERSION)"' \
	-I. -I$(B) -I$(B)/gen -MMD -MP $(shell pkg-config --cflags libnl-3.0 libnl-route-3.0)
LIBS := -lbpf -lnl-route-3 -lnl-3 -luv -lyaml -lmicrohttpd -lgrpc -lgpr -lprotobuf-c -ljansson -lpthread
CTL_LIBS := $(LIBS) -lncursesw -ltinfo

PROTOS   := $(wildcard proto/pandit/v1/*.proto)
PB_C     := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
PB_H     := $(PROTOS:%.proto=$(B)/gen/%.pb-c.h)
USER_SRC := $(filter-out user/main.c,$(shell find user -name '*.c' 2>/dev/null))
CTL_SRC  := $(wildcard tools/panditctl/*.c)

# O: where objects go; the sanitizer build uses another directory.
O := $(B)/obj
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: %.proto
	@mkdir -p $(B)/gen
	$(call msg,PROTOC,$<)protoc -I. --c_out=$(B)/gen $<
$(O)/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -c $< -o $@
$(O)/%.o: %.c $(B)/pandit.skel.h $(B)/gen/protocols.def | $(PB_H)
	@mkdir -p $(@D)
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -c $< -o $@
-include $(shell find $(O) -name '*.d' 2>/dev/null)

USER_OBJ := $(USER_SRC:%.c=$(O)/%.o) $(PB_C:$(B)/gen/%.c=$(O)/gen/%.o)
CTL_OBJ  := $(CTL_SRC:%.c=$(O)/%.o) $(filter $(O)/user/lib/% $(O)/user/rpc/% $(O)/gen/%,$(USER_OBJ))
BIN := $(B)

$(O)/libpandit.a: $(USER_OBJ)
	$(call msg,AR,$@)rm -f $@; ar rcs $@ $^
$(BIN)/panditd: $(O)/user/main.o $(O)/libpandit.a
	$(call msg,LD,$@)$(CC) $(SANITIZE) -o $@ $^ $(LIBS)
$(BIN)/panditctl: $(CTL_OBJ)
	$(call msg,LD,$@)$(CC) $(SANITIZE) -o $@ $^ $(CTL_LIBS)

# Tools that stand alone.
BENCH_SRC  := $(filter-out %.bpf.c,$(wildcard tools/bench/*.c))
ORACLE_SRC := $(wildcard selftests/oracle/*.c)
BENCH  := $(BENCH_SRC:tools/bench/%.c=$(BIN)/bench/%)
ORACLE := $(ORACLE_SRC:selftests/oracle/%.c=$(BIN)/test/%)
$(BIN)/bench/%: tools/bench/%.c
	@mkdir -p $(@D)
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -MF $(O)/bench_$*.d $< -o $@ -lpthread -lm -lbpf
$(BIN)/test/%: selftests/oracle/%.c
	@mkdir -p $(@D)
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -MF $(O)/oracle_$*.d $< -o $@ -lpthread -lm
$(B)/bench/floor.bpf.o: tools/bench/floor.bpf.c
	@mkdir -p $(@D) $(B)/dep
	$(call msg,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MF $(B)/dep/floor.d -c $< -o $@
$(BENCH) $(ORACLE): | $(O)
$(O):
	@mkdir -p $@
tools: $(BENCH)

# Help, completion and man pages from the same table.
$(BIN)/gen-docs: tools/gen/gen.c tools/panditctl/verbs.def $(B)/gen/protocols.def
	@mkdir -p $(@D) $(O)
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -MF $(O)/gen.d $< -o $@
DOCS := $(B)/docs/panditctl.1 $(B)/docs/panditctl.bash
$(B)/docs/panditctl.1: $(BIN)/gen-docs
	@mkdir -p $(@D)
	$(call msg,GEN,$@)$< man > $@
$(B)/docs/panditctl.bash: $(BIN)/gen-docs
	@mkdir -p $(@D)
	$(call msg,GEN,$@)$< completion > $@
docs: $(DOCS)

# ---- tests ---------------------------------------------------------------------

# The same sources again under ASan and UBSan, in a directory of their own.
ASAN := CFLAGS='-O1 -g -fno-omit-frame-pointer' SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' \
	O=$(B)/asan/obj BIN=$(B)/asan

UNIT_SRC := $(filter-out selftests/unit/wire/%,$(shell find selftests/unit -name 'test_*.c' 2>/dev/null))
UNIT := $(UNIT_SRC:selftests/unit/%.c=$(BIN)/test/unit/%)
$(BIN)/test/unit/%: selftests/unit/%.c $(O)/libpandit.a $(CTL_SRC)
	@mkdir -p $(@D) $(O)/unit
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -MF $(O)/unit/$(subst /,_,$*).d $< -o $@ -Wl,--start-group $(O)/libpandit.a -Wl,--end-group $(CTL_LIBS) -lcmocka

grammar_flags = -DPROTO=$(1) -DPROTO_HDR='"$(call header_of,$(1))"' -DPROTO_FLAGS='($(call flags_of,$(1)))'
GRAMMAR_CC = $(CC) -std=gnu11 -g -O1 -Wall -Wextra -Werror -D_GNU_SOURCE -I. -I$(B) -I$(B)/gen \
	-MMD -MP -MF $(B)/dep/$(subst /,_,$@).d
$(shell mkdir -p $(B)/dep)
$(B)/test/wire/%: selftests/unit/wire/test_vectors.c $(B)/gen/protocols.h
	@mkdir -p $(@D)
	$(call msg,CC,$@)$(GRAMMAR_CC) -fsanitize=address,undefined $(call grammar_flags,$*) $< -o $@ -lcmocka
$(B)/test/harness_%.bpf.o: selftests/prog/grammar_harness.bpf.c $(B)/bpf/proto_%.o
	@mkdir -p $(@D)
	$(call msg,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MF $(B)/dep/$(subst /,_,$@).d $(call grammar_flags,$*) -c $< -o $(@:.bpf.o=.part.o) && \
		$(BPFTOOL) gen object $@ $(@:.bpf.o=.part.o) $(B)/bpf/proto_$*.o
$(B)/test/prog/%: selftests/prog/test_grammar.c $(B)/test/harness_%.bpf.o
	@mkdir -p $(@D)
	$(call msg,CC,$@)$(GRAMMAR_CC) $(call grammar_flags,$*) $< -o $@ -lcmocka -lbpf
$(B)/test/diff/%: selftests/diff/diff.c $(B)/test/harness_%.bpf.o
	@mkdir -p $(@D)
	$(call msg,CC,$@)$(GRAMMAR_CC) -O2 $(call grammar_flags,$*) $< -o $@ -lbpf
$(B)/test/fuzz/%: selftests/fuzz/fuzz.c $(B)/gen/protocols.h
	@mkdir -p $(@D)
	$(call msg,FUZZ,$@)$(CLANG) -std=gnu11 -g -O2 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-D_GNU_SOURCE -I. -I$(B)/gen -MMD -MP -MF $(B)/dep/$(subst /,_,$@).d $(call grammar_flags,$*) $< -o $@
-include $(wildcard $(B)/dep/*.d)
.SECONDARY:

vectors_of = $(dir $(call header_of,$(1)))vectors.txt
run_each = @set -e; for t in $(1); do $(2) $$t $(3); done

## check: style, dependency law, budgets, spelling, layout of pinned maps
check: abi-check
	@ci/check

$(B)/abi: ci/abi.c
	@mkdir -p $(@D) $(B)/dep
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -MF $(B)/dep/abi.d $< -o $@ -lbpf
abi-check: $(B)/abi $(B)/pandit.bpf.o
	@ci/abi $(B)/pandit.bpf.o
## abi: record the layout of pinned maps in maps/abi.golden, under the PD_ABI of maps/service.h
abi: $(B)/abi $(B)/pandit.bpf.o
	@ci/abi -w $(if $(UNRELEASED),-f) $(B)/pandit.bpf.o

test-unit: $(UNIT) $(BIN)/panditctl
	@fail=0; for t in $(UNIT); do $$t || fail=1; done; exit $$fail

test-wire: $(PROTOCOLS:%=$(B)/test/wire/%)
	@ci/count $(foreach p,$(PROTOCOLS),'$(B)/test/wire/$(p) $(call vectors_of,$(p))')

test-prog: $(PROTOCOLS:%=$(B)/test/prog/%)
	@ci/count $(foreach p,$(PROTOCOLS),'$(B)/test/prog/$(p) $(B)/test/harness_$(p).bpf.o $(call vectors_of,$(p))')

DIFF_INPUTS ?= 1000000
test-diff: $(PROTOCOLS:%=$(B)/test/diff/%)
	@ci/count $(foreach p,$(PROTOCOLS),'$(B)/test/diff/$(p) $(B)/test/harness_$(p).bpf.o $(DIFF_INPUTS)')

FUZZ_SECONDS ?= 60
test-fuzz: $(PROTOCOLS:%=$(B)/test/fuzz/%)
	@mkdir -p $(PROTOCOLS:%=$(B)/fuzz/%)
	@ci/count $(foreach p,$(PROTOCOLS),'$(B)/test/fuzz/$(p) -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 $(B)/fuzz/$(p) $(dir $(call header_of,$(p)))corpus')

test-asan:
	@$(MAKE) --no-print-directory $(ASAN) test-unit $(B)/asan/panditd $(B)/asan/panditctl $(B)/asan/bench/load $(B)/asan/test/oracle
	@selftests/asan.sh $(B)/asan

# panditd with programs that differ, for upgrades: those of the other compiler.
OTHER := $(B)/test/other
$(OTHER)/pandit.skel.h: $(B)/clang-19/pandit.bpf.o
	@mkdir -p $(@D)
	$(call msg,SKEL,$@)$(BPFTOOL) gen skeleton $< name pandit > $@
$(OTHER)/panditd: $(OTHER)/pandit.skel.h user/load/load.c $(O)/user/main.o $(O)/libpandit.a
	$(call msg,LD,$@)$(CC) -I$(OTHER) $(ALL_CFLAGS) -MF $(O)/other.d -o $@ user/load/load.c $(O)/user/main.o $(O)/libpandit.a $(LIBS)

NET_NEEDS := $(B)/panditd $(B)/panditctl $(BENCH) $(ORACLE) $(OTHER)/panditd
test-net: $(NET_NEEDS)
	@selftests/net/run.sh

## test-upstream: the whole of the tests that Redis comes with, with and without pandit (as root)
test-upstream: $(B)/panditd $(B)/panditctl
	@PD_UPSTREAM=all selftests/net/run.sh 120 046

test-net-long: $(NET_NEEDS)
	@KILLS=1000 UPGRADES=40 STOP_SECONDS=60 SPOIL_ALL=1 FAIL_EVERY=20 PD_TIME=3600 selftests/net/run.sh 072 073 074 076 077

VM_OBJECTS := $(CLANG)=$(B)/pandit.bpf.o clang-19=$(B)/clang-19/pandit.bpf.o
## test-vm: every program loads on Debian's 6.1 and 6.12, within ci/budgets
test-vm: $(B)/pandit.bpf.o $(B)/clang-19/pandit.bpf.o
	@ci/vm/load.sh -b ci/budgets $(VM_OBJECTS)

## budgets: write the verified instruction counts of now to ci/budgets
budgets: $(B)/pandit.bpf.o $(B)/clang-19/pandit.bpf.o
	@ci/vm/load.sh -u -b ci/budgets $(VM_OBJECTS)

## test: everything, also on a fresh Debian 12 (as root)
test:
	@ci/deps build test vm
	@ci/run

## test-long: 1,000 kills and 40 upgrades of panditd under load (as root; takes half an hour)
test-long:
	@ci/deps build test
	@ci/run build long

## demo: two containers with real servers, without and with pandit (as root; KEEP=1 leaves it running)
demo:
	@ci/deps build demo
	@$(MAKE) --no-print-directory -s -j$(shell nproc) all
	@KEEP=$(KEEP) tools/demo/demo.sh

## bench: every row against its peer, to bench/RESULTS.md (as root)
bench:
	@ci/deps build bench
	@$(MAKE) --no-print-directory -s -j$(shell nproc) all $(B)/bench/floor.bpf.o
	@tools/bench/bench.sh; s=$$?; ci/readme; exit $$s

## fuzz: fuzz each grammar for FUZZ_SECONDS (60)
fuzz: test-fuzz

## install: to DESTDIR and PREFIX
install: all
	install -D -m 755 $(B)/panditd $(DESTDIR)$(PREFIX)/sbin/panditd
	install -D -m 755 $(B)/panditctl $(DESTDIR)$(PREFIX)/bin/panditctl
	install -D -m 644 $(B)/docs/panditctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/panditctl
	install -D -m 644 $(B)/docs/panditctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/panditctl.1
	for m in $(wildcard tools/dist/man/*.8); do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man8/$$(basename $$m); done
	for m in $(wildcard tools/dist/man/*.5); do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man5/$$(basename $$m); done
	install -D -m 644 tools/dist/panditd.service $(DESTDIR)/lib/systemd/system/panditd.service
	[ -e $(DESTDIR)/etc/pandit/pandit.yaml ] || install -D -m 644 tools/dist/pandit.yaml $(DESTDIR)/etc/pandit/pandit.yaml

## clean: remove what was built (downloaded kernels stay in build/vm)
clean:
	@[ ! -d $(B) ] || find $(B) -mindepth 1 -maxdepth 1 ! -name vm -exec rm -rf {} +

.PHONY: help all bpf tools docs check test test-long test-unit test-wire test-prog test-diff test-fuzz test-asan test-net test-net-long test-upstream test-vm \
	budgets demo bench fuzz install clean abi abi-check
