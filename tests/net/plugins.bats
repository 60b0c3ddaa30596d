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

@test "errors have the reference's codes" {
	inside errors
}

@test "versions are told" {
	inside versions
}
