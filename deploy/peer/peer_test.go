package peer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is in the cache is taken from there, and nothing else is asked for.
func TestBuiltBefore(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("BEDLAM_CACHE", cache)
	t.Setenv("PATH", "")
	there := filepath.Join(cache, "bench", "toxiproxy-"+toxiproxyVersion, "cli")
	if err := os.MkdirAll(filepath.Dir(there), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(there, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := ToxiproxyCLI.Built(t.Context()); err != nil || got != there {
		t.Errorf("got %q, %v, want %q", got, err, there)
	}
	if got, err := ToxiproxyServer.Built(t.Context()); err == nil {
		t.Errorf("without go there is %q", got)
	}
}

// A module that is out of reach is an error that names it, and leaves nothing.
func TestOutOfReach(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("BEDLAM_CACHE", cache)
	t.Setenv("GOPROXY", "off")
	p := Program{"none", "example.invalid/none/cmd/none", "v1.0.0"}
	if got, err := p.Built(t.Context()); err == nil || !strings.Contains(err.Error(), "building example.invalid/none/cmd/none@v1.0.0: ") {
		t.Errorf("got %q, %v", got, err)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("left in the cache: %v, %v", left, err)
	}
}
