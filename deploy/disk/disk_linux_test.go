package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/disk"
	"github.com/bedlamlab/bedlam/topology"
)

// TestMain is also what `bedlam disk` is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "disk" {
		if err := disk.Main(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// patience bounds every wait. It is no measure of anything.
const patience = time.Minute

// served is a disk until the end of the test.
func served(t *testing.T) (d disk.Disk, ended <-chan struct{}) {
	t.Helper()
	if err := disk.Check(); err != nil {
		t.Skip(err)
	}
	// Not t.TempDir, which is closed to other accounts.
	scratch, err := os.MkdirTemp("", "bedlam-disk-")
	if err == nil {
		scratch, err = filepath.EvalSymlinks(scratch)
	}
	if err == nil {
		err = os.Chmod(scratch, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	d = disk.At(scratch, "store 1") // as the kernel lists no path
	for _, folder := range []string{d.Folder, d.Files} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		kill(t, d)
		if err := disk.Sweep(context.Background(), scratch); err != nil {
			t.Error(err)
		}
		if left, err := disk.Left(scratch); err != nil || len(left) > 0 {
			t.Errorf("left: %q, %v", left, err)
		}
		os.RemoveAll(scratch)
	})
	ended, err = d.Serve(within(t), os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	return d, ended
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// kill ends who serves a disk: the only process that stands beside its files.
func kill(t *testing.T, d disk.Disk) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range all {
		if at, err := os.Readlink(link); err == nil && at == filepath.Dir(d.Files) {
			var pid int
			fmt.Sscanf(link, "/proc/%d/cwd", &pid)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func ail(t *testing.T, d disk.Disk, a disk.Ailment) {
	t.Helper()
	if err := d.Ail(within(t), a); err != nil {
		t.Fatal(err)
	}
}

// cure takes it away twice: what is gone is no error.
func cure(t *testing.T, d disk.Disk, a disk.Ailment) {
	t.Helper()
	for range 2 {
		if err := d.Cure(within(t), a.Name()); err != nil {
			t.Fatal(err)
		}
	}
	if ails, err := d.Ails(within(t), a); err != nil || ails {
		t.Fatalf("after the cure it has %s: %t, %v", a.Name(), ails, err)
	}
}

// What is written on a disk is there, whoever writes it and as whom, and what
// was there is on the disk.
func TestPassesOn(t *testing.T) {
	d, _ := served(t)
	words := bytes.Repeat([]byte("bedlam "), 100_000)
	if err := os.WriteFile(filepath.Join(d.Folder, "a"), words, 0o640); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(d.Files, "a"))
	if err != nil || !bytes.Equal(got, words) {
		t.Errorf("%d bytes are there, want %d (%v)", len(got), len(words), err)
	}
	if info, err := os.Stat(filepath.Join(d.Files, "a")); err != nil || info.Mode() != 0o640 {
		t.Errorf("it is there as %v (%v)", info.Mode(), err)
	}
	const nobody = 65534
	own := filepath.Join(d.Folder, "own")
	if err := errors.Join(os.Mkdir(own, 0o700), os.Chown(own, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("/bin/sh", "-c", "echo x > b && mv b c && mkdir e && ln -s c f && cat f && ! cat ../a")
	sh.Dir = own
	sh.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := sh.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "x\n") {
		t.Errorf("somebody else in a folder of his own: %s (%v)", out, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(d.Files, "own", "c"), &st); err != nil || st.Uid != nobody {
		t.Errorf("his file belongs to %d (%v)", st.Uid, err)
	}
	copied := exec.Command("cp", filepath.Join(d.Folder, "a"), filepath.Join(d.Folder, "g")) // copy_file_range
	if out, err := copied.CombinedOutput(); err != nil {
		t.Errorf("copying: %s (%v)", out, err)
	}
	if got, err := os.ReadFile(filepath.Join(d.Files, "g")); err != nil || !bytes.Equal(got, words) {
		t.Errorf("of the copy %d bytes are there, want %d (%v)", len(got), len(words), err)
	}
}

// On a full disk files do not grow, whether they are open or not. What is there
// can be written over, and what goes makes room.
func TestFull(t *testing.T) {
	d, _ := served(t)
	const kept, free = 64 << 10, 10_000
	at := func(name string) string { return filepath.Join(d.Folder, name) }
	if err := os.WriteFile(at("old"), make([]byte, kept), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.OpenFile(at("old"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	full := disk.Full{Free: free}
	ail(t, d, full)
	if _, err := open.WriteAt(make([]byte, 2*free), kept); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("more than there is room for: %v", err)
	}
	if info, err := open.Stat(); err != nil || info.Size() != kept+free {
		t.Errorf("it has %d bytes, want the %d for which there was room (%v)", info.Size(), kept+free, err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(d.Folder, &st); err != nil || st.Bavail != 0 {
		t.Errorf("it says that %d blocks are left (%v)", st.Bavail, err)
	}
	if err := os.WriteFile(at("new"), []byte("x"), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a new file: %v", err)
	}
	if err := open.Truncate(kept + free + 1); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a longer file: %v", err)
	}
	if err := unix.Fallocate(int(open.Fd()), 0, kept+free, 1); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("room for a longer file: %v", err)
	}
	if _, err := open.WriteAt(make([]byte, kept), 0); err != nil {
		t.Errorf("what is there cannot be written over: %v", err)
	}
	if err := open.Sync(); err != nil {
		t.Error(err)
	}
	if err := open.Truncate(kept); err != nil { // gives the room back
		t.Error(err)
	}
	if err := os.WriteFile(at("new"), make([]byte, free), 0o600); err != nil {
		t.Errorf("into the room that is left: %v", err)
	}
	for what, gives := range map[string]func() error{
		"removed": func() error { return os.Remove(at("new")) },
		"replaced": func() error {
			return errors.Join(os.WriteFile(at("new"), make([]byte, free), 0o600), os.WriteFile(at("empty"), nil, 0o600), os.Rename(at("empty"), at("new")))
		},
	} {
		if err := gives(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(what), make([]byte, free), 0o600); err != nil {
			t.Errorf("in place of what was %s: %v", what, err)
		}
		if err := os.Remove(at(what)); err != nil {
			t.Fatal(err)
		}
	}
	cure(t, d, full)
	if _, err := open.WriteAt(make([]byte, 2*free), kept); err != nil {
		t.Errorf("after the cure: %v", err)
	}
}

// A read-only disk lets nobody change anything, root with an open file least of
// all, and everybody read.
func TestReadOnly(t *testing.T) {
	d, _ := served(t)
	at := func(name string) string { return filepath.Join(d.Folder, name) }
	if err := errors.Join(os.WriteFile(at("a"), []byte("words"), 0o600), os.Mkdir(at("folder"), 0o700)); err != nil {
		t.Fatal(err)
	}
	open, err := os.OpenFile(at("a"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	ail(t, d, disk.ReadOnly{})
	for what, err := range map[string]error{
		"write":    second(open.WriteAt([]byte("x"), 0)),
		"truncate": open.Truncate(0),
		"allocate": unix.Fallocate(int(open.Fd()), 0, 0, 1<<20),
		"open":     second(os.OpenFile(at("a"), os.O_WRONLY, 0)),
		"create":   os.WriteFile(at("b"), nil, 0o600),
		"mkdir":    os.Mkdir(at("b"), 0o700),
		"mkfifo":   unix.Mkfifo(at("b"), 0o600),
		"link":     os.Link(at("a"), at("b")),
		"symlink":  os.Symlink("a", at("b")),
		"rename":   os.Rename(at("a"), at("b")),
		"remove":   unix.Unlink(at("a")),
		"rmdir":    unix.Rmdir(at("folder")),
		"chmod":    os.Chmod(at("a"), 0o644),
		"chown":    os.Chown(at("a"), 1, 1),
		"times":    os.Chtimes(at("a"), time.Now(), time.Now()),
		"setxattr": unix.Setxattr(at("a"), "user.x", []byte("x"), 0),
	} {
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := os.ReadFile(at("a")); err != nil || string(got) != "words" {
		t.Errorf("read: %q, %v", got, err)
	}
	cure(t, d, disk.ReadOnly{})
	if _, err := open.WriteAt([]byte("W"), 0); err != nil {
		t.Errorf("after the cure: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// A slow disk is slow at what it is to be: no operation passes it by.
func TestSlow(t *testing.T) {
	d, _ := served(t)
	p, err := disk.NewPage(d.Folder)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const late = 50 * time.Millisecond
	for _, o := range []disk.Operation{disk.Read, disk.Write, disk.Fsync} {
		slow := disk.Slow{Latency: topology.Duration(late), Percent: 100, Operations: []disk.Operation{o}}
		ail(t, d, slow)
		if took, err := p.Do(o); err != nil || took < late {
			t.Errorf("a %s took %s (%v)", o, took, err)
		}
		cure(t, d, slow)
	}
	half := disk.Slow{Latency: topology.Duration(late), Percent: 50, Seed: 7}
	ail(t, d, half)
	hit, missed := false, false
	for range 30 { // all the same: once in a thousand million
		took, err := p.Do(disk.Write)
		if err != nil {
			t.Fatal(err)
		}
		hit, missed = hit || took >= late, missed || took < late
	}
	if !hit {
		t.Error("of thirty writes half should be slow, and none is")
	}
	if !missed { // on a machine that is slow itself this says nothing
		t.Log("all of thirty writes were slow, and half should be")
	}
	if ails, err := d.Ails(within(t), disk.Slow{Latency: topology.Duration(late), Percent: 50, Seed: 8}); err != nil || ails {
		t.Errorf("it has an ailment that nobody has told it: %v", err)
	}
}

// What a disk is not to have it does not get.
func TestAilRefuses(t *testing.T) {
	d, _ := served(t)
	if err := d.Ail(within(t), disk.Full{Free: -1}); err == nil {
		t.Error("less than nothing is left")
	}
	if err := unix.Setxattr(d.Folder, "trusted.bedlam.full", []byte(`{"free":-1}`), 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("told past the package: %v", err)
	}
	sh := exec.Command("/proc/self/exe", "-test.run=^TestAsSomebodyElse$")
	sh.Env = append(os.Environ(), folderEnv+"="+d.Folder)
	sh.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	sh.Path = os.Args[0]
	if out, err := sh.CombinedOutput(); err != nil && !errors.Is(err, os.ErrPermission) { // who may not even start it
		t.Errorf("%v: %s", err, out)
	}
	if ails, err := d.Ails(within(t), disk.ReadOnly{}); err != nil || ails {
		t.Errorf("somebody else has made it read-only (%v)", err)
	}
	plain := disk.At(t.TempDir(), "plain")
	if err := os.Mkdir(plain.Folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := plain.Ail(within(t), disk.ReadOnly{}); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("a folder that is no disk: %v", err)
	}
	if err := plain.Cure(within(t), disk.ReadOnlyName); err != nil {
		t.Error(err)
	}
}

const folderEnv = "BEDLAM_TEST_DISK"

// TestAsSomebodyElse is what an account without rights tries.
func TestAsSomebodyElse(t *testing.T) {
	folder := os.Getenv(folderEnv)
	if folder == "" {
		t.Skip("it is another process of TestAilRefuses")
	}
	if err := unix.Setxattr(folder, "trusted.bedlam.read_only", []byte(`{}`), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("to make it read-only: %v", err)
	}
}

// A disk that nobody serves any more ails of nothing and is swept, whoever
// stands on it; then it is served anew, with all that was there.
func TestDies(t *testing.T) {
	d, ended := served(t)
	if err := os.WriteFile(filepath.Join(d.Folder, "a"), []byte("words"), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(filepath.Join(d.Folder, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	ail(t, d, disk.ReadOnly{})
	kill(t, d)
	select {
	case <-ended:
	case <-within(t).Done():
		t.Fatal("nobody says that it has ended")
	}
	if served, err := d.Served(within(t)); err != nil || served {
		t.Errorf("it is served: %t, %v", served, err)
	}
	cure(t, d, disk.ReadOnly{})
	if left, err := disk.Left(d.Folder); err != nil || len(left) != 1 {
		t.Errorf("the kernel lists %q (%v)", left, err)
	}
	for range 2 {
		if err := disk.Sweep(within(t), filepath.Dir(d.Folder)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Serve(within(t), os.Args[0]); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(d.Folder, "a")); err != nil || string(got) != "words" {
		t.Errorf("served anew, there is %q (%v)", got, err)
	}
	if ails, err := d.Ails(within(t), disk.ReadOnly{}); err != nil || ails {
		t.Errorf("served anew, it is read-only: %t (%v)", ails, err)
	}
}
