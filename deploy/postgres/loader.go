package postgres

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// libraries adds what the bundle's programs and modules are linked with, and
// the loader that they name. Which library a name stands for is the loader's
// own decision, so the loader is asked.
func (i *Install) libraries(ctx context.Context, b *bundle, l layout) error {
	loader, err := interpreter(filepath.Join(i.Bin, "postgres"))
	if err != nil {
		return err
	}
	if loader == "" {
		return nil // linked with everything already
	}
	found := map[string]string{} // by the name that the programs ask for
	var modules []string
	for _, f := range b.files() {
		if path.Dir(f.Path) == l.modules && strings.HasSuffix(f.Path, ".so") {
			modules = append(modules, f.Path)
		}
	}
	for _, program := range []string{"postgres", "initdb"} {
		if err := i.ask(ctx, loader, filepath.Join(i.Bin, program), found); err != nil {
			return err
		}
	}
	// The loader looks beside the C library without being told to.
	home := ""
	for name, file := range found {
		if strings.HasPrefix(name, "libc.") {
			home = filepath.Dir(file)
		}
	}
	if home == "" { // where the loader is the C library
		home = filepath.Dir(loader)
	}
	for _, m := range modules {
		if err := i.ask(ctx, loader, b.at[m].From, found); errors.Is(err, errMissing) {
			delete(b.at, m) // it does not work on this machine, either
		} else if err != nil {
			return err
		}
	}
	// Older C libraries load what looks a user's name up at run time only.
	if names := filepath.Join(home, "libnss_files.so.2"); exists(names) {
		found[filepath.Base(names)] = names
	}
	found[""] = loader
	for name, file := range found {
		to := path.Join(home, name)
		if name == "" || filepath.IsAbs(name) {
			to = path.Clean(file)
		}
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			return err
		}
		b.add(File{Path: to, From: real, Mode: 0o755})
	}
	return nil
}

// errMissing says that a file needs a library that this machine has not got.
var errMissing = errors.New("a library is missing")

// ask adds the libraries of one file to found.
func (i *Install) ask(ctx context.Context, loader, file string, found map[string]string) error {
	out, err := i.runner("").command(ctx, loader, "--list", file).CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	libs, missing := parseLoader(string(out))
	switch {
	case len(missing) > 0:
		return fmt.Errorf("%s: %w: %s", file, errMissing, strings.Join(missing, ", "))
	case err != nil && !strings.Contains(string(out), "statically linked"):
		return fmt.Errorf("libraries of %s: %w", file, said(err, out))
	}
	for name, at := range libs {
		if _, ok := found[name]; !ok {
			found[name] = at
		}
	}
	return nil
}

// parseLoader reads what a loader prints of a program's libraries: the file
// that each name stands for, and the names that stand for none.
//
//	linux-vdso.so.1 (0x00007ffd5b1f2000)
//	libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f5e1c000000)
//	libldap.so.2 => not found
//	/lib64/ld-linux-x86-64.so.2 (0x00007f5e1c200000)
//
// The first is the kernel's own and the last the loader itself.
func parseLoader(text string) (found map[string]string, missing []string) {
	found = map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, file, ok := strings.Cut(line, " => ")
		if !ok {
			if rest, ok := strings.CutPrefix(line, "Error loading shared library "); ok { // as musl says it
				name, _, _ = strings.Cut(rest, ":")
				missing = append(missing, name)
			}
			continue
		}
		if file == "not found" {
			missing = append(missing, name)
			continue
		}
		if at := strings.LastIndex(file, " (0x"); at >= 0 {
			file = file[:at]
		}
		if name != "" && path.IsAbs(file) {
			found[name] = file
		}
	}
	slices.Sort(missing)
	return found, slices.Compact(missing)
}

// interpreter returns the loader that a program names; empty if it needs none.
func interpreter(program string) (string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return "", fmt.Errorf("%s: %w", program, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 { // the longest path that the kernel takes
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return "", fmt.Errorf("%s: %w", program, err)
		}
		name := strings.TrimRight(string(b), "\x00")
		if _, err := os.Stat(name); err != nil {
			return "", fmt.Errorf("%s: %w", program, err)
		}
		return name, nil
	}
	return "", nil
}
