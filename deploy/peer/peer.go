// Package peer builds programs of other projects that Bedlam is held against:
// exactly one version of each, by the go command, once for all in the cache.
//
//	program, err := peer.ToxiproxyServer.Built(ctx)
//
// Nothing of them is linked into Bedlam. A peer that cannot be built, because
// there is no go command or no way to the module, is an error of [Program.Built]
// and no harm to anybody else: the row or the test that needs it is left out,
// and says so.
package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// A Program is a command of another project's module, at one version.
type Program struct {
	project string // what its folder in the cache is called
	command string // import path
	version string
}

const toxiproxyVersion = "v2.12.0"

// Toxiproxy's server, which the relay is compared with, and its command line,
// which has to work with Bedlam's own API as it is.
var (
	ToxiproxyServer = Program{"toxiproxy", "github.com/Shopify/toxiproxy/v2/cmd/server", toxiproxyVersion}
	ToxiproxyCLI    = Program{"toxiproxy", "github.com/Shopify/toxiproxy/v2/cmd/cli", toxiproxyVersion}
)

// String is what go install takes.
func (p Program) String() string { return p.command + "@" + p.version }

// most is the longest that a build may take: half a minute on a small machine
// with nothing else to do, and the sources have to come first.
const most = 5 * time.Minute

// Built returns the path of the program, which is built first if the cache (see
// [postgres.CacheDir]) has not got it.
func (p Program) Built(ctx context.Context) (string, error) {
	cache, err := postgres.CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "bench", p.project+"-"+p.version)
	program := filepath.Join(dir, path.Base(p.command))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	// Beside where it is to be, so that nobody finds half a program there.
	fresh, err := os.MkdirTemp(cache, "peer-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	cmd := exec.CommandContext(ctx, "go", "install", p.String())
	cmd.Env = append(os.Environ(), "GOBIN="+fresh, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("building %s: %w: %s", p, errors.Join(err, context.Cause(ctx)), lines[len(lines)-1])
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return program, os.Rename(filepath.Join(fresh, path.Base(p.command)), program)
}
