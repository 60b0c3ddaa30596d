#include "cli/manual.h"

#include "base/mem.h"
#include "base/str.h"

#define ITEMS(...) ((const struct manual_item[]){ __VA_ARGS__, { NULL, NULL } })
#define PARAGRAPHS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct manual_item exits_plain[] = {
	{ "0", "Success." },
	{ "1", "Something failed; the message on standard error names it." },
	{ "125", "An option is unknown, not supported yet, or has a wrong value." },
	{ NULL, NULL },
};

static const struct manual_item exits_run[] = {
	{ "125", "Corten itself failed: a wrong option, no such image, a name that is taken." },
	{ "126", "The command was found and cannot be executed." },
	{ "127", "The command was not found in the container." },
	{ "otherwise",
	  "The exit code of the command; 128 and the signal's number when a signal ended it." },
	{ NULL, NULL },
};

const struct manual_item manual_environment[] = {
	{ "CORTEN_ROOT", "Folder of images and containers, as --root." },
	{ "CORTEN_STATE", "Folder of running tasks, as --state." },
	{ "CORTEN_NAMESPACE", "Namespace of containers and images, as --namespace." },
	{ "CORTEN_HOSTS_DIR",
	  "Folder of registry hosts, in place of /etc/corten/certs.d and /etc/containerd/certs.d." },
	{ "REGISTRY_AUTH_FILE", "File of registry credentials that is looked into first." },
	{ "DOCKER_CONFIG",
	  "Folder of docker's config.json, in place of .docker in the home folder." },
	{ "HTTP_PROXY, HTTPS_PROXY, NO_PROXY",
	  "Proxies to registries, and hosts that are reached without one; in lower case too." },
	{ "CORTEN_POLICY",
	  "The policy's file, in place of /etc/corten/policy.json; it must be there." },
	{ NULL, NULL },
};

const struct manual_item manual_files[] = {
	{ "/var/lib/corten", "Images, snapshots and the records of containers." },
	{ "/etc/corten/certs.d/HOST_PORT_/hosts.toml",
	  "Mirrors, authorities and certificates of a registry, in the form of containerd, whose folder "
	  "/etc/containerd/certs.d is looked into next; HOST without a port, and _default for all hosts." },
	{ "/etc/docker/certs.d/HOST:PORT",
	  "Authorities (*.crt) and a client certificate (*.cert, *.key) of a registry, as docker has them." },
	{ "/etc/corten/policy.json",
	  "Which images may be used, as containers-policy.json(5) describes; without it, all. Only root may be able "
	  "to write it and the keys it names." },
	{ "/run/corten",
	  "A folder for each running container: its sockets, its OCI bundle, its exit journal." },
	{ NULL, NULL },
};

#define RUN_LIMITS                                                                                     \
	"A container has its own mount, pid, network, IPC, UTS and cgroup namespaces, the fourteen "   \
	"capabilities that docker gives, a seccomp filter that decides as docker's does, and at most " \
	"2048 processes."
#define RUN_NETWORK                                                                                  \
	"Without --network, and with --network none, it has a loopback interface and nothing else. " \
	"With --network host it shares the network of the host."

