# Loading an image archive: a kill leaves no half image, and loading again works.
scenario_programs="corten corten-worker"
scenario_setup() { busybox_archive "$SCRATCH/image.tar"; }
scenario_run() { corten load -i "$SCRATCH/image.tar"; }
scenario_mend() { corten load -i "$SCRATCH/image.tar"; }
scenario_check() { works && snapshots_are 1; }
