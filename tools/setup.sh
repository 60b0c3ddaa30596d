# Shared by ./run and ./check, which source it from the top of the tree: packages, and the build as the
# person who called sudo. It changes nothing outside the tree but Debian's packages.

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Whoever builds: the caller of sudo when the tree is writable to that user, else the current user.
build_user=
if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] &&
	runuser -u "$SUDO_USER" -- test -w . 2>/dev/null; then
	build_user=$SUDO_USER
fi

# git refuses a tree of another user; nothing here is run from it, so it may be read.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

# Runs a command as the build user, with that user's home.
as_user() {
	if [ -z "$build_user" ]; then
		"$@"
	else
		runuser -u "$build_user" -- env HOME="$(getent passwd "$build_user" | cut -d: -f6)" \
			USER="$build_user" LOGNAME="$build_user" "$@"
	fi
}

# Gives build/ to the build user, so that a plain make works afterwards.
own_build() {
	if [ -n "$build_user" ] && [ -d build ]; then
		find build ! -user "$build_user" -exec chown -h "$build_user:" {} + 2>/dev/null || true
	fi
}

# The lines of a package list without comments.
package_lines() { sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$1"; }

# True when apt knows a version of package $1. (No grep -q in pipes here: with pipefail the writer's
# SIGPIPE would count.)
has_candidate() {
	local words
	words=$(apt-cache policy "$1" 2>/dev/null)
	[[ $words =~ Candidate:\ [^\(] ]]
}

# Packages of list $1 that are not installed, one a line; `a|b` stays when none of both is.
missing_packages() {
	local line name all
	all=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' 2>/dev/null) "
	while read -r line; do
		for name in ${line//|/ }; do
			[[ $all == *" $name=installed "* ]] && continue 2
		done
		printf '%s\n' "$line"
	done < <(package_lines "$1")
}

# Daemons that come with packages must not start: policy-rc.d says no while we install.
policy=/usr/sbin/policy-rc.d
policy_mark='corten: no services while packages are installed'

services_forbid() {
	if [ -e $policy ] && ! grep -q "$policy_mark" $policy; then
		mv $policy $policy.before-corten
	fi
	printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" >$policy
	chmod 755 $policy
	trap services_restore EXIT
}

services_restore() {
	if [ -e $policy ] && grep -q "$policy_mark" $policy; then
		rm -f $policy
	fi
	if [ -e $policy.before-corten ]; then
		mv $policy.before-corten $policy
	fi
	trap - EXIT
}

# Where systemd runs, units of the packages $@ are switched off: they would start at the next boot.
services_disable() {
	[ -d /run/systemd/system ] || return 0
	dpkg -L "$@" 2>/dev/null | sed -n 's:^.*/systemd/system/\([^/@]*\.\(service\|socket\|timer\)\)$:\1:p' |
		xargs -r systemctl disable --now >/dev/null 2>&1 || true
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
		</dev/null >>"$setup_log" 2>&1
}

lacking= # packages that this release does not have, set by install_packages

# install_packages LIST required|optional: installs what is missing. A required package that cannot be
# had ends the program; an optional one is added to $lacking.
install_packages() {
	local missing line name found wanted=() began=$SECONDS
	missing=$(missing_packages "$1")
	if [ -z "$missing" ]; then
		say "packages of $1: all there"
		return 0
	fi
	[ "$(id -u)" = 0 ] || die "packages are missing, call it with sudo: $(echo $missing)"
	setup_log=$(mktemp)
	if ! ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then
		say "package lists: apt-get update"
		apt_get update || { tail -n 20 "$setup_log"; die "apt-get update failed"; }
	fi
	for line in $missing; do
		found=
		for name in ${line//|/ }; do
			if has_candidate "$name"; then
				found=$name
				break
			fi
		done
		if [ -n "$found" ]; then
			wanted+=("$found")
		elif [ "$2" = required ]; then
			rm -f "$setup_log"
			die "this Debian release has no package '$line'"
		else
			lacking="$lacking $line"
		fi
	done
	if [ ${#wanted[@]} -gt 0 ]; then
		say "packages of $1: installing ${wanted[*]}"
		services_forbid
		# The first try spares the update where the lists are fresh.
		if ! apt_get install --no-install-recommends "${wanted[@]}"; then
			note "package lists are old: apt-get update, then again"
			apt_get update
			apt_get install --no-install-recommends "${wanted[@]}" ||
				{ tail -n 20 "$setup_log"; die "apt-get install failed"; }
		fi
		services_restore
		services_disable "${wanted[@]}"
		note "$((SECONDS - began)) s"
	fi
	rm -f "$setup_log"
}

# Builds everything in build/ with make; the log is shown when that fails.
build_all() {
	local began=$SECONDS log
	say "build: programs into build/bin/${build_user:+, as $build_user}"
	own_build
	log=$(mktemp)
	if ! as_user make --no-print-directory >"$log" 2>&1; then
		tail -n 60 "$log"
		rm -f "$log"
		die "the build failed"
	fi
	note "$(tail -n 1 "$log") ($((SECONDS - began)) s)"
	rm -f "$log"
}