static const struct manual manuals[] = {
	{ "",
	  PARAGRAPHS(
		  "Corten runs OCI and docker images in containers. It needs no daemon: each command opens the "
		  "store itself, and any number of commands may run at the same time.",
		  "Options, columns and exit codes are those of docker. What docker has and Corten does not have "
		  "yet is an error that names it; nothing is ignored in silence.",
		  "A container is given by its name, its id, or the first digits of its id. An image is given by "
		  "its name and tag, or by its id. A switch is taken back with =false, as in --tty=false."),
	  exits_run, NULL, "" },
	{ "run",
	  PARAGRAPHS(
		  "Makes a container from an image, starts it, and stays in the foreground until it ends. An image "
		  "that is not there is pulled, unless --pull never forbids it: see corten-pull(1). The command and its arguments take the place of those that "
		  "the image names.",
		  RUN_LIMITS, RUN_NETWORK,
		  "In the foreground the output of the container is that of corten, and signals are passed on. "
		  "With -t the container has a terminal of its own; the keys ctrl-p ctrl-q detach from it.",
		  "With -d the id is printed and the container runs on, also when the caller logs out. Its output "
		  "is kept for corten-logs(1) in at most three files of 16 MiB."),
	  exits_run,
	  ITEMS({ "corten run --rm -it debian:12 bash", "A shell that is removed when it ends" },
		{ "corten run -d --name web --memory 256m --cpus 0.5 site:1",
		  "A service with limits" },
		{ "echo hello | corten run --rm -i busybox cat", "A filter in a pipe" },
		{ "corten run --rm -v /srv/data:/data:ro busybox ls /data",
		  "A folder of the host, read only" }),
	  "create exec logs ps rm" },
	{ "create",
	  PARAGRAPHS(
		  "Makes a container from an image without starting it, and prints its id. corten-start(1) starts it.",
		  RUN_LIMITS, RUN_NETWORK),
	  exits_run,
	  ITEMS({ "corten create --name job busybox echo done", "A container for later" },
		{ "corten start -a job", "Its start, with the output" }),
	  "rm run start" },
	{ "exec",
	  PARAGRAPHS(
		  "Runs another command in a container that runs. It has the namespaces, the environment, the user "
		  "and the limits of the container, unless options say otherwise. It is not started again with "
		  "the container."),
	  exits_run,
	  ITEMS({ "corten exec -it web sh", "A shell beside the service" },
		{ "corten exec -u 1000:1000 -w /srv web id",
		  "As another user, in another folder" }),
	  "run" },
	{ "ps",
	  PARAGRAPHS(
		  "Lists the containers that run; with -a, all. A filter is KEY=VALUE with the keys id, name, "
		  "status, exited, ancestor and label. A container is shown when one value of each key fits; "
		  "labels must all fit.",
		  "A template names columns as {{.ID}}, {{.Image}}, {{.Command}}, {{.CreatedAt}}, {{.RunningFor}}, "
		  "{{.Status}}, {{.State}}, {{.Ports}}, {{.Names}} and {{.Labels}}."),
	  exits_plain,
	  ITEMS({ "corten ps -a --filter exited=1", "What ended with 1" },
		{ "corten ps --format '{{.Names}}\\t{{.Status}}'", "Two columns of one's own" }),
	  "inspect logs rm" },
	{ "system",
	  PARAGRAPHS(
		  "Commands for the store as a whole: what it takes on disk, and what of it nobody needs any more. They work "
		  "without a daemon, beside any other command."),
	  exits_plain, ITEMS({ "corten system df -v", "Every image and container" }),
	  "image images rm rmi" },
	{ "system df",
	  PARAGRAPHS(
		  "Shows what images and containers take on disk and what would be free without those that nobody "
		  "uses. An image's blobs and its unpacked layers count, what several images share counts once; -v shows "
		  "each image with its shared and its own part."),
	  exits_plain, ITEMS({ "corten system df -v", "Every image and container" }),
	  "image system system-prune" },
	{ "system prune",
	  PARAGRAPHS(
		  "Removes containers that do not run and images without a name, with -a all that no container "
		  "uses. It asks first, unless -f is given."),
	  exits_plain, ITEMS({ "corten system prune -f", "Without a question" }),
	  "image-prune rm rmi system" },
	{ "image prune",
	  PARAGRAPHS(
		  "Removes images without a name, with -a all that no container uses. It asks first, "
		  "unless -f is given. An image loses its name when a load, pull, tag or commit gives that to another one."),
	  exits_plain,
	  ITEMS({ "corten image prune -af --filter until=240h",
		  "What nobody used, older than ten days" }),
	  "image rmi system-prune" },
	{ "image check",
	  PARAGRAPHS(
		  "Compares the store with the disk: reads every blob again, looks through the folder of every "
		  "layer for names, sizes, times, modes, owners and attributes, and says what is damaged, what is missing "
		  "and what belongs to nothing. With --deep every layer is unpacked once more beside the one that is there, "
		  "and contents are compared too. With --repair damaged "
		  "blobs are dropped, layers are made again from whole blobs, and the images that must be pulled or loaded "
		  "again are named. The exit code is 1 when something is wrong or, with --repair, lost."),
	  exits_plain, ITEMS({ "corten image check --repair", "After a disk error" }),
	  "image load pull" },
	{ "images",
	  PARAGRAPHS(
		  "Lists the images of the store, or those of one repository.",
		  "A filter is KEY=VALUE with the keys before and since (an image), dangling (true or false: without a "
		  "name), label and reference (a pattern of names). Keys must all fit, labels too; of patterns one."),
	  exits_plain,
	  ITEMS({ "corten images --digests debian", "One repository with its digests" }),
	  "load rmi" },
	{ "pull",
	  PARAGRAPHS(
		  "Downloads an image from a registry: what the store has is not fetched again, and what an "
		  "interrupted pull has fetched is kept for the next. Registries are spoken to by https; by http on "
		  "loopback alone, and where a hosts.toml says so. Mirrors that a hosts.toml names are asked in "
		  "their order, and the registry itself last.",
		  "Credentials are those that docker, podman and skopeo keep, in this order: REGISTRY_AUTH_FILE, "
		  "containers/auth.json below XDG_RUNTIME_DIR and below the user's configuration, docker's "
		  "config.json; credential helpers are asked. They are sent to the host that they were found for "
		  "and to a token service of its own domain, nowhere else, a mirror included. "
		  "corten image resolve --explain prints what is found where.",
		  "A policy may say which images are accepted: /etc/corten/policy.json (CORTEN_POLICY), in the format of "
		  "containers-policy.json(5). The longest scope of transports.docker that covers the image's name decides, else "
		  "default. It is asked before layers are fetched, and again when a container is made, then from the signatures "
		  "that were kept, without a network. corten image verify says which rule, key and signature it was.",
		  "Requirements are insecureAcceptAnything, reject, sigstoreSigned with public keys (ECDSA P-256 and P-384, "
		  "Ed25519, RSA), and verifier, which is Corten's own: {\"type\":\"verifier\",\"path\":FOLDER,"
		  "\"timeoutSeconds\":10,\"maxVerifiers\":10} runs each program of a folder by the protocol of containerd's "
		  "image verifiers. What needs GPG, Fulcio or Rekor is refused.",
		  "Signatures are those of cosign: the tag sha256-DIGEST.sig, and bundles among the referrers. cosign signs "
		  "repositories, without tags: signedIdentity is then matchRepository; bundles name nothing, and matchDigest, "
		  "which is Corten's own, takes the digest alone."),
	  exits_plain,
	  ITEMS({ "corten pull debian:12", "From Docker Hub" },
		{ "corten pull --platform linux/arm64 localhost:5000/a", "For another machine" }),
	  "images load login run" },
	{ "load",
	  PARAGRAPHS(
		  "Reads an archive from a file or from standard input, and keeps its images. The archive is an OCI "
		  "layout or what docker save writes, as a tar file, plain or compressed; a layout may be a folder too.",
		  "An archive is hostile until shown otherwise. It is read by a process without privileges and "
		  "unpacked by one whose root is the folder of the layer."),
	  exits_plain,
	  ITEMS({ "docker save debian:12 | corten load", "From docker" },
		{ "skopeo copy docker://busybox docker-archive:busybox.tar:busybox:latest",
		  "From a registry, by skopeo" },
		{ "corten load -i busybox.tar", "From a file" }),
	  "images rmi run" },
	{ "login",
	  PARAGRAPHS(
		  "Tries a user name and a password at a registry, Docker Hub if none is named, and keeps them for "
		  "later: by the credential helper that docker's config.json names for it, else in that file, as "
		  "text. Without --username, what is kept already is tried first. What is not given is asked for."),
	  exits_plain,
	  ITEMS({ "corten login registry.example.org:5000", "Asks for both" },
		{ "corten login -u robot --password-stdin quay.io <secret", "From a file" }),
	  "logout pull" },
	{ "logout",
	  PARAGRAPHS(
		  "Forgets the credentials of a registry, Docker Hub if none is named: in docker's config.json and in "
		  "the credential helper that it names."),
	  exits_plain, NULL, "login" },
	{ "tag",
	  PARAGRAPHS(
		  "Gives an image another name. The image is given by a name or an id; a name that stood for another "
		  "image is taken from that."),
	  exits_plain, ITEMS({ "corten tag debian:12 host.example/base:1", "A second name" }),
	  "images rmi save" },
	{ "history",
	  PARAGRAPHS(
		  "Lists how an image was made, the newest step first, by what its config says. The size is that of the "
		  "step's layer as it is stored; a step without one has 0B.",
		  "A template names columns as {{.ID}}, {{.CreatedSince}}, {{.CreatedAt}}, {{.CreatedBy}}, {{.Size}} and "
		  "{{.Comment}}."),
	  exits_plain, ITEMS({ "corten history --no-trunc debian:12", "Every step in full" }),
	  "images inspect" },
	{ "save",
	  PARAGRAPHS(
		  "Writes images with all their layers as one tar archive to standard output or to a file. The archive "
		  "is an OCI layout and has the manifest.json of docker too, so that docker, podman, skopeo and "
		  "corten-load(1) read it. Manifests are written as they are stored: the digest stays.",
		  "An image that is given by name keeps that name in the archive; one that is given by id has none. A "
		  "file is whole or not there. With SOURCE_DATE_EPOCH in the environment the entries bear that time."),
	  exits_plain,
	  ITEMS({ "corten save debian:12 | docker load", "To docker" },
		{ "corten save -o both.tar web:1 db:1", "Two images in one file" }),
	  "export images load" },
	{ "import",
	  PARAGRAPHS(
		  "Makes an image of one layer from a tar archive of a root filesystem, plain or compressed by gzip or "
		  "zstd, which is a file or, for -, standard input. Prints the id of the image.",
		  "A change is an instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, "
		  "ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR."),
	  exits_plain,
	  ITEMS({ "corten import -c 'CMD [\"sh\"]' root.tar tools:1", "From a file" },
		{ "corten export web | corten import - web:flat", "A container, flattened" }),
	  "commit export load" },
	{ "commit",
	  PARAGRAPHS(
		  "Makes a new image: that of the container with a layer of what the container has changed, and the "
		  "settings of the container with the changes that are asked for. Prints the id of the image.",
		  "A running container is paused meanwhile, unless --no-pause or --pause=false is given. Files that were "
		  "made only to mount upon are left out, and so are sockets. With SOURCE_DATE_EPOCH in the environment "
		  "no time is later than that, and the same container gives the same image.",
		  "A change is an instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, "
		  "ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR."),
	  exits_plain,
	  ITEMS({ "corten commit web web:2", "A new image" },
		{ "corten commit -c 'CMD [\"serve\"]' -m 'with data' web web:2",
		  "With another command" }),
	  "diff export import" },
	{ "diff",
	  PARAGRAPHS(
		  "Lists what a container has changed in its root filesystem, one path a line: A for what is new, C for "
		  "what was changed, D for what was deleted. Files that were made only to mount upon do not count."),
	  exits_plain, ITEMS({ "corten diff web", "What the service wrote" }), "commit export" },
	{ "export",
	  PARAGRAPHS(
		  "Writes the whole root filesystem of a container as a plain tar archive to standard output or to a "
		  "file: what its image has and what it changed, without volumes."),
	  exits_plain,
	  ITEMS({ "corten export web | tar -tv", "A look" },
		{ "corten export -o web.tar web", "To a file" }),
	  "commit diff import save" },
	{ "image",
	  PARAGRAPHS(
		  "Commands about images: those that stand alone too, under a second name, and those that have no other. "
		  "They work on the store and on registries, and need no daemon."),
	  exits_plain,
	  ITEMS({ "corten image ls", "As corten images" },
		{ "corten image unpack debian:12 work", "A root filesystem to work on" }),
	  "images load pull rmi save tag" },
	{ "image resolve",
	  PARAGRAPHS(
		  "Prints what a name of an image stands for in its registry. With --explain it prints every file, host and "
		  "source of credentials that was considered, and why each was taken or not."),
	  exits_plain,
	  ITEMS({ "corten image resolve --explain debian:12", "Where a pull would go" }),
	  "image login pull" },
	{ "push",
	  PARAGRAPHS(
		  "Uploads an image to the registry that its name says, with -a all tags of the repository that the store "
		  "has. What the registry has already is not sent again. Credentials are those that corten-login(1) kept."),
	  exits_plain, ITEMS({ "corten push host.example/site:1", "One tag" }), "login pull tag" },
	{ "image sync",
	  PARAGRAPHS(
		  "Copies whole repositories, folders of images or a list in YAML from one place to another, as skopeo sync does: "
		  "every tag of a repository unless one is given. --scoped keeps the source's registry in the names at the "
		  "destination, --dry-run only says what would be copied, --keep-going goes on after an image that fails."),
	  exits_plain,
	  ITEMS({ "corten image sync --src docker --dest dir debian /mirror",
		  "All tags into a folder" }),
	  "image image-copy image-tags" },
	{ "port",
	  PARAGRAPHS(
		  "Lists the published ports of a running container: which address and port of the host leads to which port of "
		  "the container. With a port, only where that one is found."),
	  exits_plain, ITEMS({ "corten port web", "All" }, { "corten port web 80/tcp", "Of one" }),
	  "run ps" },
	{ "network",
	  PARAGRAPHS(
		  "Makes, lists, shows and removes networks, and puts containers in or takes them out. A network is a bridge of the "
		  "host with a subnet of its own; containers on it reach each other by name, alias and short id, and the outside "
		  "with the host's address. Networks do not reach each other.",
		  "The network bridge is there from the start and is what containers get that name none; it has no names, as in "
		  "docker. CORTEN_NETWORK in the environment names another default. Filtering is one nftables table of ours, which "
		  "is put right by the next command when another program flushed it."),
	  exits_plain,
	  ITEMS({ "corten network create shop", "A network for people's containers" },
		{ "corten run -d --network shop --name db postgres", "Found as db on it" }),
	  "run port" },
	{ "network create",
	  PARAGRAPHS(
		  "Makes a network and prints its id. Without --subnet it is the first free /24 of 10.89.0.0 and above that no other "
		  "network and no route of the host has. --internal makes one without a way out or in. Of the options of -o "
		  "docker's mtu, bridge name, masquerade, icc and host_binding_ipv4 are known."),
	  exits_plain,
	  ITEMS({ "corten network create --subnet 10.5.0.0/24 --gateway 10.5.0.254 shop",
		  "With a chosen subnet" }),
	  "network" },
	{ "network ls",
	  PARAGRAPHS(
		  "Lists networks by name, with host and none as docker shows them. A filter is KEY=VALUE with the keys driver, id, "
		  "label, name, scope, type (custom, builtin) and dangling (true: no container runs in it)."),
	  exits_plain,
	  ITEMS({ "corten network ls --filter type=custom", "Those that people made" }),
	  "network" },
	{ "network rm",
	  PARAGRAPHS(
		  "Removes networks with their bridges and rules. One in which containers run is kept and said so; the network "
		  "bridge cannot be removed."),
	  exits_plain, ITEMS({ "corten network rm shop", "Remove one" }), "network" },
	{ "network inspect",
	  PARAGRAPHS(
		  "Shows networks as docker's JSON: subnets, gateways, options, labels, and the containers that run in them "
		  "with their addresses."),
	  exits_plain, ITEMS({ "corten network inspect shop", "All of one" }), "network" },
	{ "network connect",
	  PARAGRAPHS(
		  "Puts a container into one more network: at once when it runs, and at each of its starts. The first network "
		  "keeps the default route and the published ports."),
	  exits_plain,
	  ITEMS({ "corten network connect --alias cache shop redis", "Found as cache there" }),
	  "network" },
	{ "network disconnect",
	  PARAGRAPHS(
		  "Takes a container out of a network: at once when it runs, and for its next starts. Its address there is given "
		  "back."),
	  exits_plain, ITEMS({ "corten network disconnect shop redis", "Take it out" }),
	  "network" },
	{ "network prune",
	  PARAGRAPHS(
		  "Removes all networks that people made and in which no container runs, after asking."),
	  exits_plain, ITEMS({ "corten network prune -f", "Without being asked" }), "network" },
	{ "image tags",
	  PARAGRAPHS(
		  "Lists the tags that a repository has in its registry, one a line. Nothing is pulled, and the store is not "
		  "asked."),
	  exits_plain, ITEMS({ "corten image tags debian", "From Docker Hub" }),
	  "image image-resolve pull" },
	{ "image inspect",
	  PARAGRAPHS(
		  "Shows images of the store as inspect does. With docker:// it is an image in a registry: its tags, digest, "
		  "settings, layers and platform, as skopeo shows them. Nothing is pulled. --raw prints the manifest as "
		  "it is there, --config the image's settings."),
	  exits_plain,
	  ITEMS({ "corten image inspect debian:12", "An image that is here" },
		{ "corten image inspect docker://debian:12", "What the registry has" },
		{ "corten image inspect --raw docker://debian:12", "Its manifest or index" }),
	  "image image-tags inspect pull" },
	{ "image delete",
	  PARAGRAPHS(
		  "Deletes a tag or, by digest, a manifest or a blob in a registry. It asks first, unless -f is given. Images in "
		  "the store stay; corten-rmi(1) removes those."),
	  exits_plain,
	  ITEMS({ "corten image delete -f localhost:5000/site:old", "A tag, without a question" }),
	  "image image-tags rmi" },
	{ "image copy",
	  PARAGRAPHS(
		  "Copies an image into a registry, from another one (docker://NAME) or from the store (corten:NAME), blob by "
		  "blob, without unpacking it. Digests are checked on the way by a process that has no network. With -a all "
		  "images of an index are copied."),
	  exits_plain,
	  ITEMS({ "corten image copy docker://debian:12 docker://localhost:5000/debian:12",
		  "Into a registry of one's own" }),
	  "login push" },
	{ "image referrers",
	  PARAGRAPHS(
		  "Lists what a registry has that refers to an image: signatures, attestations, lists of what is in it. With "
		  "--artifact-type only what is of that type."),
	  exits_plain, ITEMS({ "corten image referrers host.example/site:1", "All of them" }),
	  "image image-verify" },
	{ "image verify",
	  PARAGRAPHS(
		  "Says whether the policy accepts an image that is in the store, and by which rule, key and signature. It "
		  "asks no registry: signatures are those that were kept when the image was pulled."),
	  exits_plain, ITEMS({ "corten image verify debian:12", "Before a start" }),
	  "image image-resolve pull" },
	{ "image unpack",
	  PARAGRAPHS(
		  "Makes an OCI bundle of an image in a folder that is new or empty: rootfs with what the layers have, "
		  "config.json with the settings that a container of the image has, and corten.json and rootfs.mtree, by "
		  "which corten-image-repack(1) finds what was changed since."),
	  exits_plain,
	  ITEMS({ "corten image unpack debian:12 work", "A bundle" },
		{ "corten-runtime run -b work test", "A container of it" }),
	  "image image-repack" },
	{ "image repack",
	  PARAGRAPHS(
		  "Makes a new image of the one that a bundle was unpacked from and a layer of what was changed in its "
		  "rootfs since: files are compared by all their attributes and their content. Prints the id of the "
		  "image. The first image must still be in the store; the bundle stays as it is.",
		  "Changes of config.json do not count: what an image says of its command, user and environment is "
		  "changed by --change, with the instructions that corten-commit(1) takes."),
	  exits_plain,
	  ITEMS({ "corten image repack -c 'CMD [\"serve\"]' work site:2", "With another command" }),
	  "commit image image-unpack" },
	{ "start",
	  PARAGRAPHS(
		  "Starts containers that were created or have ended. With -a or -i corten stays in the foreground, "
		  "and its exit code is that of the container; this takes one container only."),
	  exits_plain, ITEMS({ "corten start -a job", "In the foreground" }), "create run stop" },
	{ "stop",
	  PARAGRAPHS(
		  "Sends a container its stop signal, SIGTERM unless the image or --stop-signal says otherwise. When "
		  "it has not ended after the timeout, 10 seconds if nothing else is said, it is killed."),
	  exits_plain, ITEMS({ "corten stop -t 2 web", "Two seconds to end" }), "kill start" },
	{ "kill",
	  PARAGRAPHS(
		  "Sends a signal, SIGKILL if nothing else is said, to the first process of a container. A signal is "
		  "a name, with or without SIG, or a number."),
	  exits_plain,
	  ITEMS({ "corten kill -s HUP web", "Many services read their settings again" }), "stop" },
	{ "wait",
	  PARAGRAPHS(
		  "Waits until each container has ended and prints the exit codes, one a line. A container that "
		  "has ended before counts at once."),
	  exits_plain, NULL, "ps start" },
	{ "rm",
	  PARAGRAPHS(
		  "Removes containers that do not run, with what they wrote and their logs. With -f a running one is "
		  "killed first, and one that does not exist is told without a failure."),
	  exits_plain, ITEMS({ "corten rm -f $(corten ps -aq)", "All of them" }), "ps stop" },
	{ "rmi",
	  PARAGRAPHS(
		  "Takes names from images. An image without a name left is deleted, with the layers that no other "
		  "image has. An image that a container uses stays, unless -f is given."),
	  exits_plain, NULL, "images load" },
	{ "logs",
	  PARAGRAPHS(
		  "Prints what a container wrote, its standard error to standard error. With -f it goes on until the "
		  "container ends. A time is a date in RFC 3339, seconds since 1970, or a duration before now "
		  "such as 10m."),
	  exits_plain,
	  ITEMS({ "corten logs --tail 20 -f web", "The last lines, and what comes" },
		{ "corten logs -t --since 10m web", "Ten minutes, with times" }),
	  "run" },
	{ "inspect",
	  PARAGRAPHS(
		  "Prints what is known of containers and images as JSON, in docker's form, or through a template. "
		  "A name that is both is the container; --type decides."),
	  exits_plain,
	  ITEMS({ "corten inspect -f '{{.State.Pid}}' web", "One value" },
		{ "corten inspect --type image debian:12", "An image" }),
	  "images ps" },
	{ "info",
	  PARAGRAPHS(
		  "Prints how many containers and images there are, where they lie, and what of the machine matters "
		  "to containers. What is missing there is a warning on standard error."),
	  exits_plain, NULL, "version" },
	{ "version",
	  PARAGRAPHS(
		  "Prints the version, the architecture, and the specifications that this build follows."),
	  exits_plain, NULL, "info" },
};

