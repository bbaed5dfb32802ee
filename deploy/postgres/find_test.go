package postgres_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// mirrors are where packages come from, to tell a broken fetch from a missing
// network.
var mirrors = []string{"deb.debian.org:80", "archive.ubuntu.com:80", "ports.ubuntu.com:80"}

func TestPackagesNeedNothingInstalled(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this fetches 20 MB")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("needs Debian or Ubuntu: there is no apt-get here")
	}
	dir := folder(t)
	cache := filepath.Join(dir, "it's my [cache")
	var said []string
	in, err := postgres.Find(t.Context(), cache, func(s string) { said = append(said, s) }, postgres.Packages)
	if err != nil {
		for _, m := range mirrors {
			if c, err := net.DialTimeout("tcp", m, 3*time.Second); err == nil {
				c.Close()
				t.Logf("%s answers", m)
				t.Fatalf("%v (said %q)", err, said)
			}
		}
		t.Skipf("needs the distribution's mirror: %v", err)
	}
	if in.Source != postgres.Packages || !strings.HasPrefix(in.Bin, cache) || len(said) == 0 {
		t.Errorf("%s from %s, said %q; want one unpacked below %s", in.Bin, in.Source, said, cache)
	}
	if _, err := os.Stat(filepath.Join(cache, "apt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the package lists are left in the cache: %v", err)
	}
	c := open(t, start(t, in, options(t, dir)), "payment")
	if got := show(t, c, "SHOW server_version"); !strings.HasPrefix(got, in.Version) {
		t.Errorf("version %s, want %s", got, in.Version)
	}

	// Whoever does not know where its libraries are can run it all the same.
	programs, err := in.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	out, err := exec.CommandContext(t.Context(), "postgres", "--version").Output()
	if err != nil || !strings.Contains(string(out), in.Version) {
		t.Errorf("postgres --version says %q, error %v; want %s", out, err, in.Version)
	}

	// Who finds that folder finds what is behind it, of which a bundle can be made.
	if bin, _ := postgres.LookBehind(programs); bin != in.Bin {
		t.Errorf("behind %s stands %s, want %s", programs, bin, in.Bin)
	}
	files, err := in.Bundle(t.Context(), "/var/cache/guest", guest)
	if err != nil || !slices.ContainsFunc(files, func(f postgres.File) bool { return strings.HasSuffix(f.Path, "/bin/postgres") }) {
		t.Errorf("a bundle of %d files, error %v", len(files), err)
	}

	// The second time it is there, and apt is not asked, nor needed.
	said = nil
	t.Setenv("PATH", t.TempDir())
	again, err := postgres.Find(t.Context(), cache, func(s string) { said = append(said, s) }, postgres.Packages)
	if err != nil || again.Bin != in.Bin || len(said) > 0 {
		t.Errorf("the second time: %v, error %v, said %q", again, err, said)
	}
}

// Where programs need libraries that came with them, each has a script that
// names those, and behind the scripts the programs are found again.
func TestScriptsOfPrograms(t *testing.T) {
	in, dir := install(t)
	const libs = "/opt/it's/lib"
	scripts, err := postgres.Scripts(t.Context(), in, filepath.Join(dir, "cache"), libs)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(scripts, "postgres"), "--version").Output()
	if err != nil || !strings.Contains(string(out), in.Version) {
		t.Errorf("postgres --version says %q, error %v; want %s", out, err, in.Version)
	}
	if bin, got := postgres.LookBehind(scripts); scripts == in.Bin || bin != in.Bin || !strings.HasSuffix(got, libs) {
		t.Errorf("behind %s stands %s with the libraries of %q", scripts, bin, got)
	}
	if bin, got := postgres.LookBehind(in.Bin); bin != in.Bin || got != "" {
		t.Errorf("behind the programs themselves stands %s with the libraries of %q", bin, got)
	}
}

// TestAsAnOrdinaryUser runs the other tests once more without root's rights.
func TestAsAnOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: without it the other tests are this test")
	}
	in, dir := install(t)
	// The test binary stands in a folder that is closed to others.
	self := filepath.Join(dir, "self.test")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(self, b, 0o755); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, in.Account.UID, in.Account.GID); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.short", "-test.timeout=2m",
		"-test.run", "^(TestDurability|TestKilledServer|TestOrphans|TestStopDoesNot|TestProvisionAgain)")
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(in.Account.UID), Gid: uint32(in.Account.GID)}}
	cmd.WaitDelay = time.Second // a server that it left would keep the pipe
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != 5 {
		t.Errorf("as %s: %v\n%s", in.Account.Name, err, out)
	}
	if _, err := os.Stat(filepath.Join(home, ".cache", "bedlam", "templates")); err != nil {
		t.Errorf("the user's own cache was not used: %v", err)
	}
}

