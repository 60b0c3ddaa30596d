# The policy: which images may be used, by signatures made with openssl and with skopeo, and by verifiers.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load archives
TOP=$BATS_TEST_DIRNAME/../..

setup_file() {
	local kind
	command -v skopeo >/dev/null && command -v docker-registry >/dev/null && command -v openssl >/dev/null || return 0
	export TRUST=$BATS_FILE_TMPDIR CORTEN_REGISTRY_DIR=$BATS_FILE_TMPDIR/registry
	mkdir "$TRUST/keys"
	archives_make
	"$TOP/tests/lab/registry.sh" start 3>&- >/dev/null
	HOST=$("$TOP/tests/lab/registry.sh" host)
	export HOST
	for kind in p256 p384 p521 ed25519 rsa rsa1024; do
		"$PYTHON" "$BATS_TEST_DIRNAME/sign.py" key $kind "$TRUST/keys/$kind"
	done
	"$PYTHON" "$BATS_TEST_DIRNAME/sign.py" key p256 "$TRUST/keys/other"
}

teardown_file() { [ -z "${TRUST:-}" ] || "$TOP/tests/lab/registry.sh" stop; }

setup() {
	[ -n "${TRUST:-}" ] || skip "needs skopeo, docker-registry and openssl"
	instance_setup
	export CORTEN_POLICY=$INSTANCE/policy.json
	# A repository for each case: signatures hang on digests, and the image is the same.
	REPO=t$BATS_TEST_NUMBER/image
	IMAGE=$HOST/$REPO:1
}
teardown() { [ -z "${TRUST:-}" ] || instance_teardown; }

fresh() { # NAME: another repository, with the image pushed
	REPO=t$BATS_TEST_NUMBER/$1 IMAGE=$HOST/t$BATS_TEST_NUMBER/$1:1
	push
}
push() { skopeo copy -q --dest-tls-verify=false "oci-archive:$ARCHIVES/good-gzip.tar" "docker://${1:-$IMAGE}"; }
sign() { # tag|bundle KEY [OPTION...]
	"$PYTHON" "$BATS_TEST_DIRNAME/sign.py" "$1" "$HOST" "$REPO" "${TAG:-1}" "$TRUST/keys/$2" "${@:3}"
}
policy() { # REQUIREMENT[,REQUIREMENT] for this case's repository; everything else is rejected
	printf '{"default":[{"type":"reject"}],"transports":{"docker":{"%s/t%s":[%s]}}}' "$HOST" "$BATS_TEST_NUMBER" "$1" \
		>"$CORTEN_POLICY"
}
signed_by() { # KEY [IDENTITY]
	printf '{"type":"sigstoreSigned","keyPath":"%s","signedIdentity":{"type":"%s"}}' "$TRUST/keys/$1.pub" \
		"${2:-matchRepository}"
}
pull() { timeout 60 "$CORTEN" pull "$@"; }
create() { "$CORTEN" create --pull never "$IMAGE" true; }

# refused WORDS: no layer was fetched, and nothing is left.
refused() {
	run -1 pull "$IMAGE"
	[[ $output == *"$1"* ]] || {
		printf 'expected: %s\ngot: %s\n' "$1" "$output"
		return 1
	}
	[[ $output != *"Pull complete"* ]]
	[ -z "$("$CORTEN" images -q)" ]
	[ -z "$(find "$CORTEN_ROOT/blobs" -type f)" ]
}

accepted() {
	run -0 pull "$IMAGE"
	run -0 create
	run -0 "$CORTEN" image verify "$IMAGE"
	[[ $output == *"$1"* ]] || {
		printf 'expected: %s\ngot: %s\n' "$1" "$output"
		return 1
	}
}

@test "without a policy everything is accepted, at the cost of one failed open" {
	unset CORTEN_POLICY
	[ ! -e /etc/corten/policy.json ] || skip "this machine has a policy"
	command -v strace >/dev/null || skip "needs strace"
	push
	pull -q "$IMAGE"
	run -0 strace -o "$INSTANCE/trace" -e trace=open,openat,openat2 "$CORTEN" create --pull never "$IMAGE" true
	[ "$(grep -c policy.json "$INSTANCE/trace")" = 1 ]
	grep -q 'policy.json.*ENOENT' "$INSTANCE/trace"
	run -0 "$CORTEN" image verify "$IMAGE"
	[[ $output == *"there is no policy"* ]]
}