const struct manual manual_runtime = {
	"",
	PARAGRAPHS(
		"An OCI runtime with the command line of runc. Engines call it to create, start and delete containers "
		"from bundles: folders with a config.json and a root filesystem. It is gone between the calls; what "
		"it has to remember lies below its root folder.",
		"Long options are taken with one dash too. People want corten(1).",
		"With --systemd-cgroup the container's control group is a scope of systemd, and linux.cgroupsPath is "
		"slice:prefix:name: prefix-name.scope in that slice. Without it the scope is runc-ID in system.slice, or "
		"in user.slice of the caller's own systemd when the runtime is rootless. Limits become properties of the "
		"scope, so that systemctl(1) shows them and a reload keeps them; update changes them there too.",
		"Annotations org.systemd.property.NAME set further properties of the scope, in the text form of "
		"GVariant: org.systemd.property.TimeoutStopSec with uint64 10. run.oci.systemd.subgroup names a group "
		"below the scope for the container.",
		"Without root, or in a user namespace (--rootless says otherwise), a container may do without a control "
		"group: when none can be made, no limit is asked for and linux.cgroupsPath is not set."),
	ITEMS({ "0", "Success; of run and exec, the command ended with 0." }, { "1", "Failure." },
	      { "3", "There is no such command." }, { "255", "Of exec: it failed itself." },
	      { "otherwise", "Of run and exec in the foreground: the exit code of the process." }),
	ITEMS({ "corten-runtime spec && corten-runtime run box", "From a bundle in this folder" }),
	"",
};

const struct manual *manual_find(const char *command)
{
	for (size_t i = 0; i < ARRAY_LEN(manuals); i++)
		if (streq(manuals[i].command, command))
			return &manuals[i];
	return NULL;
}
