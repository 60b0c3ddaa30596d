# Plugins as programs in the namespaces of lab.bash. SIDE is ours or theirs (Debian's containernetworking-plugins).
#
#	plugin SIDE COMMAND TYPE HOST CONTAINER CONF   $output is what it prints, its status is returned
#	conf TYPE PREV KEYS     a configuration: PREV is a result or "", KEYS more members ("\"snat\":false")
#	prev CONTAINER BRIDGE ADDRESS...   the result of a bridge plugin as prevResult
#	ports ENTRY...          runtimeConfig with port mappings: "8080:80/tcp", "10.9.0.1:8080:80/udp"

THEIRS=${THEIRS:-/usr/lib/cni}

plugin_setup() {
	mkdir "$BATS_TEST_TMPDIR/ours"
	local type
	for type in portmap firewall bridge host-local; do
		ln -s "$BUILD/bin/corten-cni" "$BATS_TEST_TMPDIR/ours/$type"
	done
}

need_theirs() {
	[ -x "$THEIRS/portmap" ] || skip "containernetworking-plugins is not installed"
	command -v iptables >/dev/null || skip "iptables is not installed"
}

plugin() { # SIDE COMMAND TYPE HOST CONTAINER CONF
	local dir=$THEIRS status=0
	[ "$1" = theirs ] || dir=$BATS_TEST_TMPDIR/ours
	# shellcheck disable=SC2034
	output=$(at "$4" env CNI_PATH="$dir" CNI_COMMAND="$2" CNI_CONTAINERID="id-$5" CNI_IFNAME=eth0 \
		CNI_NETNS="/proc/${lab_pids[$5]:-1}/ns/net" "$dir/$3" <<<"$6" 2>"$BATS_TEST_TMPDIR/stderr") || status=$?
	return $status
}

conf() { # TYPE PREV KEYS
	printf '{"cniVersion":"%s","name":"net1","type":"%s"%s%s}' "${VERSION:-1.0.0}" "$1" \
		"${2:+,\"prevResult\":$2}" "${3:+,$3}"
}

prev() { # CONTAINER BRIDGE ADDRESS...
	local ips="" name=$1 bridge=$2 a
	shift 2
	for a in "$@"; do
		ips+="${ips:+,}{\"address\":\"$a\",\"interface\":1}"
	done
	printf '{"cniVersion":"%s","interfaces":[{"name":"%s"},{"name":"eth0","sandbox":"/proc/%s/ns/net"}],"ips":[%s]}' \
		"${VERSION:-1.0.0}" "$bridge" "${lab_pids[$name]:-1}" "$ips"
}

ports() { # ENTRY...
	local all="" e host p
	for e in "$@"; do
		p=${e#*/} e=${e%/*} host=
		[[ $e != *:*:* ]] || { host=${e%:*:*} e=${e#"$host":}; }
		all+="${all:+,}{\"hostPort\":${e%:*},\"containerPort\":${e#*:},\"protocol\":\"$p\"${host:+,\"hostIP\":\"$host\"}}"
	done
	printf '"runtimeConfig":{"portMappings":[%s]}' "$all"
}