func TestFindSaysWhatWasTriedAndWhatWouldHelp(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := postgres.Find(t.Context(), folder(t), nil, postgres.Packages)
	if err == nil {
		t.Fatal("found packages without apt")
	}
	for _, want := range []string{"no PostgreSQL", "neither Debian nor Ubuntu", "to help"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is not one line", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := postgres.Find(ctx, folder(t), nil, postgres.Packages, postgres.System); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestCacheThatMayOnlyBeRead has a cache with an unpacked tree in it.
func TestCacheThatMayOnlyBeRead(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("needs Debian or Ubuntu: there is no apt-get here")
	}
	in, dir := install(t)
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	parent := filepath.Join(dir, "packages")
	tree := filepath.Join(parent, fmt.Sprintf("%s-%s-postgresql-%d", postgres.Release(string(release)), runtime.GOARCH, in.Major))
	bin := filepath.Join(tree, fmt.Sprintf("usr/lib/postgresql/%d/bin", in.Major))
	link, to := bin, in.Bin
	if root, ok := strings.CutSuffix(in.Bin, fmt.Sprintf("/usr/lib/postgresql/%d/bin", in.Major)); ok && root != "" {
		link, to = tree, root // with the libraries that came with it
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{parent, dir} {
		if err := os.Chmod(path, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(path, 0o755)
	}
	got, err := postgres.Find(t.Context(), dir, nil, postgres.Packages)
	if err != nil || got.Bin != bin {
		t.Fatalf("%v, error %v; want the one in %s", got, err, bin)
	}
	// Root may write all the same: it must not have wanted to.
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("the cache holds %v, error %v; want the tree alone", entries, err)
	}

	// Ctrl-C at the wrong moment must not look like a tree that is broken.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := postgres.Find(ctx, dir, nil, postgres.Packages); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Errorf("cancelled, it removed the tree: %v", err)
	}

	if os.Getuid() == 0 {
		return // nothing is closed to it
	}
	empty := folder(t)
	if err := os.Chmod(empty, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(empty, 0o755)
	if _, err := postgres.Find(t.Context(), empty, nil, postgres.Packages, postgres.Download); err == nil || strings.Count(err.Error(), "BEDLAM_CACHE") != 1 {
		t.Errorf("error %v, want one hint at BEDLAM_CACHE", err)
	}
}

func TestFindSkipsWhatIsTooOldOrBroken(t *testing.T) {
	in, dir := install(t)
	programs, err := in.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"old":    "#!/bin/sh\necho 'postgres (PostgreSQL) 12.22'\n",
		"other":  "#!/bin/sh\necho 'something else'\n",
		"broken": "#!/bin/sh\necho 'cannot open shared object file' >&2; exit 127\n",
	} {
		bin := filepath.Join(dir, name)
		if err := os.Mkdir(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{
			"postgres": says, "initdb": says, "pg_config": "#!/bin/sh\necho " + bin + "\n",
		} {
			if err := os.WriteFile(filepath.Join(bin, file), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", bin+":"+programs+":/usr/bin:/bin")
		got, err := postgres.Find(t.Context(), dir, nil, postgres.System)
		if in.Source != postgres.System {
			// Nothing else is installed, so the broken one is what there is to tell of.
			if err == nil || !strings.Contains(err.Error(), bin) {
				t.Errorf("%s: found %v, error %v; want one that names %s", name, got, err, bin)
			}
			continue
		}
		if err != nil || got.Bin != in.Bin {
			t.Errorf("%s: found %v, error %v; want %s", name, got, err, in.Bin)
		}
	}
}

// TestUnreadableBinariesAreCopied hides a whole tree where only root can read.
func TestUnreadableBinariesAreCopied(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: others run what they can read")
	}
	in, dir := install(t)
	root, _, ok := strings.Cut(in.Bin, "/lib/postgresql/")
	if !ok || in.Source != postgres.System {
		t.Skipf("needs an installed PostgreSQL in Debian's layout, and this is %s", in.Bin)
	}
	old := syscall.Umask(0o077) // a careful root's
	defer syscall.Umask(old)
	hidden := filepath.Join(dir, "hidden")
	if err := os.Mkdir(hidden, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{fmt.Sprintf("lib/postgresql/%d", in.Major), fmt.Sprintf("share/postgresql/%d", in.Major)} {
		if err := os.CopyFS(filepath.Join(hidden, part), os.DirFS(filepath.Join(root, part))); err != nil && !errors.Is(err, os.ErrInvalid) {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(hidden, strings.TrimPrefix(in.Bin, root))
	tools := filepath.Join(dir, "tools")
	if err := os.Mkdir(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tools, "pg_config"), []byte("#!/bin/sh\necho "+bin+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":/usr/bin:/bin")
	cache := filepath.Join(dir, "cache")
	got, err := postgres.Find(t.Context(), cache, func(s string) { t.Log(s) }, postgres.System)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Bin, cache) {
		t.Fatalf("found %s, want a copy below %s", got.Bin, cache)
	}
	c := open(t, start(t, got, options(t, dir)), postgres.Superuser)
	if share := show(t, c, "SELECT setting FROM pg_config WHERE name = 'SHAREDIR'"); !strings.HasPrefix(share, cache) {
		t.Errorf("the copy takes its files from %s", share)
	}
}

func TestReaches(t *testing.T) {
	in, dir := install(t)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := in.Reaches(filepath.Join(dir, "not", "there", "yet")); err != nil {
		t.Error(err)
	}
	err := in.Reaches(filepath.Join(closed, "x"))
	if os.Getuid() != 0 {
		if err != nil {
			t.Errorf("our own folder: %v", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), closed) {
		t.Errorf("error %v, want one that names %s", err, closed)
	}
	if _, err := postgres.Find(t.Context(), closed, nil); err == nil || !strings.Contains(err.Error(), "BEDLAM_CACHE") {
		t.Errorf("a closed cache: error %v, want one that says how to choose another", err)
	}
	o := options(t, closed)
	if err := in.Init(t.Context(), o); err == nil || !strings.Contains(err.Error(), closed) {
		t.Errorf("Init: error %v, want one that names %s", err, closed)
	}
}

func TestTemplateIsMadeOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: initdb takes seconds")
	}
	found, dir := install(t)
	cache := filepath.Join(dir, "cache")
	in, err := postgres.Find(t.Context(), cache, nil, found.Source)
	if err != nil {
		t.Skipf("a second look in another cache: %v", err)
	}
	var all sync.WaitGroup
	for n := range 3 {
		o := options(t, dir)
		o.Dir = filepath.Join(dir, fmt.Sprint(n))
		all.Go(func() {
			if err := in.Init(context.Background(), o); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	made, err := filepath.Glob(filepath.Join(cache, "templates", "*", "data"))
	if err != nil || len(made) != 1 {
		t.Errorf("templates %q, error %v; want one", made, err)
	}
	left, err := filepath.Glob(filepath.Join(cache, "templates", ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("half-made templates %q, error %v", left, err)
	}
}

func TestCacheDir(t *testing.T) {
	want := filepath.Join(t.TempDir(), "a", "b")
	t.Setenv("BEDLAM_CACHE", want)
	got, err := postgres.CacheDir()
	if err != nil || got != want {
		t.Errorf("%s, error %v; want %s", got, err, want)
	}
	if _, err := os.Stat(got); err != nil {
		t.Error(err)
	}
}

// TestDownload serves an archive, laid out as the library's, from here.
func TestDownload(t *testing.T) {
	for _, tool := range []string{"tar", "xz"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s to make an archive", tool)
		}
	}
	in, dir := install(t)
	if _, err := os.Stat(filepath.Join(in.Bin, "pg_ctl")); err != nil {
		t.Skip("needs pg_ctl beside postgres")
	}
	cmd := exec.CommandContext(t.Context(), "tar", "-cJ", "-C", filepath.Dir(in.Bin), "bin/postgres", "bin/initdb", "bin/pg_ctl")
	cmd.Env = append(os.Environ(), "XZ_OPT=-0")
	archive, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	w, err := z.Create("postgres-test.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	scratch := filepath.Join(dir, "tmp")
	if err := os.Mkdir(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", scratch)
	foreign := filepath.Join(scratch, "embedded_postgres_log1") // of somebody else
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var served []string
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served = append(served, r.URL.Path)
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			fmt.Fprintf(w, "%x", sha256.Sum256(jar.Bytes()))
			return
		}
		w.Write(jar.Bytes())
	}))
	defer mirror.Close()
	got, err := postgres.FindAt(t.Context(), dir, mirror.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got.Source != postgres.Download || got.Version != in.Version || len(served) != 2 {
		t.Errorf("%+v after %q", got, served)
	}
	if again, err := postgres.FindAt(t.Context(), dir, mirror.URL); err != nil || again.Bin != got.Bin || len(served) != 2 {
		t.Errorf("the second time: %v, error %v, after %q", again, err, served)
	}

	jar.Reset()
	jar.WriteString("no archive")
	if _, err := postgres.FindAt(t.Context(), filepath.Join(dir, "other"), mirror.URL); err == nil || !strings.Contains(err.Error(), "embedded-postgres") {
		t.Errorf("a broken archive: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "other", "download", ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, error %v", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(scratch, "*")); err != nil || !slices.Equal(left, []string{foreign}) {
		t.Errorf("temporary files: %q, error %v; want %s alone", left, err, foreign)
	}
}
