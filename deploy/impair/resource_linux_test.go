package impair_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/topology"
)

// counted reads a counter of the kernel's about the lab's cgroup.
func (s *subject) counted(controller, file, name string) int64 {
	s.Helper()
	g, err := impair.CgroupOf(s.target.PID, controller)
	if err != nil {
		s.Fatal(err)
	}
	n, err := g.Number(file, name)
	if err != nil {
		s.Fatal(err)
	}
	return n
}

func TestCPUQuota(t *testing.T) {
	l := newLab(t)
	s := l.live()
	throttled := func() int64 { return s.counted("cpu", "cpu.stat", "nr_throttled") }
	s.ask("work")
	if n := throttled(); n > 0 {
		t.Fatalf("throttled %d times before there was a quota", n)
	}
	quota, _ := l.target.Cgroup("cpu")
	before := files(t, quota, "cpu.*")
	i := l.impair(impair.CPUQuota, impair.Quota{CPUs: 0.1})
	began := time.Now()
	s.ask("work") // 50 ms of a processor at 10 ms in each 100
	took := time.Since(began)
	if n := throttled(); took < 300*time.Millisecond || n < 3 {
		t.Errorf("50 ms of work took %s, throttled %d times", took, n)
	}
	if err := l.another().Repair(l.within(), i.ID); err != nil {
		t.Fatal(err)
	}
	l.nothing()
	if after := files(t, quota, "cpu.*"); after != before {
		t.Errorf("was %s, is %s", before, after)
	}
	n := throttled()
	s.ask("work")
	if throttled() > n {
		t.Error("after the lift it is still throttled")
	}
}

// files reads what the kernel says in some files, without its counters.
func files(t *testing.T, folder, pattern string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(all) == 0 {
		t.Fatal(folder, err)
	}
	text := ""
	for _, f := range all {
		if b, err := os.ReadFile(f); err == nil && !strings.Contains(f, "stat") {
			text += filepath.Base(f) + " " + string(b)
		}
	}
	return text
}

func TestCPUHog(t *testing.T) {
	l := newLab(t)
	l.live()
	i := l.impair(impair.CPUHog, impair.Hog{Workers: 2})
	pids, err := impair.Hogs(l.target.PID)
	if err != nil || len(pids) != 1 {
		t.Fatalf("hogs %v, %v", pids, err)
	}
	busy(t, pids[0])
	l.plane.Close() // as the end of its process does
	l.shows()
	if err := l.plane.Started(l.within(), l.target); err != nil {
		t.Fatal(err)
	}
	l.shows(impair.CPUHog) // a new life has it again
	if err := l.another().Repair(l.within(), i.ID); err != nil {
		t.Fatal(err)
	}
	l.nothing()
	for began := time.Now(); ; { // an end lasts a moment longer than its last file
		pids, err := impair.Hogs(l.target.PID)
		if err != nil || time.Since(began) > patience {
			t.Fatalf("hogs are left: %v, %v", pids, err)
		}
		if len(pids) == 0 {
			break
		}
	}
}

