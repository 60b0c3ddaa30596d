# The runtime on a machine that has cgroup v2 alone: one boot for all cases, which are in cases.sh.
# bats file_tags=beside

bats_require_minimum_version 1.5.0

load passed

setup_file() { boot_once boot.sh linux.uml busybox jq; }

@test "the memory limits are in memory.max, memory.low and memory.swap.max" { passed memory_limits; }
@test "quota, period and shares are in cpu.max and cpu.weight" { passed cpu_limits; }
@test "the limit of processes is in pids.max" { passed pids_limit; }
@test "throttled devices are in io.max" { passed io_limits; }
@test "unified files are written as they are" { passed unified_files; }
@test "exec joins the group" { passed exec_joins; }
@test "update by options changes each limit of a running container" { passed update_options; }
@test "update by a file changes io.max and unified files" { passed update_resources; }
@test "pause and resume go through cgroup.freeze" { passed pause_resume; }
@test "events --stats tells v2's numbers" { passed events_stats; }
@test "delete -f leaves neither group nor state" { passed delete_removes; }
@test "device rules: what is not allowed is refused by the group's program" { passed devices_denied; }
@test "update changes the device rules of a running container" { passed devices_update; }
@test "a killed memory hog is counted in memory.events" { passed oom_counted; }
@test "kill -a empties the group of a container without a pid namespace" { passed kill_all; }
@test "the container sees its own group, read-only, and run leaves none" { passed inside; }
@test "clone3 starts the container in its group" { passed clone_into; }
@test "without root: a group beside the user's own where that is delegated" { passed rootless_delegated; }
@test "run.oci.systemd.force_cgroup_v1 mounts the named hierarchy of v1" { passed forced_v1; }
