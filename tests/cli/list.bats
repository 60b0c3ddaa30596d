# ps, inspect, version, info, help: what people and scripts read.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

@test "ps: docker's columns" {
	run -0 corten ps
	is "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES"
	background one
	run -0 corten ps
	[[ ${lines[0]} =~ ^CONTAINER\ ID\ +IMAGE\ +COMMAND\ +CREATED\ +STATUS\ +PORTS\ +NAMES$ ]]
	[[ ${lines[1]} =~ ^[0-9a-f]{12}\ +box\ +\"sleep\ 1000\"\ +.*\ ago\ +Up\ .*one$ ]]
	corten rm -f one
}

@test "ps: only running ones, -a all, -q ids, -n and -l the last, --no-trunc" {
	background runs
	corten create --name made --network none box sleep 1000000000000000000
	run -0 corten ps --format '{{.Names}}'
	is runs
	run -0 corten ps -a --format '{{.Names}}'
	is $'made\nruns'
	run -0 corten ps -q
	[[ $output =~ ^[0-9a-f]{12}$ ]]
	run -0 corten ps -q --no-trunc
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	run -0 corten ps -l --format '{{.Names}}'
	is made
	run -0 corten ps -n 2 -q
	[ ${#lines[@]} -eq 2 ]
	run -0 corten ps -a --filter name=made --format '{{.Command}}'
	is '"sleep 1000000000000…"'
	run -0 corten ps -a --no-trunc --filter name=made --format '{{.Command}}'
	is '"sleep 1000000000000000000"'
	corten rm -f runs made
}

@test "ps --filter: name, status, exited, label, ancestor, id; unknown ones are refused" {
	local id
	id=$(background runs --label tier=web box sleep 1000)
	corten create --name made --label tier=db --network none box:entry
	corten run --network none --name ended box sh -c 'exit 3' || true
	filtered() { corten ps -a --format '{{.Names}}' "$@" | sort | tr '\n' ' '; }
	[ "$(filtered -f name=run)" = "runs " ]
	[ "$(filtered -f 'name=^/made$')" = "made " ]
	[ "$(filtered -f status=exited)" = "ended " ]
	[ "$(filtered -f status=created -f status=running)" = "made runs " ]
	[ "$(filtered -f exited=3)" = "ended " ]
	[ "$(filtered -f exited=0)" = "" ]
	[ "$(filtered -f label=tier)" = "made runs " ]
	[ "$(filtered -f label=tier=db)" = "made " ]
	[ "$(filtered -f ancestor=box:entry)" = "made " ]
	[ "$(filtered -f "id=${id:0:8}")" = "runs " ]
	run -1 corten ps -f colour=blue
	says "invalid filter 'colour=blue'"
	corten rm -f runs made ended
}

@test "ps --format: table, json, templates" {
	background one --label k=v box sleep 1000
	run -0 corten ps --format 'table {{.Names}}\t{{.State}}'
	is $'NAMES     STATE\none       running'
	run -0 corten ps --format json
	[ "$(jq -r '.Names + .State + .Labels' <<<"$output")" = "onerunningk=v" ]
	run -0 corten ps --format '{{json .Names}} {{.Image}}'
	is '"one" box'
	run -1 corten ps --format '{{.Nothing}}'
	run -1 corten ps --format '{{if .ID}}x{{end}}'
	says "not supported"
	corten rm -f one
}

@test "ps: states from created to exited" {
	corten create --name four --network none box sh -c 'exit 4'
	run -0 corten ps -a --format '{{.State}} {{.Status}}'
	is "created Created"
	corten start -a four || true
	run -0 corten ps -a --format '{{.State}} {{.Status}}'
	[[ $output =~ ^exited\ Exited\ \(4\)\ .*\ ago$ ]]
	corten rm four
}

@test "inspect: an array of objects as docker's" {
	background seen -e A=1 -v "$INSTANCE:/data:ro" --memory 64m --cpus 0.5 -w /tmp -u app --hostname h box sleep 1000
	corten inspect seen >"$INSTANCE/json"
	check() {
		[ "$(jq -r "$1" "$INSTANCE/json")" = "$2" ] && return
		echo "$1 is $(jq -r "$1" "$INSTANCE/json"), not $2"
		return 1
	}
	check 'length' 1
	check '.[0].Name' /seen
	check '.[0].Path' sleep
	check '.[0].Args[0]' 1000
	check '.[0].State.Status' running
	check '.[0].State.Running' true
	check '.[0].State.FinishedAt' 0001-01-01T00:00:00Z
	check '.[0].Config.Image' box
	check '.[0].Config.User' app
	check '.[0].Config.WorkingDir' /tmp
	check '.[0].Config.Hostname' h
	check '.[0].Config.Cmd | join(" ")' "sleep 1000"
	check '.[0].HostConfig.Memory' 67108864
	check '.[0].HostConfig.NanoCpus' 500000000
	check '.[0].HostConfig.NetworkMode' none
	check '.[0].HostConfig.PidsLimit' 2048
	check '.[0].Mounts[0].Destination' /data
	check '.[0].Mounts[0].RW' false
	check '.[0].Config.Env | index("A=1") != null' true
	[ -d "/proc/$(jq '.[0].State.Pid' "$INSTANCE/json")" ]
	[[ $(jq -r '.[0].State.StartedAt' "$INSTANCE/json") =~ ^20..-..-..T..:..:...*Z$ ]]
	[ -f "$(jq -r '.[0].LogPath' "$INSTANCE/json")" ]
	corten rm -f seen
}

@test "inspect -f, --type, several, and what is not there" {
	corten create --name aa --network none box
	run -0 corten inspect -f '{{.Name}} {{.State.Status}}' aa
	is "/aa created"
	run -1 corten inspect nothing
	says "[]"
	says "No such object: nothing"
	run -1 corten inspect --type container box
	says "No such container: box"
	run -0 corten inspect --type image -f '{{.Os}}' box
	is linux
	run -0 corten inspect -f '{{json .Config.Cmd}} {{len .Config.Env}} {{index .Config.Labels "none"}}' aa
	is '["sh"] 3 '
	corten rm aa
}

@test "version and info" {
	run -0 corten version
	says "Version:"
	says "OS/Arch:           linux/"
	run -0 corten --version
	[[ $output =~ ^corten\ version\ [0-9.]+ ]]
	background one
	corten create --name two --network none box
	run -0 corten info
	says "Containers: 2"
	says " Running: 1"
	says " Stopped: 1"
	says "Images: 2"
	says "Root Dir: $CORTEN_ROOT"
	says "Cgroup Mode: "
	corten rm -f one two
}

@test "help: the list, and one for each command from its rows" {
	run -0 corten
	says "Usage:  corten [OPTIONS] COMMAND"
	run -0 corten --help
	local all=$output name
	run -0 corten system --help
	# What other programs of ours call is not for people.
	[[ $output != *task-exited* && $output == *"  df  "* ]]
	for name in run create start stop kill rm ps logs exec wait inspect images rmi version info load; do
		[[ $all == *"  $name  "* ]]
		run -0 corten "$name" --help
		[[ ${lines[0]} == "Usage:  corten $name"* ]]
	done
	run -0 corten run --help
	[[ $output =~ -m,\ --memory\ bytes\ +Memory\ limit ]]
	[[ $output =~ -v,\ --volume\ list\ +Bind\ mount\ a\ volume ]]
	[[ $output != *cpu-shares* ]]
	run -0 corten exec --help
	says "--workdir string"
}
