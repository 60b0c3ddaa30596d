# The images of archives.py and tower.py, made once for a run of bats: files of it are run one after the other.

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
export PYTHONDONTWRITEBYTECODE=1

# archives_make: $ARCHIVES is their folder.
archives_make() {
	export ARCHIVES=$BATS_RUN_TMPDIR/archives
	[ -d "$ARCHIVES" ] && return
	mkdir -p "$ARCHIVES.part"
	"$PYTHON" "$BATS_TEST_DIRNAME/archives.py" "$ARCHIVES.part"
	mv "$ARCHIVES.part" "$ARCHIVES"
}

# archives_tower N: $ARCHIVES/tower-N.tar, an image of N layers.
archives_tower() {
	[ -f "$ARCHIVES/tower-$1.tar" ] && return
	"$PYTHON" "$BATS_TEST_DIRNAME/tower.py" "$1" "$ARCHIVES/tower-$1.part"
	mv "$ARCHIVES/tower-$1.part" "$ARCHIVES/tower-$1.tar"
}
