# Committing a container that has ended: a kill leaves no half image and no layer, and committing again gives the same image.
scenario_programs="corten corten-worker"
# One time for all, so that the same changes are the same image.
export SOURCE_DATE_EPOCH=1700000000
scenario_setup() {
	load_image
	corten run --name changed --network none "$image" sh -c 'echo new >/new; rm /bin/true'
}
scenario_run() { corten commit changed made; }
scenario_mend() { corten commit changed made; }
scenario_check() {
	snapshots_are 2
	[ "$(corten images -q | wc -l)" = 2 ] || { echo "there are other images than two"; return 1; }
	[ "$(corten run --rm --network none made cat /new)" = new ] || { echo "the change is not in the image"; return 1; }
	works
}
