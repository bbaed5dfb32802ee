package exhaust

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// It must not be used where it would be this machine that runs out of memory.
func TestMainRefuses(t *testing.T) {
	for _, c := range []struct{ dir, bytes, want string }{
		{"/dev/shm", "1048576", "only for a container"},
		{"/dev/shm", "much", `"much" is no number of bytes`},
		{"/dev/shm", "0", `"0" is no number of bytes`},
		{"/dev/shm", "-1", `"-1" is no number of bytes`},
	} {
		if err := Main(t.Context(), strings.NewReader(""), c.dir, c.bytes); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.bytes, err, c.want)
		}
	}
}

// shm is a tmpfs of this machine.
func shm(t *testing.T) string {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		t.Skipf("this test needs a tmpfs at /dev/shm: %v", err)
	}
	dir, err := os.MkdirTemp("/dev/shm", "exhaust-")
	if err != nil {
		t.Skip("this test needs to write to /dev/shm: ", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// It takes what it was allowed and no more, keeps it until its time is up, and
// leaves nothing: there is no name for it at any time.
func TestFill(t *testing.T) {
	dir := shm(t)
	used := func() uint64 {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		return (st.Blocks - st.Bfree) * uint64(st.Bsize)
	}
	const most = 32<<20 + 5 // not a whole number of chunks
	before := used()
	timeIsUp := errors.New("time is up")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	full := make(chan error, 1)
	go func() { full <- fill(ctx, dir, most) }()
	for used() < before+most { // others may use it, but not often and not so much
		select {
		case err := <-full:
			t.Fatal(err)
		case <-t.Context().Done():
			t.Fatal("it does not get full")
		case <-time.After(time.Millisecond): // that a tmpfs fills is no event: it is looked at
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("there is a name for it: %v, %v", names, err)
	}
	cancel(timeIsUp)
	if err := <-full; !errors.Is(err, timeIsUp) || !strings.Contains(err.Error(), "33554437 of 33554437 bytes") {
		t.Errorf("got %v", err)
	}
	if after := used(); after >= before+most {
		t.Errorf("%d bytes are left", after-before)
	}
}

// It ends with who asked for it, and says so.
func TestWithin(t *testing.T) {
	in, asker := io.Pipe()
	ctx, cancel := within(t.Context(), in)
	defer cancel()
	if _, err := io.WriteString(asker, "words are none of an end"); err != nil || ctx.Err() != nil {
		t.Errorf("before its end: %v, %v", err, ctx.Err())
	}
	asker.Close()
	<-ctx.Done()
	if why := context.Cause(ctx); !errors.Is(why, errLeft) {
		t.Errorf("got %v", why)
	}
}

func TestFillRefuses(t *testing.T) {
	for _, dir := range []string{"/proc", "/nowhere"} {
		if err := fill(t.Context(), dir, 1); err == nil || !strings.Contains(err.Error(), "filling "+dir) {
			t.Errorf("%s: got %v", dir, err)
		}
	}
}

func TestPrefer(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	p, err := prefer(child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	score := func() string {
		b, err := os.ReadFile(p.path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	if score() != "1000" {
		t.Errorf("its score is %s", score())
	}
	if err := p.Restore(); err != nil {
		t.Fatal(err)
	}
	if got, want := score(), strings.TrimSpace(string(p.score)); got != want {
		t.Errorf("afterwards its score is %s, want %s", got, want)
	}
	if _, err := prefer(1 << 30); err == nil {
		t.Error("a process that there is not was named")
	}
}
