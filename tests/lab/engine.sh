#!/bin/bash
# Starts and stops peers with state, sockets and cgroups of their own, in the lab or on a host that has them.
#   engine.sh start containerd|docker|podman...    waits until each is ready
#   engine.sh stop [NAME...]                       ends it by pid, with its shims, mounts, cgroups and files
#   engine.sh env                                  exports that make ctr, docker, podman and buildah use them
#   engine.sh pid containerd|docker
# ENGINE_DIR holds images and containers (must not be on overlayfs), ENGINE_RUN sockets and pid files.
set -eu
. "$(dirname "$0")/lib.sh"

engine_dir=${ENGINE_DIR:-/lab/engine}
engine_run=${ENGINE_RUN:-/run/lab-engine}
engine_group=corten-lab-engine
ready_seconds=30
containerd_socket=$engine_run/containerd.sock
docker_socket=$engine_run/docker.sock

# wait_ready NAME PID CMD...: polls until CMD succeeds; fails with the log when the process is gone.
wait_ready() {
	local name=$1 pid=$2 end=$((SECONDS + ready_seconds))
	shift 2
	until "$@" >/dev/null 2>&1; do
		if ! kill -0 "$pid" 2>/dev/null || [ $SECONDS -ge $end ]; then
			tail -n 20 "$engine_run/$name.log" >&2
			die "$name is not ready after at most $ready_seconds s, log above"
		fi
		sleep 0.05
	done
}

is_running() {
	local pid
	pid=$(cat "$engine_run/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

# launch NAME CMD...: in the background, detached from the caller's terminal and pipes.
launch() {
	local name=$1
	shift
	need_programs "$1"
	setsid "$@" >"$engine_run/$name.log" 2>&1 </dev/null &
	echo $! >"$engine_run/$name.pid"
}

start_containerd() {
	printf 'version = 2\n' >"$engine_run/containerd.toml"
	launch containerd containerd --config "$engine_run/containerd.toml" --root "$engine_dir/containerd" \
		--state "$engine_run/containerd" --address "$containerd_socket"
	wait_ready containerd "$(cat "$engine_run/containerd.pid")" ctr -a "$containerd_socket" version
}

# ENGINE_DOCKER_CONFIG or {}. Debian 12's dockerd keeps a key below /etc unless told otherwise; newer ones know
# neither key nor setting.
docker_config() {
	local config=${ENGINE_DOCKER_CONFIG:-"{}"} rest
	case $(dockerd --version) in
	*' 20.'*) rest=${config#\{}
		[ "$rest" = "}" ] || rest=", $rest"
		config="{\"deprecated-key-path\": \"$engine_dir/docker-key.json\"$rest" ;;
	esac
	printf '%s\n' "$config"
}

# dockerd gets the containerd above: one that it starts itself wants an oom_score_adj of -500, for which it needs
# CAP_SYS_RESOURCE.
start_docker() {
	is_running containerd || start_one containerd
	docker_config >"$engine_run/none.json"
	launch docker dockerd --config-file "$engine_run/none.json" --data-root "$engine_dir/docker" \
		--exec-root "$engine_run/docker" --pidfile "$engine_run/dockerd.pid" --host "unix://$docker_socket" \
		--containerd "$containerd_socket" --cgroup-parent "/$engine_group" --group root \
		${ENGINE_DOCKER_NET:---bridge=none --iptables=false --ip6tables=false}
	wait_ready docker "$(cat "$engine_run/docker.pid")" docker --host "unix://$docker_socket" version
}

# podman has no daemon: ready means that its storage is set up.
start_podman() {
	need_programs podman
	cat >"$engine_run/storage.conf" <<-CONF
	[storage]
	driver = "overlay"
	graphroot = "$engine_dir/podman"
	runroot = "$engine_run/podman"
	CONF
	write_containers_conf "$engine_run/containers.conf"
	podman_here info >"$engine_run/podman.log" 2>&1 ||
		{ cat "$engine_run/podman.log" >&2; die "podman is not usable, output above"; }
}

podman_here() {
	CONTAINERS_STORAGE_CONF=$engine_run/storage.conf CONTAINERS_CONF=$engine_run/containers.conf podman "$@"
}

start_one() {
	case $1 in
	containerd|docker|podman) is_running "$1" || "start_$1" ;;
	*) die "no engine '$1': containerd, docker or podman" ;;
	esac
}

# stop_pid PID: TERM, then KILL after 10 seconds.
stop_pid() {
	local tries
	kill -TERM "$1" 2>/dev/null || return 0
	for tries in $(seq 200); do
		[ -d "/proc/$1" ] && [ "$(awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null)" != Z ] || return 0
		sleep 0.05
	done
	kill -KILL "$1" 2>/dev/null || true
}

# Shims and conmons outlive their engine. They are known by our socket or folder in their command line.
helper_pids() {
	local p
	for p in /proc/[0-9]*; do
		case $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) in
		containerd-shim*" $containerd_socket"*|*/containerd-shim*" $containerd_socket"*|*conmon*"$engine_run/podman"*)
			echo "${p#/proc/}" ;;
		esac
	done 2>/dev/null
}

stop_one() {
	local pid
	case $1 in
	podman) if [ -f "$engine_run/storage.conf" ]; then
			podman_here rm -a -f -t 0 >/dev/null 2>&1 || true
		fi ;;
	*) if pid=$(cat "$engine_run/$1.pid" 2>/dev/null); then stop_pid "$pid"; fi
		rm -f "$engine_run/$1.pid" ;;
	esac
}

unmount_below() {
	local m
	awk -v d="$1/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r m; do
		umount -l "$m" || true
	done
}

cmd_stop() {
	local name p
	for name in "$@"; do stop_one "$name"; done
	if is_running containerd || is_running docker; then return; fi
	# The container goes first: a shim that is killed before would leave it behind.
	for p in $(helper_pids); do kill_below "$p"; done
	for p in $(helper_pids); do kill -KILL "$p" 2>/dev/null || true; done
	unmount_below "$engine_run"
	unmount_below "$engine_dir"
	cgroup_remove "$engine_group"
	cgroup_remove_empty libpod_parent
	rm -rf --one-file-system "$engine_run" "$engine_dir"
}

kill_below() {
	local c
	for c in $(cat "/proc/$1/task/"*/children 2>/dev/null); do kill -KILL "$c" 2>/dev/null || true; done
}

cmd_env() {
	printf 'export %s\n' "CONTAINERD_ADDRESS=$containerd_socket" "CONTAINERD_NAMESPACE=$engine_group" \
		"DOCKER_HOST=unix://$docker_socket" "CONTAINERS_STORAGE_CONF=$engine_run/storage.conf" \
		"CONTAINERS_CONF_OVERRIDE=$engine_run/containers.conf" "CONTAINERS_CONF=$engine_run/containers.conf"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
start) need_root; mkdir -p "$engine_dir" "$engine_run"; for name; do start_one "$name"; done ;;
stop) need_root; [ $# -gt 0 ] || set -- podman docker containerd; cmd_stop "$@" ;;
env) cmd_env ;;
pid) cat "$engine_run/$1.pid" ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