@test "what the policy rejects is not even asked for" {
	printf '{"default":[{"type":"reject"}]}' >"$CORTEN_POLICY"
	run -1 pull 127.0.0.1:1/a
	[[ $output == *"Source image rejected: the policy rejects it"* ]]
}

@test "GPG, Fulcio and Rekor are named, not passed over" {
	policy '{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}'
	refused "signatures by GPG ('signedBy'), which is not supported"
	policy '{"type":"sigstoreSigned","fulcio":{"caPath":"/k"},"rekorPublicKeyPath":"/r"}'
	refused "Fulcio (sigstoreSigned with 'fulcio'), which is not supported"
	policy '{"type":"sigstoreSigned","keyPath":"/k","rekorPublicKeyPath":"/r"}'
	refused "Rekor"
}

@test "a policy that is wrong, missing or anybody's is an error" {
	rm -f "$CORTEN_POLICY"
	refused "policy.json"
	policy '{"type":"sigstoreSigned","keypath":"/k"}'
	refused "unknown key"
	policy '{"type":"insecureAcceptAnything"}'
	chmod 666 "$CORTEN_POLICY"
	refused "must belong to root"
}

@test "cosign's tag: ECDSA, Ed25519 and RSA keys" {
	local kind
	push
	for kind in p256 p384 ed25519 rsa; do
		sign tag $kind
		policy "$(signed_by $kind)"
		accepted "key '$TRUST/keys/$kind.pub'"
		[[ $output != *Error* ]]
	done
	sign tag p384 hash=sha384
}

@test "keys that are not strong or not known are errors" {
	push
	sign tag p256
	policy "$(signed_by rsa1024)"
	refused "an RSA key of 1024 bits"
	policy "$(signed_by p521)"
	refused "is not supported"
	policy "$(signed_by missing)"
	refused "missing.pub"
	cp "$TRUST/keys/p256.pub" "$INSTANCE/open.pub"
	chmod 666 "$INSTANCE/open.pub"
	policy "{\"type\":\"sigstoreSigned\",\"keyPath\":\"$INSTANCE/open.pub\"}"
	refused "must belong to root"
}

@test "one key of several, by path and by data" {
	push
	sign tag p256
	policy "{\"type\":\"sigstoreSigned\",\"keyPaths\":[\"$TRUST/keys/rsa.pub\",\"$TRUST/keys/p256.pub\"],\"signedIdentity\":{\"type\":\"matchRepository\"}}"
	accepted "key '$TRUST/keys/p256.pub'"
	policy "{\"type\":\"sigstoreSigned\",\"keyData\":\"$(base64 -w0 "$TRUST/keys/p256.pub")\",\"signedIdentity\":{\"type\":\"matchRepository\"}}"
	accepted "key 'keyData 1'"
}

@test "what is not signed, or signed otherwise, is refused before a layer is fetched" {
	push
	policy "$(signed_by p256)"
	refused "A signature was required, but no signature exists"
	sign tag other
	refused "it is not by the key"
	sign tag p256 tamper=payload
	refused "it is not by the key"
	sign tag p256 tamper=signature
	refused "it is not by the key"
	sign tag p256 digest=sha256:$(printf '0%.0s' {1..64})
	refused "it is the signature of sha256:0000"
	sign tag p256 reference=registry.test/other
	refused "it is a signature for 'registry.test/other'"
	fresh payloads
	sign tag p256 type="atomic container signature"
	refused "the signature is a 'atomic container signature'"
	sign tag p256 extra=expires
	refused "unknown key"
	# One good one among them is enough.
	sign tag p256
	accepted "(ECDSA P-256 with SHA-256)"
}

@test "identities: the tag, the repository, another one's" {
	push
	sign tag p256
	policy "$(signed_by p256 matchRepoDigestOrExact)"
	refused "which is not '$IMAGE' (matchRepoDigestOrExact)"
	policy "$(signed_by p256 matchDigest)"
	accepted matchDigest
	policy "{\"type\":\"sigstoreSigned\",\"keyPath\":\"$TRUST/keys/p256.pub\",\"signedIdentity\":{\"type\":\"exactRepository\",\"dockerRepository\":\"registry.test/a\"}}"
	run -125 create
	sign tag p256 reference=registry.test/a
	accepted "of 'registry.test/a' (exactRepository)"
	policy "{\"type\":\"sigstoreSigned\",\"keyPath\":\"$TRUST/keys/p256.pub\",\"signedIdentity\":{\"type\":\"remapIdentity\",\"prefix\":\"$HOST\",\"signedPrefix\":\"registry.test\"}}"
	run -125 create
	sign tag p256 "reference=registry.test/$REPO:1"
	accepted "remapIdentity"
}