// busy waits until a process has had some of the processors' time.
func busy(t *testing.T, pid int) {
	t.Helper()
	used := func() time.Duration {
		d, err := impair.CPUTime(pid)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for began, before := time.Now(), used(); used() < before+100*time.Millisecond; {
		if time.Since(began) > patience {
			t.Fatal("it is not busy")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestMemoryBalloon(t *testing.T) {
	l := newLab(t)
	s := l.live()
	const limit = 128 << 20
	folder, v2 := l.target.Cgroup("memory")
	file := "memory.limit_in_bytes"
	if v2 {
		file = "memory.max"
	}
	full := deploy.Impairment{ID: "x/1", Instances: []string{"a"}, Kind: impair.MemoryBalloon, Args: []byte(`{"memory":50}`)}
	if err := l.plane.CanImpair(l.within(), full); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "no limit") {
		t.Errorf("without a limit: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, file), []byte("134217728"), 0); err != nil {
		t.Fatal(err)
	}
	full.Args = []byte(`{"memory":98}`)
	if err := l.plane.Impair(l.within(), full); err == nil || !strings.Contains(err.Error(), "would not fit") {
		t.Errorf("more than there is: %v", err)
	}
	l.nothing()
	i := l.impair(impair.MemoryBalloon, impair.Balloon{Memory: 75})
	if n, err := impair.Balloons(l.target.PID); err != nil || n < limit*3/4 || n > limit {
		t.Errorf("%d bytes are taken, %v", n, err)
	}
	if s.ask("time") == "" { // it lives
		t.Error("no answer")
	}
	if err := l.another().Repair(l.within(), i.ID); err != nil {
		t.Fatal(err)
	}
	l.nothing()
	if n, err := impair.Balloons(l.target.PID); err != nil || n != 0 {
		t.Errorf("%d bytes are left, %v", n, err)
	}
	s.ask("time")
}

func TestFileDescriptors(t *testing.T) {
	t.Parallel()
	l := bare(t)
	s := l.live()
	before := limits(t, l.target.PID)
	if before.Cur != before.Max {
		t.Skipf("this machine's limit of open files is %d of %d even for a program of Go", before.Cur, before.Max)
	}
	const spare = 3
	i := l.impair(impair.FileDescriptors, impair.Descriptors{Spare: spare})
	now := limits(t, l.target.PID)
	if now.Max != before.Max {
		t.Fatalf("the hard limit was %d and is %d", before.Max, now.Max)
	}
	var conns []net.Conn
	answered := func() (n int) {
		for _, conn := range conns {
			conn.Write([]byte("time\n"))
		}
		for _, conn := range conns {
			conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // an answer takes none of it
			if got, _ := conn.Read(make([]byte, 100)); got > 0 {
				n++
			}
		}
		return n
	}
	for range spare + 2 {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	if n := answered(); n != spare {
		t.Errorf("%d of %d connections are answered, want %d", n, len(conns), spare)
	}
	if err := l.another().Repair(l.within(), i.ID); err != nil {
		t.Fatal(err)
	}
	l.nothing()
	if after := limits(t, l.target.PID); after != before {
		t.Errorf("was %v, is %v", before, after)
	}
	conns = conns[spare:]
	for began := time.Now(); answered() < len(conns); { // what they have asked before comes as well
		if time.Since(began) > patience {
			t.Fatal("after the lift it does not answer")
		}
	}
}

func limits(t *testing.T, pid int) unix.Rlimit {
	t.Helper()
	var now unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &now); err != nil {
		t.Fatal(err)
	}
	return now
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	l := bare(t)
	s := l.live()
	before := image(t, l.target.PID)
	near := func(want time.Duration) {
		t.Helper()
		// An answer takes some microseconds; a busy machine may make seconds of it.
		if got := s.ahead() - want; got < 0 || got > 4*time.Second {
			t.Errorf("its clock is %s off what it should be, %s", got, want)
		}
		if took := s.number("sleep"); took < 20*time.Millisecond || took > patience {
			t.Errorf("20 ms are %s to it", took)
		}
	}
	near(0)
	for _, skew := range []time.Duration{-time.Hour, 25*time.Hour + 500*time.Millisecond, -(90*time.Second + time.Nanosecond)} {
		i := l.impair(impair.ClockSkew, impair.Skew{Skew: topology.Duration(skew)})
		near(skew)
		if err := l.another().Repair(l.within(), i.ID); err != nil {
			t.Fatal(err)
		}
		l.nothing()
		near(0)
		if image(t, l.target.PID) != before {
			t.Fatal("its vDSO is not what it was")
		}
	}
}

// image is a process's vDSO as it is.
func image(t *testing.T, pid int) string {
	t.Helper()
	b, err := impair.Image(pid)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A process that is asked for the time as fast as it can is in the code that is
// changed nearly always, and goes on.
func TestClockSkewUnderLoad(t *testing.T) {
	t.Parallel()
	l := bare(t)
	s := l.live()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for range 5 {
			s.ask("work")
		}
	}()
	for range 5 {
		l.repair(l.impair(impair.ClockSkew, impair.Skew{Skew: topology.Duration(time.Hour)}))
	}
	<-asked
	l.nothing()
}

// What a process was stopped for by somebody else, it stays stopped for.
func TestClockSkewOfAFrozenProcess(t *testing.T) {
	t.Parallel()
	l := bare(t)
	l.live()
	if err := unix.Kill(l.target.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(l.target.PID), "status"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "State:\t")
		return rest[:1]
	}
	for state() != "T" {
		time.Sleep(time.Millisecond) // a stop is no event for its sender
	}
	i := l.impair(impair.ClockSkew, impair.Skew{Skew: topology.Duration(time.Hour)})
	if state() != "T" {
		t.Error("it goes on")
	}
	l.repair(i)
	if state() != "T" {
		t.Error("after the lift it goes on")
	}
	if err := unix.Kill(l.target.PID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

func TestResourcesNeedCgroups(t *testing.T) {
	l := bare(t)
	for kind, args := range map[string]string{impair.CPUQuota: `{"cpus":0.1}`, impair.CPUHog: `{"workers":1}`, impair.MemoryBalloon: `{"memory":50}`} {
		i := deploy.Impairment{ID: "x/1", Instances: []string{"a"}, Kind: kind, Args: []byte(args)}
		for _, err := range []error{l.plane.CanImpair(l.within(), i), l.plane.Impair(l.within(), i)} {
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "--isolation full") {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
	if _, err := os.Stat(l.folder); err == nil {
		t.Error("although it cannot, something was written")
	}
}

func TestResourceArguments(t *testing.T) {
	for _, c := range []struct{ kind, args, want string }{
		{impair.CPUQuota, `{}`, "cpus must be between 0.01 and 0.5"},
		{impair.CPUQuota, `{"cpus":0.6}`, "cpus must be"},
		{impair.CPUQuota, `{"cpus":"1"}`, "cannot unmarshal"},
		{impair.CPUHog, `{}`, "workers must be between 1 and 64"},
		{impair.CPUHog, `{"workers":65}`, "workers must be"},
		{impair.MemoryBalloon, `{}`, "memory must be between 1 and 98 percent"},
		{impair.MemoryBalloon, `{"memory":99}`, "memory must be"},
		{impair.FileDescriptors, `{"spare":-1}`, "spare must be between 0 and 1000"},
		{impair.FileDescriptors, `{"limit":1}`, `unknown field "limit"`},
		{impair.ClockSkew, `{}`, "skew is missing"},
		{impair.ClockSkew, `{"skew":"4s"}`, "skew must be between 5s and 87600h0m0s"},
		{impair.ClockSkew, `{"skew":"-90000h"}`, "skew must be"},
		{impair.ClockSkew, `{"skew":"later"}`, "later"},
	} {
		_, err := impair.Build(deploy.Impairment{Kind: c.kind, Args: []byte(c.args)})
		if err == nil || !strings.HasPrefix(err.Error(), c.kind+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %s", c.kind, c.args, err, c.want)
		}
	}
}
