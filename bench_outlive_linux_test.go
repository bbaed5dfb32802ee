package bedlam

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a bench starts ends with it, also when it is killed and closes nothing.
func TestNothingOutlivesABench(t *testing.T) {
	if os.Getenv("BEDLAM_BENCH_TO_KILL") != "" {
		f := &benchField{closed: make(chan struct{})}
		cmd := exec.Command("sleep", "3600")
		if err := f.run(cmd); err != nil {
			t.Fatal(err)
		}
		fmt.Println("started", cmd.Process.Pid)
		select {} // until it is killed
	}
	bench := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	bench.Env = append(os.Environ(), "BEDLAM_BENCH_TO_KILL=1")
	out, err := bench.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bench.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var pid int
	if _, scan := fmt.Sscanf(line, "started %d", &pid); err != nil || scan != nil {
		bench.Process.Kill()
		rest, _ := io.ReadAll(out)
		t.Fatalf("it says %q%s: %v, %v", line, rest, err, scan)
	}
	held, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	if err := bench.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := bench.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
	// A pidfd can be read from when its process has ended.
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(held), Events: unix.POLLIN}}, 60_000); n != 1 {
		t.Errorf("what it started lives on (%v)", err)
		unix.PidfdSendSignal(held, unix.SIGKILL, nil, 0)
	}
}