@test "skopeo signs, Corten verifies; openssl signs, skopeo and Corten agree" {
	local attach=$INSTANCE/registries.d
	! strings "$(command -v skopeo)" | grep -q 'Debian-local change: sigstore disabled' || skip "this skopeo has no sigstore"
	mkdir "$attach"
	printf 'default-docker:\n  use-sigstore-attachments: true\n' >"$attach/default.yaml"
	"$PYTHON" "$BATS_TEST_DIRNAME/sign.py" cosign-key "$TRUST/keys/p256" "$INSTANCE/cosign.key"
	printf secret >"$INSTANCE/passphrase"
	skopeo --registries.d "$attach" copy -q --dest-tls-verify=false --sign-by-sigstore-private-key "$INSTANCE/cosign.key" \
		--sign-passphrase-file "$INSTANCE/passphrase" "oci-archive:$ARCHIVES/good-gzip.tar" "docker://$IMAGE"
	policy "$(signed_by p256 matchRepoDigestOrExact)"
	accepted "of '$IMAGE' (matchRepoDigestOrExact)"
	policy "$(signed_by other matchRepoDigestOrExact)"
	run -125 create
	# The other way round: the same policy and signature before both.
	fresh second
	sign tag p256
	policy "$(signed_by p256)"
	accepted "of '$HOST/$REPO' (matchRepository)"
	skopeo --registries.d "$attach" --policy "$CORTEN_POLICY" copy -q --src-tls-verify=false "docker://$IMAGE" "dir:$INSTANCE/copy"
	policy "$(signed_by other)"
	run ! skopeo --registries.d "$attach" --policy "$CORTEN_POLICY" copy -q --src-tls-verify=false "docker://$IMAGE" "dir:$INSTANCE/copy"
	run -1 pull "$IMAGE"
	[[ $output == *"it is not by the key"* ]]
}

@test "bundles among the referrers: an envelope, the manifest itself" {
	push
	sign bundle ed25519 kind=message
	policy "$(signed_by ed25519 matchDigest)"
	accepted "(Ed25519)"
	sign bundle p384 hash=sha384
	policy "$(signed_by p384 matchDigest)"
	accepted "(ECDSA P-384 with SHA-384)"
	policy "$(signed_by p384)"
	run -1 pull "$IMAGE"
	[[ $output == *"which is not '$IMAGE' (matchRepository)"* ]]
	sign bundle p384 "reference=$HOST/$REPO"
	accepted matchRepository
}

@test "bundles that are no signatures by a key say why" {
	push
	policy "$(signed_by p256 matchDigest)"
	sign bundle p256 predicate=https://slsa.dev/provenance/v1
	refused "it is an attestation of type 'https://slsa.dev/provenance/v1', no signature"
	sign bundle p256 certificate=1
	refused "signed with a certificate (Fulcio)"
	fresh tampered
	sign bundle p256 tamper=payload
	refused "it is not by the key"
	sign bundle p256 tamper=signature
	refused "it is not by the key; signature in"
	fresh other
	sign bundle p256 type=application/json
	refused "the envelope holds a 'application/json'"
	sign bundle p256 digest=sha256:$(printf '0%.0s' {1..64})
	refused "it is the signature of another image"
	# cosign lists its bundles so behind the fallback tag.
	sign bundle p256 listed=application/vnd.oci.empty.v1+json
	accepted "(ECDSA P-256 with SHA-256)"
}

@test "an index: its own signature counts, and so does that of the image in it" {
	local digest
	push
	digest=$("$PYTHON" "$BATS_TEST_DIRNAME/sign.py" index "$HOST" "$REPO" index 1)
	IMAGE=$HOST/$REPO:index
	policy "$(signed_by p256)"
	refused "no signature exists"
	sign tag p256 image="$digest"
	accepted "(ECDSA P-256 with SHA-256)"
	[[ $output == *"Manifest: $digest"* && $output != *"Accepted by"* ]]
	"$CORTEN" rmi -f "$IMAGE" >/dev/null
	policy "$(signed_by rsa)"
	run -1 pull "$IMAGE"
	TAG=index sign tag rsa
	accepted "(RSA PKCS #1 with SHA-256)"
	[[ $output == *"Manifest: $digest"*"Accepted by: sha256:"* ]]
}

