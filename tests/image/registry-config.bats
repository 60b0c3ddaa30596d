# How Corten finds registries and credentials: hosts.toml folders, certificates, proxies, docker's and podman's files,
# credential helpers, login and logout. Registries: registry.py, and Debian's docker-registry with users.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load archives

setup() {
	instance_setup
	PIDS=()
	export HOME=$INSTANCE/home DOCKER_CONFIG=$INSTANCE/docker CORTEN_HOSTS_DIR=$INSTANCE/hosts
	export XDG_RUNTIME_DIR=$INSTANCE/run XDG_CONFIG_HOME=$INSTANCE/home/.config
	unset REGISTRY_AUTH_FILE HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
	mkdir -p "$HOME" "$DOCKER_CONFIG" "$CORTEN_HOSTS_DIR" "$XDG_RUNTIME_DIR" "$INSTANCE/bin"
	PATH=$INSTANCE/bin:$PATH
	serve registry up
	HOST=127.0.0.1:$PORT
}

teardown() {
	local pid
	for pid in "${PIDS[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	[ ! -d "$INSTANCE/registry" ] ||
		CORTEN_REGISTRY_DIR=$INSTANCE/registry "$BATS_TEST_DIRNAME/../lab/registry.sh" stop || true
	instance_teardown
}

# serve PROGRAM NAME [OPTION...]: starts PROGRAM.py, whose log is NAME.log; sets PORT.
serve() {
	local program=$1 name=$2
	shift 2
	: >"$INSTANCE/$name.log"
	"$PYTHON" "$BATS_TEST_DIRNAME/$program.py" "$INSTANCE/$name.log" "$@" >"$INSTANCE/$name.port" \
		2>"$INSTANCE/$name.err" 3>&- &
	PIDS+=($!)
	until [ -s "$INSTANCE/$name.port" ]; do
		kill -0 "${PIDS[-1]}" || { cat "$INSTANCE/$name.err"; return 1; }
		read -r -t 0.02 <> <(:) || true
	done
	PORT=$(cat "$INSTANCE/$name.port")
}

# hosts HOST <text: its hosts.toml
hosts() {
	local dir=$CORTEN_HOSTS_DIR/$1
	case $1 in *:*) dir=$CORTEN_HOSTS_DIR/${1%:*}_${1##*:}_ ;; esac
	mkdir -p "$dir"
	cat >"$dir/hosts.toml"
}

pull() { timeout 60 "$CORTEN" pull "$@"; }
auth() { printf '%s' "$1" | base64; }
asked() { grep -c -- "$2" "$INSTANCE/$1.log" || true; }

# helper NAME: a credential helper that keeps what it is told in files of its own, and notes each call.
helper() {
	cat >"$INSTANCE/bin/docker-credential-$1" <<-SH
	#!/bin/sh
	dir=$INSTANCE/keys; mkdir -p \$dir; echo "\$1" >>$INSTANCE/helper.log; echo noise >&2
	case \$1 in
	store) cat >\$dir/new; mv \$dir/new \$dir/\$(sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' \$dir/new | tr / _) ;;
	get) key=\$(tr / _); [ -f \$dir/\$key ] && exec cat \$dir/\$key; echo "credentials not found in native keychain"; exit 1 ;;
	erase) rm -f \$dir/\$(tr / _) ;;
	esac
	SH
	chmod 755 "$INSTANCE/bin/docker-credential-$1"
}

certificates() {
	command -v openssl >/dev/null || skip "needs openssl"
	cd "$INSTANCE"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
		-keyout ca.key -out ca.crt 2>/dev/null
	local name
	for name in server client; do
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -keyout $name.key \
			-out $name.csr 2>/dev/null
		openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out $name.crt \
			-extfile <(echo subjectAltName=DNS:registry.test) 2>/dev/null
	done
}

