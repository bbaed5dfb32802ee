package docker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// labTime bounds every wait of a test. It is no measure of anything: a machine
// that needs longer is broken.
const labTime = 2 * time.Minute

// A lab is a run of a test's own on the real daemon. Whatever it makes is swept
// at the end, and then no goroutine may be left.
type lab struct {
	*daemon
	t   *testing.T
	ctx context.Context
	run string
	// images go at the end, when no container has them any more.
	images []string
}

var labs atomic.Int64

// newLab skips the test where there is no daemon that this engine can use.
func newLab(t *testing.T) *lab {
	t.Helper()
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithTimeout(t.Context(), labTime)
	d, err := connect(ctx)
	if err != nil {
		cancel()
		t.Skipf("this test needs a Docker daemon: %v", err)
	}
	l := &lab{daemon: d, t: t, ctx: ctx, run: fmt.Sprintf("lab-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), labs.Add(1))}
	t.Cleanup(func() {
		cancel()
		ctx, cancel := context.WithTimeout(context.Background(), labTime)
		defer cancel()
		l.ctx = ctx
		l.must(d.sweep(ctx, l.run))
		for _, ref := range l.images {
			d.api.ImageRemove(ctx, ref, client.ImageRemoveOptions{Force: true, PruneChildren: true}) // it may be gone
		}
		l.must(d.close())
		if !t.Failed() { // a failure may have left something half done
			goleak.VerifyNone(t, before)
		}
	})
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// actor is the program of testdata/actor, static, built once.
var actor = sync.OnceValues(func() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	// Another checkout's actor is another one.
	path := filepath.Join(dir, "bedlam-docker-test", fmt.Sprintf("actor-%x", sha256.Sum256([]byte(here))))
	own := fmt.Sprintf("%s-%d", path, os.Getpid()) // several test binaries may build it at once
	build := exec.Command("go", "build", "-o", own, "./testdata/actor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the actor: %w\n%s", err, out)
	}
	return path, os.Rename(own, path)
})

func (l *lab) actor() string {
	l.t.Helper()
	path, err := actor()
	l.must(err)
	return path
}

// shared are the images that the tests share, until all have been run.
var shared sync.Map

func TestMain(m *testing.M) {
	// One that enginetest has executed again begins while another lies dead, to
	// be looked at.
	if os.Getenv("BEDLAM_ENGINETEST_ECHO") == "" {
		if d, err := connect(context.Background()); err == nil {
			if err := sweepDead(context.Background(), d); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			d.close()
		}
	}
	code := m.Run()
	if d, err := connect(context.Background()); err == nil {
		shared.Range(func(ref, _ any) bool { // not by force: another test binary's containers keep it
			d.api.ImageRemove(context.Background(), ref.(string), client.ImageRemoveOptions{PruneChildren: true})
			return true
		})
		d.close()
	}
	os.Exit(code)
}

// image is the shop's image with the actor as both of its programs.
func (l *lab) image() string {
	l.t.Helper()
	ref, err := l.shopImage(l.ctx, l.run, l.actor(), l.actor(), nil)
	l.must(err)
	shared.Store(ref, true)
	return ref
}

// play makes a container in which the actor does something, and starts it.
func (l *lab) play(s spec, words ...string) string {
	l.t.Helper()
	id := l.cast(s, words...)
	l.must(l.start(l.ctx, id))
	return id
}

// cast makes the container only.
func (l *lab) cast(s spec, words ...string) string {
	l.t.Helper()
	if s.Run == "" {
		s.Run = l.run
	}
	if s.Instance == "" {
		s.Instance = fmt.Sprintf("actor-%d", labs.Add(1))
	}
	if s.Image == "" {
		s.Image = l.image()
	}
	s.Command = append([]string{"/shop"}, words...)
	id, err := l.create(l.ctx, s)
	l.must(err)
	return id
}

// look inspects a container that must be there.
func (l *lab) look(id string) view {
	l.t.Helper()
	v, err := l.inspect(l.ctx, id)
	l.must(err)
	return v
}

// said waits for the end of a container's life and returns what it wrote.
func (l *lab) said(id string) string {
	l.t.Helper()
	var b bytes.Buffer
	l.must(l.follow(l.ctx, id, time.Time{}, &b))
	return b.String()
}

// alive waits until the actor in a container has begun to live.
func (l *lab) alive(id string) {
	l.t.Helper()
	l.until("the actor lives", func() bool { return strings.Contains(l.lastWords(l.ctx, id), "alive") })
}

// until polls, because what is waited for happens in other processes.
func (l *lab) until(what string, is func() bool) {
	l.t.Helper()
	for !is() {
		select {
		case <-l.ctx.Done():
			l.t.Fatalf("after %s it is still not so: %s", labTime, what)
		case <-time.After(glance):
		}
	}
}

// net makes the run's network and returns it with one of its addresses.
func (l *lab) net() (*network, netip.Addr) {
	l.t.Helper()
	n, err := l.makeNetwork(l.ctx, l.run)
	l.must(err)
	a, err := n.Address(1)
	l.must(err)
	return n, a
}

// stored makes the stores' image and a store of it in the run's network, ready
// to be asked.
func (l *lab) stored() (id string, o postgres.Options) {
	l.t.Helper()
	ref := l.store(nil)
	n, ip := l.net()
	o = describe(ip)
	return l.database(ref, n, o), o
}

// without removes an image at the end, however the test ends.
func (l *lab) without(ref string) { l.images = append(l.images, ref) }