@test "images that are here: a changed policy counts at the next create, from kept signatures, without a network" {
	push
	sign tag p256
	sign tag rsa
	policy '{"type":"insecureAcceptAnything"}'
	run -0 pull "$IMAGE"
	run -0 create
	# Nothing was kept of what nobody asked for.
	policy "$(signed_by p256)"
	run -125 create
	[[ $output == *"image '$IMAGE'"*"no signature exists"* ]]
	run -0 pull "$IMAGE"
	[[ $output == *"Image is up to date"* ]]
	run -0 create
	policy "$(signed_by rsa)"
	run -0 unshare -n "$CORTEN" create --pull never "$IMAGE" true
	policy "$(signed_by other)"
	run -125 unshare -n "$CORTEN" create --pull never "$IMAGE" true
	[[ $output == *"it is not by the key"* ]]
	run -1 "$CORTEN" image verify "$IMAGE"
	# By its id it is the same image.
	IMAGE=$("$CORTEN" images -q --no-trunc | head -n 1)
	run -125 create
	policy "$(signed_by p256),$(signed_by rsa)"
	run -0 create
	policy "$(signed_by p256),$(signed_by other)"
	run -125 create
}

@test "a verdict is kept: the same policy starts no worker" {
	command -v strace >/dev/null || skip "needs strace"
	push
	sign tag p256
	policy "$(signed_by p256)"
	pull -q "$IMAGE"
	run -0 strace -f -o "$INSTANCE/trace" -e trace=execve "$CORTEN" create --pull never "$IMAGE" true
	run -1 grep -E 'corten-(verify|worker)' "$INSTANCE/trace"
	# The key's text counts, not its path.
	cp "$TRUST/keys/p256.pub" "$INSTANCE/key.pub"
	policy "{\"type\":\"sigstoreSigned\",\"keyPath\":\"$INSTANCE/key.pub\",\"signedIdentity\":{\"type\":\"matchRepository\"}}"
	run -0 create
	cp "$TRUST/keys/other.pub" "$INSTANCE/key.pub"
	run -125 create
}

@test "load: what the policy would not let run is not let in, unless it was accepted before" {
	push
	sign tag p256
	policy "$(signed_by p256)"
	run -1 "$CORTEN" load -q -i "$ARCHIVES/good-gzip.tar"
	[[ $output == *"Source image rejected"* ]]
	[ -z "$("$CORTEN" images -q)" ]
	[ -z "$(find "$CORTEN_ROOT/blobs" -type f)" ]
	pull -q "$IMAGE"
	"$CORTEN" save -o "$INSTANCE/saved.tar" "$IMAGE"
	run -0 "$CORTEN" load -q -i "$INSTANCE/saved.tar"
	# Not for a key that it was not signed with, and nothing is lost.
	policy "$(signed_by other)"
	run -1 "$CORTEN" load -q -i "$INSTANCE/saved.tar"
	[[ $output == *"image '$IMAGE'"* ]]
	[ "$("$CORTEN" images -q | wc -l)" = 1 ]
}

@test "import asks as load does; commit makes its image, and says that the policy will not let it run" {
	printf '{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"%s":[%s]}}}' "$HOST/t$BATS_TEST_NUMBER" \
		"$(signed_by p256)" >"$CORTEN_POLICY"
	mkdir "$INSTANCE/root"
	cp "$(command -v busybox)" "$INSTANCE/root/busybox"
	tar -C "$INSTANCE/root" -cf "$INSTANCE/root.tar" .
	run -1 "$CORTEN" import "$INSTANCE/root.tar" "$HOST/$REPO:imported"
	[[ $output == *"Source image rejected"* ]]
	[ -z "$("$CORTEN" images -q)" ]
	[ -z "$(find "$CORTEN_ROOT/blobs" -type f)" ]
	# Outside the scope that wants signatures it is let in.
	run -0 --separate-stderr "$CORTEN" import "$INSTANCE/root.tar" mine
	[ -z "$stderr" ]
	"$CORTEN" run --network none --name box mine /busybox touch /made
	run -0 --separate-stderr "$CORTEN" commit box mine:made
	[ -z "$stderr" ]
	run -0 --separate-stderr "$CORTEN" commit box "$HOST/$REPO:made"
	[[ $stderr == "corten: warning: the policy will not let this image run: "*"Source image rejected"* ]]
	"$CORTEN" rm box
	run -125 "$CORTEN" run --rm --network none "$HOST/$REPO:made" /busybox true
	[[ $output == *"Source image rejected"* ]]
	# Made to be pushed, and signed where it lies.
	"$CORTEN" push -q "$HOST/$REPO:made"
}

