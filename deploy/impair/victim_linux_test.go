package impair_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/cell"
	"github.com/bedlamlab/bedlam/deploy/impair"
)

// asVictim makes this program a victim.
const asVictim = "BEDLAM_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) != "" {
		victim()
		return
	}
	os.Exit(m.Run())
}

// victim answers questions over its connections until its standard input ends.
func victim() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil { // as a server does when it has no descriptor
				time.Sleep(5 * time.Millisecond)
				continue
			}
			go func() {
				defer conn.Close()
				for s := bufio.NewScanner(conn); s.Scan(); {
					fmt.Fprintln(conn, answer(s.Text()))
				}
			}()
		}
	}()
	bufio.NewReader(os.Stdin).ReadString('\n')
}

func answer(question string) string {
	switch question {
	case "time":
		return strconv.FormatInt(time.Now().UnixNano(), 10)
	case "sleep": // by the clock that measures
		began := time.Now()
		time.Sleep(20 * time.Millisecond) // what is asked for
		return strconv.FormatInt(int64(time.Since(began)), 10)
	case "work": // until it has had that much of a processor
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for began := threadTime(); threadTime()-began < 50*time.Millisecond; {
		}
		return "done"
	}
	return "?"
}

func threadTime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

// A subject is a victim that runs.
type subject struct {
	*lab
	address string
	ask     func(question string) string
}

// live starts a victim in the lab's cgroups, and has the lab's target be it.
func (l *lab) live() *subject {
	l.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asVictim+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		l.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.Fatal(err)
	}
	start := cmd.Start
	if len(l.target.Cgroups) > 0 {
		// Its address is this machine's loopback, so that only the cgroups are its own.
		start = func() error { return cell.Cell{Net: "/proc/self/ns/net", Cgroups: l.target.Cgroups}.Start(cmd) }
	}
	if err := start(); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			l.Errorf("the victim: %v", err)
		}
		l.target.PID = 0
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		l.Fatal(err)
	}
	l.target.PID, l.target.Start = cmd.Process.Pid, uint64(cmd.Process.Pid)
	s := &subject{lab: l, address: strings.TrimSpace(address)}
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { conn.Close() })
	r := bufio.NewReader(conn)
	s.ask = func(question string) string {
		l.Helper()
		conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintln(conn, question)
		text, err := r.ReadString('\n')
		if err != nil {
			l.Fatal(err)
		}
		return strings.TrimSpace(text)
	}
	return s
}

// number asks for one.
func (s *subject) number(question string) time.Duration {
	s.Helper()
	n, err := strconv.ParseInt(s.ask(question), 10, 64)
	if err != nil {
		s.Fatal(err)
	}
	return time.Duration(n)
}

// ahead is how far its clock is.
func (s *subject) ahead() time.Duration {
	before := time.Now()
	return time.Unix(0, int64(s.number("time"))).Sub(before)
}

// bare is a lab without a cell: its instances share this machine, and its
// planes need no program.
func bare(t *testing.T) *lab {
	l := &lab{T: t, folder: t.TempDir() + "/impair", target: impair.Target{Instance: "a"}}
	l.plane = l.another()
	return l
}

// nothing wants no record and nothing in force.
func (l *lab) nothing() {
	l.Helper()
	l.shows()
	if left, err := os.ReadDir(l.folder); !errors.Is(err, os.ErrNotExist) && len(left) > 0 {
		l.Errorf("records are left: %v", left)
	}
}
