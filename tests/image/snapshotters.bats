# Snapshotters end to end: what native gives is what an overlay gives; where it is chosen; towers of layers.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load archives

LAB_IMAGES=${CORTEN_LAB:-/var/cache/corten-lab}/images
TREE=$BATS_TEST_DIRNAME/../lab/tree.py

setup() {
	instance_setup
	archives_make
	archives_tower 300
	archives_tower 12
}

teardown() {
	umount "$INSTANCE/mnt" 2>/dev/null || true
	umount "$INSTANCE/over" 2>/dev/null || true
	instance_teardown
}

# The tree of the image in the archive $2, with a store of kind $1.
tree_of() {
	local dirs
	rm -rf "$CORTEN_ROOT"/*
	"$CORTEN" --storage-driver "$1" load -i "$2" >/dev/null || return
	dirs=$(ls -d "$CORTEN_ROOT"/snapshots/*/fs | sort -rV)
	if [ "$1" = native ] || [ "$(wc -l <<<"$dirs")" = 1 ]; then
		"$PYTHON" "$TREE" "${dirs%%$'\n'*}"
	else
		mkdir -p "$INSTANCE/mnt"
		mount -t overlay overlay -o "lowerdir=$(paste -sd: <<<"$dirs")" "$INSTANCE/mnt"
		"$PYTHON" "$TREE" "$INSTANCE/mnt"
		umount "$INSTANCE/mnt"
	fi
}

@test "native holds the same tree as an overlay shows" {
	local archive n=0
	for archive in "$ARCHIVES"/good-*.tar "$ARCHIVES/tower-12.tar" "$LAB_IMAGES"/layers-{umoci,buildah}.tar; do
		# Two images in one archive have no one tree.
		[ -f "$archive" ] && [[ $archive != *nameless* ]] || continue
		tree_of overlayfs "$archive" >"$INSTANCE/overlay" || return
		tree_of native "$archive" >"$INSTANCE/native" || return
		diff "$INSTANCE/overlay" "$INSTANCE/native" || {
			echo "$archive differs"
			return 1
		}
		n=$((n + 1))
	done
	[ $n -ge 8 ]
}

@test "native runs, keeps what was written, and goes" {
	export CORTEN_SNAPSHOTTER=native
	"$CORTEN" load -i "$ARCHIVES/tower-12.tar"
	run -0 "$CORTEN" run --name box tower sh -c 'cat /last /10; touch /mine; ls /9 2>/dev/null || echo gone'
	[ "$output" = $'11\n10\ngone' ]
	run -0 "$CORTEN" start -a box
	run ! "$CORTEN" run --rm tower ls /mine
	[ "$("$CORTEN" inspect -f '{{.Driver}}' box)" = native ]
	[ "$(ls "$CORTEN_ROOT/snapshots" | wc -l)" = 13 ]
	unset CORTEN_SNAPSHOTTER
	"$CORTEN" rm box
	"$CORTEN" rmi tower
	[ -z "$(ls "$CORTEN_ROOT/snapshots")" ]
	run -1 "$CORTEN" --storage-driver overlayfs images
	[[ $output == *"was made with the snapshotter 'native', not 'overlayfs'"* ]]
}

@test "on an overlay a new store is native by itself" {
	mkdir "$INSTANCE"/{lower,upper,work,over}
	mount -t overlay overlay -o "lowerdir=$INSTANCE/lower,upperdir=$INSTANCE/upper,workdir=$INSTANCE/work" \
		"$INSTANCE/over"
	export CORTEN_ROOT=$INSTANCE/over/r
	"$CORTEN" load -i "$ARCHIVES/tower-12.tar"
	[ "$(cat "$CORTEN_ROOT/snapshotter")" = native ]
	[ -z "$(find "$CORTEN_ROOT" -maxdepth 1 -name 'probe-*')" ]
	run -0 "$CORTEN" run --rm tower cat /last
	[ "$output" = 11 ]
	"$CORTEN" rmi tower
}

@test "300 layers: loaded, run, removed" {
	"$CORTEN" load -i "$ARCHIVES/tower-300.tar"
	[ "$(ls "$CORTEN_ROOT/snapshots" | wc -l)" = 300 ]
	run -0 "$CORTEN" run --rm tower sh -c 'cat /last /1 /150; ls /149 2>/dev/null || echo gone'
	[ "$output" = $'299\n1\n150\ngone' ]
	"$CORTEN" rmi tower
	[ -z "$(ls "$CORTEN_ROOT/snapshots")" ]
}

@test "a native layer that was lost in a power cut is made again" {
	export CORTEN_SNAPSHOTTER=native
	"$CORTEN" load -i "$ARCHIVES/tower-12.tar"
	"$PYTHON" -c "
import sqlite3
db = sqlite3.connect('$CORTEN_ROOT/store.db')
db.execute(\"update snapshots set boot='another'\")
db.commit()"
	find "$CORTEN_ROOT/snapshots" -type f -size +0 -exec truncate -s 0 {} +
	run -0 "$CORTEN" run --rm tower cat /last
	[ "$output" = 11 ]
}
