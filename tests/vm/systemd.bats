# The systemd cgroup driver, under a systemd of its own: one boot for all cases, which are in systemd-cases.sh.
# bats file_tags=beside

bats_require_minimum_version 1.5.0
load passed

setup_file() { boot_once systemd.sh linux.uml busybox jq dbus-daemon systemctl newuidmap; }

@test "slice:prefix:name is a delegated scope in nested slices, with the annotations' properties" { passed placed; }
@test "the group's files are those that the peer makes" { passed files_as_peer; }
@test "the unit's properties are those that the peer sets" { passed properties_as_peer; }
@test "exec joins the scope" { passed exec_joins; }
@test "update changes the unit's properties and the files" { passed update_sets; }
@test "a reload of systemd changes nothing" { passed reload_keeps; }
@test "delete stops the unit and leaves nothing" { passed delete_stops; }
@test "without a cgroupsPath the scope is runc-ID in system.slice" { passed default_unit; }
@test "device rules hold, and an update reaches the unit" { passed devices_held; }
@test "a limit of one process is enough to start one" { passed one_process; }
@test "run.oci.systemd.subgroup: the container is in a group below its scope" { passed subgroup; }
@test "a unit that systemd kills is a container that has stopped" { passed stopped_by_systemd; }
@test "a failed unit of the same name is reset" { passed failed_is_reset; }
@test "a killed runtime's scope goes with delete -f" { passed killed_runtime; }
@test "wrong paths, slices and annotations are refused in runc's words" { passed refusals; }
@test "without root: a scope of the user's own manager, exec and update" { passed rootless; }
