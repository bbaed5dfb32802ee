package postgres_test

import (
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// guest is the account of the bundle's server: not one of this machine's.
const guest = 999

func bundle(t *testing.T) (*postgres.Install, []postgres.File) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("bundles are for Linux")
	}
	in, _ := install(t)
	files, err := in.Bundle(t.Context(), "/var/cache/guest", guest)
	if err != nil {
		t.Fatal(err)
	}
	return in, files
}

func TestBundle(t *testing.T) {
	in, files := bundle(t)
	at := map[string]postgres.File{}
	last := ""
	for _, f := range files {
		if f.Path <= last || !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path {
			t.Errorf("%s comes after %s", f.Path, last)
		}
		last = f.Path
		at[f.Path] = f
		if f.From != "" {
			if info, err := os.Stat(f.From); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s is %s, which is no file: %v", f.Path, f.From, err)
			}
		}
		if f.Owned != strings.HasPrefix(f.Path, "/var/cache/guest/") {
			t.Errorf("%s belongs to the server: %t", f.Path, f.Owned)
		}
		if f.Link != "" && (path.IsAbs(f.Link) || f.From != "") {
			t.Errorf("%s leads to %s", f.Path, f.Link)
		}
	}
	template := "/var/cache/guest/templates/" + in.Version + "-u999-2"
	for _, want := range []string{template, template + "/password", template + "/data/PG_VERSION", template + "/data/base"} {
		if _, ok := at[want]; !ok {
			t.Errorf("%s is not in it", want)
		}
	}
	if at[template+"/password"].Mode != 0o600 {
		t.Errorf("others may read the password: %s", at[template+"/password"].Mode)
	}
	for path := range at {
		if strings.Contains(path, "llvm") || strings.Contains(path, "/bitcode") {
			t.Errorf("%s is in it", path)
		}
	}
}

// The bundle's programs run with nothing else beside them.
func TestBundleRunsAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can shut a program up in a folder")
	}
	in, files := bundle(t)
	root := folder(t)
	for _, f := range files {
		to := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case f.Link != "":
			err = os.Symlink(f.Link, to)
		case f.From == "":
			err = os.MkdirAll(to, 0o755)
		default:
			err = copyTo(f.From, to, f.Mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"postgres", "initdb"} {
		i := slices.IndexFunc(files, func(f postgres.File) bool {
			return path.Base(f.Path) == program && path.Base(path.Dir(f.Path)) == "bin"
		})
		if i < 0 {
			t.Fatalf("%s is not in it", program)
		}
		cmd := exec.Command(files[i].Path, "--version")
		cmd.Path, cmd.Err, cmd.Dir, cmd.Env = files[i].Path, nil, "/", []string{}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: guest, Gid: guest}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), in.Version) {
			t.Errorf("%s alone: %s, %v", program, out, err)
		}
	}
}

func copyTo(from, to string, mode os.FileMode) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode|0o400)
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = io.Copy(w, r)
	return err
}

func TestLayout(t *testing.T) {
	own := filepath.Join(t.TempDir(), "pg")
	for _, dir := range []string{"bin", "lib/postgresql", "share"} {
		if err := os.MkdirAll(filepath.Join(own, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(own, "lib/postgresql/plpgsql.so"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		bin     string
		trees   map[string]string
		modules string
	}{
		{"/usr/lib/postgresql/15/bin", map[string]string{
			"/usr/lib/postgresql/15": "/usr/lib/postgresql/15", "/usr/share/postgresql/15": "/usr/share/postgresql/15",
		}, "/usr/lib/postgresql/15/lib"},
		{"/cache/tree/usr/lib/postgresql/16/bin", map[string]string{
			"/cache/tree/usr/lib/postgresql/16": "/usr/lib/postgresql/16", "/cache/tree/usr/share/postgresql/16": "/usr/share/postgresql/16",
		}, "/usr/lib/postgresql/16/lib"},
		{own + "/bin", map[string]string{
			own + "/bin": "/usr/lib/postgresql/18/bin", own + "/lib": "/usr/lib/postgresql/18/lib", own + "/share": "/usr/lib/postgresql/18/share",
		}, "/usr/lib/postgresql/18/lib/postgresql"},
		{"/usr/bin", nil, ""}, // which would be all of the system
		{"/usr/local/bin", nil, ""},
		{own, nil, ""},
		{"/nothing/here/bin", nil, ""},
	} {
		trees, modules, err := postgres.Layout(c.bin, 18)
		if !maps.Equal(trees, c.trees) || modules != c.modules || (err != nil) != (c.trees == nil) {
			t.Errorf("%s: %v, %s, %v", c.bin, trees, modules, err)
		}
	}
}

func TestLoader(t *testing.T) {
	for _, c := range []struct {
		why, text string
		found     map[string]string
		missing   []string
	}{
		{"the GNU loader", `	linux-vdso.so.1 (0x00007ffd5b1f2000)
	libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f5e1c000000)
	libc.so.6 => /opt/a b (c)/libc.so.6 (0x00007f5e1be00000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f5e1c200000)
`, map[string]string{"libz.so.1": "/lib/x86_64-linux-gnu/libz.so.1", "libc.so.6": "/opt/a b (c)/libc.so.6"}, nil},
		{"a library that is missing", "\tlibLLVM-14.so.1 => not found\n\tlibz.so.1 => /lib/libz.so.1 (0x1)\n\tlibLLVM-14.so.1 => not found\n",
			map[string]string{"libz.so.1": "/lib/libz.so.1"}, []string{"libLLVM-14.so.1"}},
		{"musl's loader", `	/lib/ld-musl-x86_64.so.1 (0x7f0000000000)
	libz.so.1 => /lib/libz.so.1 (0x7f0000100000)
	libc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f0000000000)
Error loading shared library libnone.so.1: No such file or directory (needed by /usr/bin/postgres)
`, map[string]string{"libz.so.1": "/lib/libz.so.1", "libc.musl-x86_64.so.1": "/lib/ld-musl-x86_64.so.1"}, []string{"libnone.so.1"}},
		{"nothing", "\tstatically linked\n", map[string]string{}, nil},
	} {
		found, missing := postgres.Loader(c.text)
		if !maps.Equal(found, c.found) || !slices.Equal(missing, c.missing) {
			t.Errorf("%s: %v, %v", c.why, found, missing)
		}
	}
}

func FuzzLoader(f *testing.F) {
	f.Add("\tlibz.so.1 => /lib/libz.so.1 (0x1)\n\tlibx => not found\nError loading shared library y: no")
	f.Add(" =>  =>  (0x")
	f.Fuzz(func(t *testing.T, text string) {
		found, missing := postgres.Loader(text)
		for name, file := range found {
			if name == "" || !path.IsAbs(file) {
				t.Errorf("%q: %q is %q", text, name, file)
			}
		}
		if !slices.IsSorted(missing) {
			t.Errorf("%q: %q", text, missing)
		}
	})
}
