// gocni is containerd's side of CNI (go-cni over libcni) as a command, for tests: gocni add|check|del ID NETNS.
// It uses every network of CNI_CONF as eth0, eth1…, as containerd's CRI does, and /var/lib/cni as its cache.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	gocni "github.com/containerd/go-cni"
)

func run(verb, id, netns string) error {
	n, err := gocni.New(gocni.WithMinNetworkCount(1), gocni.WithInterfacePrefix("eth"),
		gocni.WithPluginConfDir(os.Getenv("CNI_CONF")), gocni.WithPluginDir(strings.Split(os.Getenv("CNI_BIN"), ":")))
	if err != nil {
		return err
	}
	if err := n.Load(gocni.WithAllConf); err != nil {
		return err
	}
	ctx := context.Background()
	switch verb {
	case "add":
		r, err := n.Setup(ctx, id, netns, gocni.WithLabels(map[string]string{"IgnoreUnknown": "1", "K8S_POD_NAME": "p"}))
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r.Raw())
	case "check":
		return n.Check(ctx, id, netns)
	case "del":
		return n.Remove(ctx, id, netns)
	}
	return fmt.Errorf("no command '%s'", verb)
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "gocni:", err)
		os.Exit(1)
	}
}
