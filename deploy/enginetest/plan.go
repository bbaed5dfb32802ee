package enginetest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// The services of the test's system.
const (
	front = "front" // HTTP, keeps its data in the store
	back  = "back"  // gRPC
	store = "pg"
)

// greeting is what each life of a back writes to its log.
const greeting = "hello"

// System returns the test's topology: two fronts that call two backs and one
// PostgreSQL.
func System() topology.System {
	return topology.System{
		Name:  "echo",
		Zones: []string{"a", "b"},
		Services: []topology.Service{
			{Name: front, Tier: "web", Replicas: 2, Protocol: topology.HTTP, Store: store, Settings: map[string]string{"serve": "http"}},
			{Name: back, Tier: "services", Replicas: 2, Protocol: topology.GRPC, Settings: map[string]string{"serve": "grpc", "say": greeting}},
			{Name: store, Tier: "store", Replicas: 1, Protocol: topology.Postgres},
		},
		Edges: []topology.Edge{
			{From: topology.Loader, To: front, Protocol: topology.HTTP},
			{From: front, To: back, Protocol: topology.GRPC, Policy: topology.Policy{Timeout: topology.Duration(time.Second)}},
			{From: front, To: store, Protocol: topology.Postgres},
		},
	}
}

// Plan returns a plan for [System]. The echo program, which is both its shop
// and its relay, is built once a test binary; the folders are the test's own.
func Plan(t *testing.T) deploy.Plan {
	t.Helper()
	program, err := echo()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir, whose parents are closed to PostgreSQL's account.
	dir, err := os.MkdirTemp("", "enginetest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := deploy.Plan{
		Run:      fmt.Sprintf("enginetest-%d-%d", os.Getpid(), plans.Add(1)),
		Topology: System(),
		Shop:     program,
		Bedlam:   program,
		Scratch:  filepath.Join(dir, "scratch"),
		Logs:     filepath.Join(dir, "logs"),
		Aware:    aware,
	}
	for path, mode := range map[string]os.FileMode{dir: 0o755, p.Scratch: 0o755, p.Logs: 0o755} {
		if err := os.MkdirAll(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// Small returns a plan for [System] without its store, which is up sooner.
func Small(t *testing.T) deploy.Plan {
	t.Helper()
	p := Plan(t)
	p.Topology.Services = slices.DeleteFunc(p.Topology.Services, func(v topology.Service) bool { return v.Protocol == topology.Postgres })
	p.Topology.Edges = slices.DeleteFunc(p.Topology.Edges, func(e topology.Edge) bool { return e.Protocol == topology.Postgres })
	for i := range p.Topology.Services {
		p.Topology.Services[i].Store = ""
	}
	return p
}

var plans atomic.Int64

// echo builds the program, static, so that an empty image can hold it too. It
// stays where go test builds things, and is gone with the test binary's own
// temporary files at the next clean of /tmp: a few MB for the life of a test
// are not worth a hook in every TestMain.
var echo = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(echoEnv); path != "" { // executed again by abandons
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module's folder: %w", err)
	}
	// One for each checkout of the module.
	path := filepath.Join(cache, "bedlam-enginetest", fmt.Sprintf("echo-%x", sha256.Sum256(out))[:13])
	// Built under a name of its own and renamed: several test binaries share it.
	own := fmt.Sprintf("%s-%d", path, os.Getpid())
	build := exec.Command("go", "build", "-o", own, "github.com/bedlamlab/bedlam/deploy/enginetest/echo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the echo program: %w\n%s", err, out)
	}
	return path, os.Rename(own, path)
})
