# Manual pages and completions say what the program's help says.

setup() {
	top=$(readlink -f "$BATS_TEST_DIRNAME/../..")
	CORTEN=${CORTEN:-$top/build/bin/corten}
	TOOLS=${TOOLS:-$top/build/tests}
	DOCS=$TOOLS/../docs
	[ -d "$DOCS/man1" ] || skip "the manual pages are not built"
}

# The commands that the help lists, one a line.
commands() {
	"$CORTEN" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# The groups among them, and the members of a group that stand nowhere else: "image unpack".
groups() { sed -n '/^_corten_members()/,/^}/s/^\t\([a-z]*\)) .*/\1/p' "$DOCS/corten.bash"; }
members() {
	local group member
	for group in $(groups); do
		for member in $("$CORTEN" "$group" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
			"$CORTEN" "$group" "$member" --help | grep -q "^Usage:  corten $group $member" &&
				echo "$group $member"
		done
	done
}

# The long options that the help of the arguments lists.
options() {
	"$CORTEN" "$@" --help | sed -n '/Options:/,$s/^ *\(-[a-zA-Z], \)\?--\([a-z0-9-]*\).*/\2/p'
}

# What bash completes at the end of the line $1, one a line. A stub stands in for the program.
complete_line() {
	PATH=$BATS_TEST_TMPDIR:$PATH bash -c '
		source "$1"
		COMP_LINE=$2 COMP_POINT=${#2}
		_corten
		printf "%s\n" "${COMPREPLY[@]}"' - "$DOCS/corten.bash" "$1"
}

# The completions ask the program for names.
stub() {
	cat >"$BATS_TEST_TMPDIR/corten" <<-'STUB'
		#!/bin/sh
		case $1 in
		ps) printf 'web\ndb\n' ;;
		images) printf 'debian:12\nbusybox:latest\n<none>:<none>\n' ;;
		esac
	STUB
	chmod +x "$BATS_TEST_TMPDIR/corten"
}

@test "every command has a page with a description, and every page a command" {
	[ "$(commands | wc -l)" -gt 10 ]
	for command in $(commands); do
		page=$DOCS/man1/corten-$command.1
		[ -f "$page" ] || { echo "no page: $command"; false; }
		[ "$(sed -n '/^.Sh DESCRIPTION/,/^.Sh OPTIONS/p' "$page" | wc -w)" -gt 12 ] ||
			{ echo "no text in src/cli/manual.c: $command"; false; }
		grep -q "^.It Xr corten-$command 1\$" "$DOCS/man1/corten.1"
	done
	while read -r group member; do
		page=$DOCS/man1/corten-$group-$member.1
		[ -f "$page" ] || { echo "no page: $group $member"; false; }
		[ "$(sed -n '/^.Sh DESCRIPTION/,/^.Sh OPTIONS/p' "$page" | wc -w)" -gt 12 ] ||
			{ echo "no text in src/cli/manual.c: $group $member"; false; }
		grep -q "^.It Xr corten-$group-$member 1\$" "$DOCS/man1/corten.1"
		for option in $(options "$group" "$member"); do
			grep -Eq "^\.It.* Fl -$option( |\$)" "$page" || { echo "$page lacks --$option"; false; }
		done
	done < <(members)
	[ "$(find "$DOCS/man1" -name 'corten-*.1' | wc -l)" = "$({ commands; members; } | wc -l)" ]
}

@test "a group's page and completions have its members" {
	stub
	[ -n "$(groups)" ]
	[ "$(members | wc -l)" -gt 1 ]
	for group in $(groups); do
		for member in $("$CORTEN" "$group" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
			grep -q "^.It Cm $member\$" "$DOCS/man1/corten-$group.1" || { echo "no $group $member"; false; }
			[ "$(complete_line "corten $group $member" | grep -cx -e "$member")" = 1 ]
			for option in $(options "$group" "$member"); do
				complete_line "corten $group $member --$option" | grep -qx -e "--$option" ||
					{ echo "corten $group $member: no --$option"; false; }
			done
			grep -q "'$member:" "$DOCS/_corten"
			grep -q "__corten_in $group' -a $member " "$DOCS/corten.fish"
		done
	done
	[ "$(complete_line 'corten image save deb')" = debian:12 ]
	[ "$(complete_line 'corten --root /x image unp')" = unpack ]
}

@test "every option of the help stands in the page" {
	for command in $(commands); do
		for option in $(options "$command"); do
			grep -Eq "^\.It.* Fl -$option( |\$)" "$DOCS/man1/corten-$command.1" ||
				{ echo "corten-$command(1) lacks --$option"; false; }
		done
	done
	for option in $(options); do
		grep -Eq "^\.It.* Fl -$option( |\$)" "$DOCS/man1/corten.1"
	done
}

@test "every section is there" {
	for page in "$DOCS"/man1/*.1; do
		for section in NAME SYNOPSIS DESCRIPTION OPTIONS "EXIT STATUS" ENVIRONMENT "SEE ALSO"; do
			grep -q "^.Sh $section\$" "$page" || { echo "$page: no $section"; false; }
		done
	done
}

@test "every page that another names is there" {
	while read -r name section; do
		[ -f "$DOCS/man$section/$name.$section" ] || { echo "no $name($section)"; false; }
	done < <(sed -n 's/^\.\(It \)\?Xr \([a-z-]*\) \([18]\).*/\2 \3/p' "$DOCS"/man?/* | sort -u)
}

@test "the pages are clean mdoc" {
	if command -v mandoc >/dev/null; then
		run mandoc -T lint -W warning "$DOCS"/man1/*.1 "$DOCS"/man8/*.8
	elif command -v groff >/dev/null; then
		run bash -c 'groff -mandoc -ww -Tutf8 -P-c "$@" 2>&1 >/dev/null' - "$DOCS"/man1/*.1 "$DOCS"/man8/*.8
	else
		skip "neither mandoc nor groff is installed"
	fi
	echo "$output"
	[ "$status" = 0 ] && [ -z "$output" ]
}

@test "the runtime's page has its commands and options" {
	page=$DOCS/man8/corten-runtime.8
	for command in create delete exec kill run start state; do
		grep -q "^.Ss $command\$" "$page"
	done
	grep -q 'Fl -bundle' "$page"
	grep -q 'Fl -console-socket' "$page"
	! grep -q 'rootfs-fd' "$page"
}

@test "bash completes commands, options and values" {
	stub
	[ "$(complete_line 'corten ru')" = run ]
	[ "$(complete_line 'corten --root /x --version')" = --version ]
	[ "$(complete_line 'corten run --netw' | sort)" = $'--network\n--network-alias' ]
	[ "$(complete_line 'corten run --network ')" = "$(printf 'bridge\nnone\nhost')" ]
	[ "$(complete_line 'corten run --network=h')" = host ]
	[ "$(complete_line 'corten --root /x kill -s TE')" = TERM ]
	for command in $(commands); do
		[ "$(complete_line "corten $command" | grep -cx "$command")" = 1 ]
		for option in $(options "$command"); do
			complete_line "corten $command --$option" | grep -qx -e "--$option" ||
				{ echo "corten $command: no --$option"; false; }
		done
	done
}

@test "bash completes containers and images" {
	stub
	[ "$(complete_line 'corten rm -f w')" = web ]
	[ "$(complete_line 'corten exec d')" = db ]
	[ "$(complete_line 'corten run -it b')" = busybox:latest ]
	# Readline replaces only what stands behind the colon.
	[ "$(complete_line 'corten run debian:')" = 12 ]
	# What stands behind the image is the container's.
	[ -z "$(complete_line 'corten run debian:12 --ne')" ]
}

@test "zsh and fish read their completions" {
	local seen=
	if command -v zsh >/dev/null; then
		zsh -fn "$DOCS/_corten"
		seen=1
	fi
	if command -v fish >/dev/null; then
		stub
		PATH=$BATS_TEST_TMPDIR:$PATH run fish -N -c "source $DOCS/corten.fish; complete -C 'corten run --netw'"
		[[ $output == --network* ]]
		seen=1
	fi
	[ -n "$seen" ] || skip "neither zsh nor fish is installed"
}