@test "signatures stay as long as their image, and go with it" {
	push
	push "$HOST/$REPO:2"
	sign tag p256
	policy "$(signed_by p256)"
	pull -q "$IMAGE"
	# Another image comes and goes: the collection runs.
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$INSTANCE/any.json"
	CORTEN_POLICY=$INSTANCE/any.json "$CORTEN" load -q -i "$ARCHIVES/good-shared-layer.tar" >/dev/null
	"$CORTEN" images | awk -v mine="$HOST/$REPO" 'NR > 1 && $1 != mine { print $1 == "<none>" ? $3 : $1 ":" $2 }' | xargs "$CORTEN" rmi -f >/dev/null
	policy "$(signed_by p256 matchRepository),$(signed_by p256 matchDigest)"
	run -0 unshare -n "$CORTEN" create --pull never "$IMAGE" true
	"$CORTEN" rm "$("$CORTEN" ps -aq)" >/dev/null
	"$CORTEN" rmi -f "$IMAGE" >/dev/null
	[ -z "$(find "$CORTEN_ROOT/blobs" -type f)" ]
}

# ---- verifiers ----

verifier() { # NAME: the script from standard input
	mkdir -p "$INSTANCE/verifiers"
	{ echo '#!/bin/sh'; cat; } >"$INSTANCE/verifiers/$1"
	chmod 755 "$INSTANCE/verifiers" "$INSTANCE/verifiers/$1"
}
by_verifiers() { printf '{"type":"verifier","path":"%s","timeoutSeconds":%s,"maxVerifiers":3}' "$INSTANCE/verifiers" "${1:-10}"; }

@test "verifiers get containerd's arguments, and all must agree" {
	push
	verifier 1-ok <<-SH
		printf '%s\n' "\$@" >$INSTANCE/args
		cat >$INSTANCE/stdin
		echo "fine by me"
		echo noise >&2
	SH
	policy "$(by_verifiers)"
	accepted "1-ok => fine by me"
	[[ $output != *noise* ]]
	run -0 cat "$INSTANCE/args"
	[ "${lines[*]}" = "-name $IMAGE -digest ${lines[3]} -stdin-media-type application/vnd.oci.descriptor.v1+json" ]
	[ "$(jq -r .digest "$INSTANCE/stdin")" = "${lines[3]}" ]
	[ "$(jq -r '.size > 0' "$INSTANCE/stdin")" = true ]
	jq -er '.mediaType | startswith("application/vnd.")' "$INSTANCE/stdin"
	verifier 2-no <<<'echo "not on a Sunday"; exit 3'
	run -1 pull "$IMAGE"
	[[ $output == *"verifier 2-no rejected image (exit code 3): not on a Sunday"* ]]
	# A verdict that was kept is of the same policy: what is here stays usable, what is new is not.
	run -1 "$CORTEN" image verify "$IMAGE"
}

@test "a verifier that hangs is ended with what it started" {
	push
	verifier 1-hangs <<<'sleep 1000 & sleep 1000'
	policy "$(by_verifiers 1)"
	refused "no verdict within 1 s"
	verifier 1-hangs <<<'exec >&-; sleep 1000'
	refused "no verdict within 1 s"
}

@test "a verifier may print megabytes, and read nothing" {
	push
	verifier 1-loud <<<'head -c 5000000 /dev/zero | tr "\0" x; exit 0'
	policy "$(by_verifiers)"
	run -0 pull "$IMAGE"
	run -0 "$CORTEN" image verify "$IMAGE"
	[ ${#output} -lt 2000 ]
}

@test "no verifiers, too many, anybody's: refused" {
	push
	policy "$(by_verifiers)"
	refused "verifiers"
	mkdir -m 755 "$INSTANCE/verifiers"
	refused "there is no verifier"
	verifier 1 <<<'exit 0'
	chmod 775 "$INSTANCE/verifiers"
	refused "must belong to root"
	chmod 755 "$INSTANCE/verifiers"
	chmod 757 "$INSTANCE/verifiers/1"
	refused "must belong to root"
	for name in 1 2 3 4; do verifier $name <<<'exit 0'; done
	refused "has more than 3 verifiers"
	rm "$INSTANCE/verifiers/4"
	chmod 644 "$INSTANCE/verifiers/2"
	refused "2"
}

@test "signatures and verifiers together" {
	push
	sign tag p256
	verifier 1 <<<'exit 0'
	policy "$(by_verifiers),$(signed_by p256)"
	accepted sigstoreSigned
	policy "$(by_verifiers),$(signed_by other)"
	run -1 pull "$IMAGE"
}
