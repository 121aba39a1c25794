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
KERN := control words fill home client edge

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
-include $(wildcard $(2)/bpf/*.d)
endef
$(eval $(call bpf_rules,$(CLANG),$(B)))
$(eval $(call bpf_rules,clang-19,$(B)/clang-19))

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
	$(call msg,LD,$@)$(CC) $(SANITIZE) -o $@ $^ $(LIBS)
