package defects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds the shop of the module in root with the patch applied, to out.
// The error says whether the patch does not apply or the result does not
// compile.
func (p Patch) Build(ctx context.Context, root, out string) error {
	dir, err := os.MkdirTemp("", "bedlam-patch-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := p.overlay(ctx, root, dir)
	if err != nil {
		return fmt.Errorf("patch %s: %w", p.Name, err)
	}
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", overlay, "-o", out, "./cmd/shop")
	c.Dir = root
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("patch %s: building the shop: %w: %s", p.Name, err, bytes.TrimSpace(text))
	}
	return nil
}

// overlay writes the patched copies of the files below dir, and the file that
// tells the go command of them.
func (p Patch) overlay(ctx context.Context, root, dir string) (string, error) {
	replace, err := p.Apply(ctx, root, dir)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, b, 0o644)
}

// Apply writes copies of the files that the patch changes, of the module in
// root, below dir, patched; it returns where the copy of each file is. The
// files themselves stay as they are.
func (p Patch) Apply(ctx context.Context, root, dir string) (map[string]string, error) {
	replace := map[string]string{}
	for _, t := range p.targets() {
		from, to := filepath.Join(root, t), filepath.Join(dir, t)
		b, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			return nil, err
		}
		replace[from] = to
	}
	// git apply works outside of a repository, and git is what the sources
	// came with.
	c := exec.CommandContext(ctx, "git", "apply", "-p1", "--whitespace=nowarn", "-")
	c.Dir, c.Stdin = dir, bytes.NewReader(p.diff)
	c.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if text, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("it does not apply: %w: %s", err, bytes.TrimSpace(text))
	}
	changed := false
	for from, to := range replace {
		a, errA := os.ReadFile(from)
		b, errB := os.ReadFile(to)
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		changed = changed || !bytes.Equal(a, b)
	}
	if !changed {
		return nil, errors.New("it applied and changed nothing")
	}
	return replace, nil
}
