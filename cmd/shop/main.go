// Shop runs one service of the shop, as the environment variable
// SHOP_ASSIGNMENT (JSON, see topology.Assignment) tells it to:
//
//	shop catalog
//
// It ends with 0 after SIGTERM or SIGINT, once the service has drained; with 1
// when the service cannot go on; with 2 when it was not told what to do.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/bedlamlab/bedlam/topology"
)

// assignment names the environment variable that says who this process is.
const assignment = "SHOP_ASSIGNMENT"

func main() { os.Exit(run(os.Args[1:], os.Getenv(assignment), os.Stderr)) }

func run(args []string, told string, stderr io.Writer) int {
	names := strings.Join(slices.Sorted(maps.Keys(services)), ", ")
	if len(args) != 1 {
		fmt.Fprintf(stderr, "usage: shop SERVICE, with its assignment in %s\nservices: %s\n", assignment, names)
		return 2
	}
	serve, ok := services[args[0]]
	if !ok {
		fmt.Fprintf(stderr, "shop: there is no service %q; there are: %s\n", args[0], names)
		return 2
	}
	var a topology.Assignment
	decoder := json.NewDecoder(strings.NewReader(told))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		fmt.Fprintf(stderr, "shop %s: reading %s: %v\n", args[0], assignment, err)
		return 2
	}
	if a.Instance.Service != args[0] {
		fmt.Fprintf(stderr, "shop %s: %s is the assignment of %s, a %s\n", args[0], assignment, a.Instance.Name, a.Instance.Service)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, a); err != nil {
		fmt.Fprintf(stderr, "shop %s: %v\n", args[0], err)
		return 1
	}
	return 0
}
