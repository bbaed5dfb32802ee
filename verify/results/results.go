// Package results keeps what a long proof has shown so far: a file of JSON
// lines that is only ever appended to, so that a proof that is cut short goes
// on where it was. [Read] and [Append] are what it takes; [Revision] names the
// sources that a result belongs to, and [Keep] keeps the folder of a run that
// somebody should look at.
package results

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// maxLine is far above any result, which names some tens of reasons at most.
const maxLine = 1 << 20

// Read returns the results that keep wants; without a file there are none.
func Read[P any](path string, keep func(P) bool) ([]P, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var kept []P
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		var p P
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if keep(p) {
			kept = append(kept, p)
		}
	}
	return kept, lines.Err()
}

// Append writes one result to the end of the file, which is made if need be.
func Append(path string, result any) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	line, err := json.Marshal(result)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// Keep moves the folder of a run that was not as it should be beside the file
// of results, for somebody to look at.
func Keep(folder, path string) error {
	to := filepath.Join(filepath.Dir(path), "kept", filepath.Base(folder)+time.Now().UTC().Format("-20060102T150405"))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if os.Rename(folder, to) == nil {
		return nil
	}
	// Another file system.
	return errors.Join(os.CopyFS(to, os.DirFS(folder)), os.RemoveAll(folder))
}

// Revision names the sources below root: the commit, and whether they differ
// from it.
func Revision(ctx context.Context, root string) (string, error) {
	git := func(args ...string) (string, error) {
		c := exec.CommandContext(ctx, "git", args...)
		c.Dir = root
		out, err := c.Output()
		return strings.TrimSpace(string(out)), err
	}
	rev, err := git("rev-parse", "HEAD")
	if err != nil {
		return "", fmt.Errorf("asking git for the commit: %w", err)
	}
	changed, err := git("status", "--porcelain", "--", "*.go", "*.yaml", "*.sql", "*.patch")
	if changed != "" {
		rev += "-dirty"
	}
	return rev, err
}
