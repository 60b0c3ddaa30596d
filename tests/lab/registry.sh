#!/bin/bash
# Debian's docker-registry on loopback, with a port and a storage folder of its own.
#   registry.sh start    prints the address once it answers (again the same if it already runs)
#   registry.sh stop     ends it by pid and removes its storage
#   registry.sh url | host
# Works in the lab and on the host; a host without docker-registry borrows the lab's program (the lab then shares the
# host's network). CORTEN_REGISTRY_DIR names the folder, so that several run side by side; CORTEN_REGISTRY_HTPASSWD a file
# of users (bcrypt), without whom nobody gets anything.
set -eu
. "$(dirname "$0")/lib.sh"

if [ -n "${CORTEN_IN_LAB:-}" ]; then default_dir=/lab/registry; else default_dir=$lab_dir/registry; fi
dir=${CORTEN_REGISTRY_DIR:-$default_dir}
ready_seconds=20
port_tries=3

is_running() { [ -f "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

write_config() {
	cat >"$dir/config.yml" <<-YML
	version: 0.1
	log: {level: warn}
	storage:
	  filesystem: {rootdirectory: $2/data}
	  delete: {enabled: true}
	http: {addr: "127.0.0.1:$1"}
	YML
	[ -z "${CORTEN_REGISTRY_HTPASSWD:-}" ] ||
		printf 'auth: {htpasswd: {realm: test, path: %s}}\n' "$CORTEN_REGISTRY_HTPASSWD" >>"$dir/config.yml"
}

# answers PORT: whether the registry's API root says 200, or 401 where it asks for a user.
answers() {
	local line
	exec 7<>"/dev/tcp/127.0.0.1/$1" || return
	printf 'GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n' >&7
	read -r -t 5 line <&7 || line=''
	exec 7>&-
	case $line in *' 200 '* | *' 401 '*) return 0 ;; esac
	return 1
} 2>/dev/null

# try_start: one port, one attempt; fails when the process ends before it answers.
try_start() {
	local port inside=$dir end=$((SECONDS + ready_seconds)) cmd=(docker-registry)
	port=$(free_port)
	if ! command -v docker-registry >/dev/null; then
		inside=/lab/registry
		cmd=("$lab_here/sid.sh" run --net host -b "$dir:$inside" -- docker-registry)
	fi
	write_config "$port" "$inside"
	OTEL_TRACES_EXPORTER=none setsid "${cmd[@]}" serve "$inside/config.yml" >"$dir/log" 2>&1 </dev/null &
	echo $! >"$dir/pid"
	echo "$port" >"$dir/port"
	until answers "$port"; do
		is_running && [ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

cmd_start() {
	local n
	mkdir -p "$dir/data"
	if ! is_running; then
		for n in $(seq $port_tries); do
			if try_start; then cmd_url; return; fi
			stop_process
		done
		cat "$dir/log" >&2
		die "docker-registry does not start, log above"
	fi
	cmd_url
}

stop_process() {
	local pid n
	pid=$(cat "$dir/pid" 2>/dev/null) || return 0
	kill -TERM "$pid" 2>/dev/null || return 0
	for n in $(seq 200); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.05
	done
	kill -KILL "$pid" 2>/dev/null || true
}

cmd_stop() {
	stop_process
	rm -rf --one-file-system "$dir"
}

cmd_url() {
	is_running || die "no registry runs in $dir: '$0 start'"
	printf 'http://127.0.0.1:%s\n' "$(cat "$dir/port")"
}

cmd_host() {
	is_running || die "no registry runs in $dir: '$0 start'"
	printf '127.0.0.1:%s\n' "$(cat "$dir/port")"
}

case ${1:-} in
start|stop|url|host) "cmd_$1" ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