@test "a mirror is asked first, as a mirror, and the registry not at all" {
	serve registry mirror
	hosts "$HOST" <<-TOML
	[host."http://127.0.0.1:$PORT"]
	capabilities = ["pull", "resolve"]
	[host."http://127.0.0.1:$PORT".header]
	X-Test = "from-hosts-toml"
	TOML
	run -0 pull "$HOST/plain"
	[ "${lines[-1]}" = "$HOST/plain:latest" ]
	[ ! -s "$INSTANCE/up.log" ]
	[ "$(asked mirror "latest?ns=127.0.0.1%3A${HOST##*:} .* from-hosts-toml$")" = 1 ]
	[ "$(asked mirror 'from-hosts-toml$')" = "$(wc -l <"$INSTANCE/mirror.log")" ]
}

@test "the next endpoint after 404, 5xx and no connection" {
	local answer
	for answer in 404 503 500; do
		serve registry "mirror$answer" --status $answer
		hosts "$HOST" <<<"[host.\"http://127.0.0.1:$PORT\"]"
		run -0 pull "$HOST/plain"
		[ "$(asked "mirror$answer" manifests/latest)" = 1 ]
		"$CORTEN" rmi -f "$HOST/plain"
	done
	# Nobody listens there; it is tried once and not before every request.
	hosts "$HOST" <<<'[host."http://127.0.0.1:1"]'
	run -0 pull "$HOST/plain"
}

@test "a mirror that breaks off is taken over in the midst of a blob" {
	serve registry mirror
	hosts "$HOST" <<<"[host.\"http://127.0.0.1:$PORT\"]"
	# The mirror sends half of the layer and denies the rest; the registry has it whole.
	touch "$INSTANCE/up.log.go"
	run -0 pull "$HOST/once"
	[ "$(asked mirror 'bytes=1572864-')" = 1 ]
	[ "$(asked up 'bytes=1572864-')" = 1 ]
	[ "$(find "$CORTEN_ROOT/snapshots" -name noise -exec stat -c %s {} +)" = 3145728 ]
}

@test "when none has it, the error says what each answered" {
	serve registry mirror --status 503
	hosts "$HOST" <<<"[host.\"http://127.0.0.1:$PORT\"]"
	run -1 pull "$HOST/plain:none"
	[[ $output == *"the registry 127.0.0.1:$PORT is not available (503)"* ]]
	[[ $output == *"the registry $HOST does not have it (404: manifest unknown)"* ]]
}

@test "a mirror without 'resolve' gets no tags, one without 'pull' nothing" {
	serve registry mirror
	hosts "$HOST" <<<"[host.\"http://127.0.0.1:$PORT\"]
capabilities = [\"pull\"]"
	run -0 pull "$HOST/plain"
	[ "$(asked mirror manifests/latest)" = 0 ]
	[ "$(asked up manifests/latest)" = 1 ]
	[ "$(asked mirror blobs)" -ge 1 ]
	[ "$(asked up blobs)" = 0 ]
	hosts "$HOST" <<<"server = \"http://$HOST\"
capabilities = [\"push\"]"
	run -1 "$CORTEN" image resolve "$HOST/plain"
	[[ $output == *"no endpoint of $HOST has the capability 'resolve'"* ]]
}

@test "credentials of the registry are not the mirror's" {
	serve registry mirror
	local mirror=127.0.0.1:$PORT
	hosts "$HOST" <<<"[host.\"http://$mirror\"]"
	echo "{\"auths\":{\"$HOST\":{\"auth\":\"$(auth user:secret)\"}}}" >"$DOCKER_CONFIG/config.json"
	run -0 pull "$HOST/basic"
	[ "$(asked mirror Basic)" = 0 ]
	[ "$(asked up Basic)" -ge 1 ]
	"$CORTEN" rmi -f "$HOST/basic"
	: >"$INSTANCE/up.log"
	echo "{\"auths\":{\"$mirror\":{\"auth\":\"$(auth user:secret)\"}}}" >"$DOCKER_CONFIG/config.json"
	run -0 pull "$HOST/basic"
	[ ! -s "$INSTANCE/up.log" ]
}

@test "podman's file comes before docker's, and the longest key counts" {
	mkdir -p "$XDG_RUNTIME_DIR/containers"
	echo "{\"auths\":{\"$HOST\":{\"auth\":\"$(auth other:wrong)\"}}}" >"$DOCKER_CONFIG/config.json"
	echo "{\"auths\":{\"$HOST\":{\"auth\":\"$(auth other:wrong)\"},\"$HOST/basic\":{\"auth\":\"$(auth user:secret)\"}}}" \
		>"$XDG_RUNTIME_DIR/containers/auth.json"
	run -0 pull "$HOST/basic"
	run -1 pull "$HOST/login"
	REGISTRY_AUTH_FILE=$INSTANCE/own.json
	export REGISTRY_AUTH_FILE
	echo "{\"auths\":{\"$HOST\":{\"auth\":\"$(auth user:secret)\"}}}" >"$REGISTRY_AUTH_FILE"
	run -0 pull "$HOST/login"
}

@test "a token is asked for once by each connection" {
	echo "{\"auths\":{\"$HOST\":{\"auth\":\"$(auth user:secret)\"}}}" >"$DOCKER_CONFIG/config.json"
	run -0 pull "$HOST/login"
	# Index, manifest and config by one fetcher, and at most three fetchers for the layers.
	[ "$(asked up '/token')" -le 3 ]
	[ "$(asked up '/v2/.* - -$')" = "$(asked up '/token')" ]
}

@test "login, logout and pull by a credential helper" {
	helper test
	echo "{\"credHelpers\":{\"$HOST\":\"test\"},\"other\":{\"kept\":  1}}" >"$DOCKER_CONFIG/config.json"
	run -0 --separate-stderr "$CORTEN" login -u user --password-stdin "$HOST" <<<secret
	[ "$output" = "Login Succeeded" ]
	[[ $stderr != *unencrypted* ]]
	grep -q '"Secret":"secret"' "$INSTANCE/keys/$HOST"
	! grep -q "$(auth user:secret)" "$DOCKER_CONFIG/config.json"
	grep -q '"other": {"kept":  1}' "$DOCKER_CONFIG/config.json"
	run -0 --separate-stderr pull "$HOST/basic"
	run -0 "$CORTEN" logout "$HOST"
	[[ $output == *"Removing login credentials for $HOST"* ]]
	[ ! -e "$INSTANCE/keys/$HOST" ]
	run -1 pull "$HOST/basic:other"
	[ "$(sort -u "$INSTANCE/helper.log" | tr '\n' ' ')" = "erase get store " ]
}

@test "login: refused ones are not kept, -p warns, arguments are checked" {
	run -1 "$CORTEN" login -u user -p wrong "$HOST"
	[[ $output == *"WARNING! Using --password via the CLI is insecure. Use --password-stdin."* ]]
	[[ $output == *"the registry $HOST refuses the credentials"* ]]
	[ ! -e "$DOCKER_CONFIG/config.json" ]
	run -1 "$CORTEN" login -u user -p x --password-stdin "$HOST" <<<x
	[[ $output == *"--password and --password-stdin are mutually exclusive"* ]]
	run -1 "$CORTEN" login --password-stdin "$HOST" <<<x
	[[ $output == *"must provide --username with --password-stdin"* ]]
	run -1 "$CORTEN" login "$HOST" </dev/null
	[[ $output == *"cannot perform an interactive login from a non TTY device"* ]]
	run -0 "$CORTEN" logout "$HOST"
	[ "$output" = "Not logged in to $HOST" ]
}

@test "docker-registry with users: login, what skopeo and podman then read, and theirs for us" {
	command -v skopeo >/dev/null && command -v docker-registry >/dev/null || skip "needs skopeo and docker-registry"
	local lab=$BATS_TEST_DIRNAME/../lab/registry.sh host digest
	export CORTEN_REGISTRY_DIR=$INSTANCE/registry CORTEN_REGISTRY_HTPASSWD=$INSTANCE/htpasswd
	"$PYTHON" -W ignore -c 'import crypt; print("user:" + crypt.crypt("pa:ss", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))' \
		>"$CORTEN_REGISTRY_HTPASSWD" || skip "needs Python's crypt"
	archives_make
	"$lab" start 3>&-
	host=$("$lab" host)
	run -1 "$CORTEN" login -u user -p no "$host"
	run -0 --separate-stderr "$CORTEN" login -u user --password-stdin "$host" <<<"pa:ss"
	[[ $output == "Login Succeeded" ]]
	[[ $stderr == "WARNING! Your password will be stored unencrypted in $DOCKER_CONFIG/config.json."* ]]
	[ "$(stat -c %a "$DOCKER_CONFIG/config.json")" = 600 ]
	skopeo copy -q --dest-authfile "$DOCKER_CONFIG/config.json" --dest-tls-verify=false \
		"oci-archive:$ARCHIVES/good-gzip.tar" "docker://$host/a/gzip:1"
	digest=$(skopeo inspect --authfile "$DOCKER_CONFIG/config.json" --tls-verify=false --format '{{.Digest}}' "docker://$host/a/gzip:1")
	run -0 "$CORTEN" image resolve "$host/a/gzip:1"
	[ "$output" = "$digest" ]
	run -0 pull "$host/a/gzip:1"
	# Tried before anything is asked for.
	run -0 "$CORTEN" login "$host" </dev/null
	[[ $output == "Authenticating with existing credentials..."*"Login Succeeded" ]]
	run -0 "$CORTEN" logout "$host"
	run -1 "$CORTEN" image resolve "$host/a/gzip:1"
	[[ $output == *"asks for credentials, and there are none"* ]]
	# skopeo's own login is ours.
	skopeo login --tls-verify=false --authfile "$XDG_CONFIG_HOME/containers/auth.json" -u user -p pa:ss "$host"
	run -0 "$CORTEN" image resolve "$host/a/gzip:1"
	[ "$output" = "$digest" ]
}

@test "a proxy for http, with credentials in its URL, and NO_PROXY" {
	serve proxy proxy --to "${HOST##*:}" --auth proxy:pass
	hosts registry.test <<<'server = "http://registry.test"'
	export HTTP_PROXY=http://proxy:pass@127.0.0.1:$PORT
	run -0 pull registry.test/plain
	[ "$(asked proxy 'GET http://registry.test/v2/plain/manifests/latest Basic')" = 1 ]
	# Loopback is never proxied.
	: >"$INSTANCE/proxy.log"
	run -0 pull "$HOST/plain"
	[ ! -s "$INSTANCE/proxy.log" ]
	# Without it the name would have to be reached by itself; nobody is there.
	hosts 192.0.2.1 <<<'server = "http://192.0.2.1"
dial_timeout = "200ms"'
	export NO_PROXY=example.org,192.0.2.0/24
	run -1 pull 192.0.2.1/plain
	[ ! -s "$INSTANCE/proxy.log" ]
	unset NO_PROXY
	run -0 pull 192.0.2.1/plain
	http_proxy=$HTTP_PROXY HTTP_PROXY='' run -0 "$CORTEN" image resolve registry.test/plain
	HTTP_PROXY=http://proxy:wrong@127.0.0.1:$PORT run -1 "$CORTEN" image resolve registry.test/plain
	[[ $output == *"is behind a proxy that asks for credentials (407"* ]]
	HTTP_PROXY=http://proxy:wrong@127.0.0.1:1 run -1 "$CORTEN" image resolve registry.test/plain
	[[ $output == *"no connection to the proxy http://…@127.0.0.1:1 on the way to registry.test"* ]]
}

@test "a proxy for https tunnels, and the registry's certificate is checked behind it" {
	certificates
	serve registry tls --tls server.crt server.key
	serve proxy proxy --to "$PORT" --auth p:w
	mkdir -p "$CORTEN_HOSTS_DIR/registry.test"
	export HTTPS_PROXY=127.0.0.1:$PORT
	run -1 "$CORTEN" image resolve registry.test/plain
	[[ $output == *"the proxy 127.0.0.1:$PORT on the way to registry.test asks for credentials (407)"* ]]
	export HTTPS_PROXY=p:w@127.0.0.1:$PORT
	run -1 "$CORTEN" image resolve registry.test/plain
	[[ $output == *"TLS with the registry registry.test"* ]]
	cp ca.crt "$CORTEN_HOSTS_DIR/registry.test/"
	run -0 pull registry.test/plain
	[ "$(asked proxy '^CONNECT registry.test:443 Basic')" -ge 1 ]
}

@test "skip_verify, a client's certificate, and what they are not for" {
	certificates
	serve registry tls --tls server.crt server.key --client-ca ca.crt
	local host=127.0.0.1:$PORT dir=$CORTEN_HOSTS_DIR/127.0.0.1_${PORT}_
	hosts "$host" <<<"server = \"https://$host\""
	run -1 "$CORTEN" image resolve "$host/plain"
	[[ $output == *"TLS with the registry $host"* ]]
	# Its certificate is for another name.
	hosts "$host" <<<'ca = "../../ca.crt"
client = [["../../client.crt", "../../client.key"]]'
	run -1 "$CORTEN" image resolve "$host/plain"
	hosts "$host" <<<'skip_verify = true'
	run -1 "$CORTEN" image resolve "$host/plain"
	hosts "$host" <<<'skip_verify = true
client = [["../../client.crt", "../../client.key"]]'
	run -0 pull "$host/plain"
	# As docker names them, in one folder.
	rm "$dir/hosts.toml"
	cp client.crt "$dir/client.cert"
	cp client.key "$dir/client.key"
	serve proxy proxy --to "$PORT"
	cp -r "$dir" "$CORTEN_HOSTS_DIR/registry.test"
	cp ca.crt "$CORTEN_HOSTS_DIR/registry.test/"
	HTTPS_PROXY=127.0.0.1:$PORT run -0 "$CORTEN" image resolve registry.test/plain
}

@test "resolve --explain names files, hosts and sources, and no secret" {
	hosts "$HOST" <<<'[host."https://mirror.test:5000"]
capabilities = ["pull"]'
	helper test
	echo "{\"credHelpers\":{\"mirror.test:5000\":\"test\"},\"auths\":{\"$HOST\":{\"auth\":\"$(auth user:secret)\"}}}" \
		>"$DOCKER_CONFIG/config.json"
	HTTPS_PROXY=http://u:proxysecret@proxy.test:3128 run -0 --separate-stderr "$CORTEN" image resolve --explain "$HOST/plain"
	[ "${lines[0]}" = "$HOST/plain is $HOST/plain:latest" ]
	[[ $output == *"$CORTEN_HOSTS_DIR/127.0.0.1_${HOST##*:}_/hosts.toml: taken"* ]]
	[[ $output == *"$DOCKER_CONFIG/config.json: docker-credential-test has nothing for 'mirror.test:5000'"* ]]
	[[ $output == *"$DOCKER_CONFIG/config.json: the entry '$HOST' is taken"* ]]
	[[ $output == *"$XDG_RUNTIME_DIR/containers/auth.json: not there"* ]]
	[[ $output == *"1. https://mirror.test:5000/v2"*"capabilities: pull"*"credentials: none"*"mirror of: $HOST"* ]]
	[[ $output == *"proxy: http://…@proxy.test:3128"*"2. http://$HOST/v2"*"credentials: user and password"* ]]
	[[ $output != *secret* && $output != *"$(auth user:secret)"* ]]
	# Nobody was asked.
	[ ! -s "$INSTANCE/up.log" ]
}

@test "a wrong hosts.toml is an error that names file and line" {
	hosts "$HOST" <<<'[host."https://mirror.test"]
capabilities = ["fly"]'
	run -1 pull "$HOST/plain"
	[[ $output == *"/hosts.toml': line 2: unknown capability 'fly'"* ]]
	hosts "$HOST" <<<'server = "https://a'
	run -1 pull "$HOST/plain"
	[[ $output == *"/hosts.toml': line 1: a string does not end"* ]]
}
