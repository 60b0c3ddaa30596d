# `make install` by a user without privileges, into a folder that is then moved to another place.

setup_file() {
	local top
	top=$(readlink -f "$BATS_TEST_DIRNAME/../..")
	BUILD=$(readlink -f "${TOOLS:-$top/build/tests}/..")
	export BUILD
	# Whoever built; a build of root's is installed by nobody.
	INSTALLER=$(stat -c %U "$BUILD")
	[ "$INSTALLER" != root ] || INSTALLER=nobody
	export INSTALLER
	if ! as_installer test -r "$BUILD/build.ninja"; then
		export SKIP="$INSTALLER cannot read $BUILD/build.ninja"
		return 0
	fi
	WHERE=$(mktemp -d /tmp/ci.XXXXXX)
	export WHERE
	chmod 755 "$WHERE"
	mkdir "$WHERE/staged" && chown "$INSTALLER" "$WHERE/staged"
	# The prefix is the build's own: another one would build anew.
	PREFIX=$(meson introspect --buildoptions "$BUILD" |
		jq -r '.[] | select(.name == "prefix") | .value')
	export PREFIX
	export -f as_installer
	# meson writes a log into the build folder, which may be another's: it gets one that goes away.
	unshare -m bash -c 'mount -t tmpfs -o mode=777 none "$BUILD/meson-logs" &&
		as_installer meson install -C "$BUILD" --no-rebuild --destdir "$WHERE/staged"' \
		>"$WHERE/log" 2>&1 || true
	cp -r "$WHERE/staged$PREFIX" "$WHERE/moved" || true
}

as_installer() {
	setpriv --reuid="$INSTALLER" --regid="$(id -g "$INSTALLER")" --clear-groups --inh-caps=-all \
		env HOME=/nonexistent GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' "$@"
}

teardown_file() {
	[ -z "${WHERE:-}" ] || rm -rf --one-file-system "$WHERE"
}

setup() {
	[ -z "${SKIP:-}" ] || skip "$SKIP"
	INSTALLED=$WHERE/moved
	[ -x "$INSTALLED/bin/corten" ] || { tail -n 20 "$WHERE/log"; false; }
}

@test "a user without privileges installs into DESTDIR, and nothing lies outside PREFIX" {
	[ "$(stat -c %U "$WHERE/staged$PREFIX/bin/corten")" = "$INSTALLER" ]
	run find "$WHERE/staged" -type f ! -path "$WHERE/staged$PREFIX/*"
	[ -z "$output" ]
}

@test "programs, manual pages and completions lie where they belong" {
	cd "$INSTALLED"
	ls bin libexec/corten
	for file in bin/corten bin/corten-runtime libexec/corten/containerd-shim-corten-v2 \
		libexec/corten/corten-seccomp libexec/corten/corten-fetch libexec/corten/corten-cni \
		libexec/corten/corten-dns libexec/corten/corten-verify libexec/corten/corten-worker; do
		[ -x "$file" ] || { echo "no $file"; false; }
	done
	for file in share/man/man1/corten.1 share/man/man1/corten-run.1 share/man/man8/corten-runtime.8 \
		share/bash-completion/completions/corten.bash share/zsh/site-functions/_corten \
		share/fish/vendor_completions.d/corten.fish share/corten/corten-hello.tar; do
		[ -f "$file" ] || { echo "no $file"; false; }
	done
	[ ! -e bin/corten-docgen ]
}

@test "nobody but the owner can write what is installed, and everyone can read it" {
	run find "$INSTALLED" ! -type l -perm /022
	[ -z "$output" ]
	run find "$INSTALLED" -type f ! -perm -444
	[ -z "$output" ]
	run find "$INSTALLED/bin" "$INSTALLED/libexec" -type f ! -perm -555
	[ -z "$output" ]
}

@test "the installed programs run where they are" {
	cd /
	"$INSTALLED/bin/corten" version | grep -q '^ Version:'
	"$INSTALLED/bin/corten-runtime" --version | grep -q '^corten-runtime version'
	"$INSTALLED/bin/corten-runtime" features | jq -e .ociVersionMax >/dev/null
}

@test "a moved installation runs a container with its own helpers only" {
	# The other folders where helpers might be looked for are hidden, in a mount namespace of our own.
	mkdir "$WHERE/empty" "$WHERE/r" "$WHERE/s"
	run unshare -m bash -c '
		for dir in "$4/libexec/corten" "$5/bin"; do
			[ ! -d "$dir" ] || mount --bind "$1/empty" "$dir"
		done
		"$2" --root "$1/r" --state "$1/s" run --rm corten/hello' \
		- "$WHERE" "$INSTALLED/bin/corten" "" "$PREFIX" "$BUILD"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *ello* ]]
	run "$INSTALLED/bin/corten" --root "$WHERE/r" --state "$WHERE/s" ps -aq
	[ "$status" = 0 ] && [ -z "$output" ]
}
