# The built-in plugins against Debian's containernetworking-plugins: same configuration in, same result out, and either side
# takes down what the other put up. All happens in fresh network namespaces (plugins.sh).

setup() {
	export BUILD=${BUILD:-$BATS_TEST_DIRNAME/../../build}
	[ -x /usr/lib/cni/bridge ] || skip "containernetworking-plugins is not installed"
	unshare -mn ip link add br0 type bridge 2>/dev/null || skip "no network namespaces or no bridges here"
}

inside() {
	unshare -mn bash "$BATS_TEST_DIRNAME/plugins.sh" "$@"
}

in_all_versions() { # CASE TYPE
	local version
	for version in 0.3.1 0.4.0 1.0.0; do
		inside "$1" "$2" $version
	done
}

@test "bridge: same results, links, addresses, routes" {
	in_all_versions compare bridge
}

@test "bridge: one side takes down what the other put up" {
	in_all_versions takeover bridge
}

@test "bridge: containers of both sides reach each other" {
	inside reach bridge 2
}

@test "host-local: same results and store" {
	in_all_versions compare host-local
}

@test "host-local: one side gives back what the other gave out" {
	in_all_versions takeover host-local
}

@test "loopback: same results" {
	in_all_versions compare loopback
	in_all_versions takeover loopback
}

@test "ptp: same results, and either side takes down what the other put up" {
	in_all_versions compare ptp
	inside takeover ptp 1.0.0
}

@test "ptp: containers of both sides reach each other" {
	inside reach ptp 1
}

@test "macvlan: same results, and either side takes down what the other put up" {
	in_all_versions compare macvlan
	inside takeover macvlan 1.0.0
}

@test "static: same results" {
	in_all_versions compare static
	inside takeover static 1.0.0
}

@test "tuning: same results, sysctls and backup, and either side puts back what the other changed" {
	inside compare tuning 0.4.0
	inside compare tuning 1.0.0
	inside takeover tuning 1.0.0
}

@test "bandwidth: same queues and filters, and either side takes down what the other put up" {
	inside compare bandwidth 0.4.0
	inside compare bandwidth 1.0.0
	inside takeover bandwidth 1.0.0
}

@test "ipMasq: the host's address is seen outside" {
	inside masquerade bridge
	inside masquerade ptp
}

@test "as OCI hook: an interface at prestart, all given back at poststop" {
	inside hook
}

@test "bridge: the 1,024th port is refused in clear words" {
	inside full
}

@test "bridge: an ADD that is killed leaves nothing behind its DEL" {
	inside kills 13
}

@test "errors have the reference's codes" {
	inside errors
}

@test "versions are told" {
	inside versions
}
