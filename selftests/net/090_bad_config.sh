#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wrong configurations and surroundings: one clear line, the right exit status, nothing left.
. "$(dirname "$0")/scenario.sh"
begin
not_plain

count=0
# refuse STATUS PATTERN WHAT [COMMAND PREFIX...]: what the configuration in $RUN/bad.yaml must lead to.
refuse() {
	local want=$1 pattern=$2 what=$3 out status
	shift 3
	out=$(in_h timeout 20 "$@" "$PD_BUILD/panditd" -c "$RUN/bad.yaml" 2>&1 </dev/null)
	status=$?
	[[ $want == *"$status"* ]] || fail "$what: exit $status, want $want: $(head -n 1 <<<"$out")"
	[ "$(wc -l <<<"$out")" = 1 ] || fail "$what: more than one line: $(tr '\n' '|' <<<"$out")"
	grep -Eqi "$pattern" <<<"$out" || fail "$what: \"$out\" does not say /$pattern/"
	[ -e "$PINS" ] && fail "$what: $PINS was made"
	count=$((count + 1))
}

# bad PATTERN WHAT: configuration on stdin; status 2, also from --check.
bad() {
	local out
	cat >"$RUN/bad.yaml"
	refuse 2 "$1" "$2"
	out=$("$PD_BUILD/panditd" --check -c "$RUN/bad.yaml" 2>&1)
	[ $? = 2 ] || fail "$2: --check does not end with 2: $out"
}

base="runtime_dir: $RUN
bpffs: $PINS
attach: [vc, vr]"
one='- {name: a, protocol: redis, address: "10.1.0.2:6379"}'

bad 'bad.yaml:4.*did you mean.*services' "unknown key" <<<"$base
servicez: []"
bad 'bad.yaml:5.*did you mean.*address' "unknown key of a service" <<<"$base
services:
- {name: a, protocol: redis, addressx: \"10.1.0.2:6379\"}"
bad 'bad.yaml:5.*did you mean.*redis' "unknown protocol" <<<"$base
services:
- {name: a, protocol: redsi, address: \"10.1.0.2:6379\"}"
bad 'bad.yaml:5.*address' "bad address" <<<"$base
services:
- {name: a, protocol: redis, address: \"10.1.0.256:6379\"}"
bad 'bad.yaml:5.*(port|address)' "bad port" <<<"$base
services:
- {name: a, protocol: redis, address: \"10.1.0.2:99999\"}"
bad 'bad.yaml:5.*address' "no address" <<<"$base
services:
- {name: a, protocol: redis}"
bad 'bad.yaml:6.*(twice|duplicate|already|same)' "duplicate name" <<<"$base
services:
$one
- {name: a, protocol: redis, address: \"10.1.0.3:6379\"}"
bad 'bad.yaml:6.*(twice|duplicate|already|same)' "duplicate address" <<<"$base
services:
$one
- {name: b, protocol: redis, address: \"10.1.0.2:6379\"}"
bad 'bad.yaml:4' "wrong type" <<<"$base
services: 7"
bad 'bad.yaml:4' "wrong type of a limit" <<<"$base
limits: {connections: many}"
bad 'bad.yaml:5.*(max_age|second|duration)' "bad duration" <<<"$base
services:
- {name: a, protocol: redis, address: \"10.1.0.2:6379\", cache: {max_age: soon}}"
bad 'bad.yaml:5.*(consistency|strict)' "bad enum" <<<"$base
services:
- {name: a, protocol: redis, address: \"10.1.0.2:6379\", consistency: stirct}"
bad 'bad.yaml:5' "transport the protocol does not have" <<<"$base
services:
- {name: a, protocol: redis, address: \"10.1.0.2:6379\", transport: [udp]}"
bad 'bad.yaml' "not YAML" <<<"attach: [vc"
bad 'bad.yaml' "a tab" <<<"$base
	services: []"
bad 'bad.yaml:3.*attach' "a key twice" <<<"bpffs: $PINS
attach: [vc]
attach: [vr]"

rm "$RUN/bad.yaml"
refuse 2 'bad.yaml.*(no such|not|cannot)' "no such file"

# right configuration, wrong surroundings: status 1
printf '%s\n' "runtime_dir: $RUN" "bpffs: $PINS" "attach: [vc, vr]" "services:" "$one" >"$RUN/bad.yaml"
check "--check of a good file" "$PD_BUILD/panditd" --check -c "$RUN/bad.yaml"
refuse 1 'root|capabilit|CAP_|permi|privilege' "no capabilities" \
	setpriv --bounding-set=-all --inh-caps=-all
sed -i "s|^attach:.*|attach: [vc, nosuch]|" "$RUN/bad.yaml"
refuse '1 or 2' 'nosuch' "an interface that does not exist"
sed -i "s|^attach:.*|attach: [vc, vr]|; s|^bpffs:.*|bpffs: $RUN/no-bpffs|" "$RUN/bad.yaml"
refuse 1 'bpf' "not a bpffs"
sed -i "s|^bpffs:.*|bpffs: $PINS|; s|^runtime_dir:.*|runtime_dir: /proc/none|" "$RUN/bad.yaml"
refuse 1 '/proc/none' "a runtime directory that cannot be made"
[ $count -ge 20 ] || fail "only $count cases ran"

out=$("$PD_BUILD/panditd" --nonsense 2>&1)
[ $? = 2 ] || fail "an unknown option does not end with 2: $out"

# a daemon that runs: what panditctl refuses
panditd_up
for args in "attach nosuch:1" "detach nosuch:1" "flush nosuch:1" "get nosuch k:1" "ls nosuch:1" "rm nosuch:1" \
	"add --name x --protocol redsi --address 1.2.3.4:5:[12]" "add --name x --protocol redis --address x:[12]" \
	"add --name redis --protocol redis --address 10.9.9.9:1:1" "nonsense:2" "stats --nonsense:2" "attach:2"; do
	# shellcheck disable=SC2086
	out=$(ctl ${args%:*} 2>&1)
	status=$?
	[[ $status =~ ^${args##*:}$ ]] || fail "panditctl ${args%:*}: exit $status, want ${args##*:}: $out"
	# shellcheck disable=SC2086
	json=$(ctl --json ${args%:*} 2>&1)
	[[ ${args##*:} == 2 ]] || jq -e .error.message <<<"$json" >/dev/null 2>&1 ||
		fail "panditctl --json ${args%:*}: not {\"error\": ..}: $json"
done
"$PD_BUILD/panditctl" -s "unix:$RUN/none.sock" status >/dev/null 2>&1
[ $? = 1 ] || fail "panditctl without a daemon does not end with 1"
finish
