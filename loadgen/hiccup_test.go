package loadgen_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

// hiccupEnv makes this test binary a generator of its own, so that it can be
// stopped without the shop. It holds the configuration as JSON.
const hiccupEnv = "LOADGEN_TEST_CHILD"

type child struct {
	Gateways []loadgen.Gateway
	History  string
	Start    time.Time
	Rate     float64
}

// shopEnv makes it a shop, so that a benchmark's processor time is the
// generator's alone.
const shopEnv = "LOADGEN_TEST_SHOP"

func TestMain(m *testing.M) {
	if os.Getenv(shopEnv) != "" {
		beShop()
		return
	}
	if text := os.Getenv(hiccupEnv); text != "" {
		if err := beChild(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beChild makes load until its standard input ends.
func beChild(text string) error {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	w, err := loadgen.Create(c.History, loadgen.Header{Run: "child", Start: c.Start})
	if err != nil {
		return err
	}
	ctx, cancel := testContext()
	defer cancel()
	warm := newBell(w, 50, loadgen.Request.Good)
	g, err := loadgen.Start(ctx, loadgen.Config{Run: "child", Rate: c.Rate, Gateways: c.Gateways, Start: c.Start, Recorder: warm})
	if err != nil {
		return err
	}
	select {
	case <-warm.rung:
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Println("warm")
	os.Stdin.Read(make([]byte, 1))
	if err := g.Drain(ctx); err != nil {
		return err
	}
	return w.Close()
}

// A generator that could not run for a second owns up: what was due meanwhile
// is late by its own lag, to the last request, and the shop's own time is told
// apart from it.
func TestHiccupIsOwnedUpTo(t *testing.T) {
	t.Parallel()
	history := filepath.Join(t.TempDir(), "history")
	start := time.Now()
	text, err := json.Marshal(child{Gateways: gateways(t, newShop(), 2), History: history, Start: start, Rate: 200})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), hiccupEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // no effect if it has ended
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "warm\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// The signal is sent; the process stands still once the kernel says so.
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("status %v, %v", status, err)
	}
	from := time.Since(start)
	// The hiccup itself. Its length is no patience: whatever becomes due while
	// it lasts is what is looked at, and in a second that is 200 journeys.
	time.Sleep(time.Second)
	to := time.Since(start)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	_, rows, torn, err := loadgen.Read(history)
	if err != nil || torn != "" {
		t.Fatalf("torn %q, err %v", torn, err)
	}
	// The child was stopped from before from until after to, so nothing due in
	// between can have been sent before to. The clocks of the two processes are
	// compared by the wall, hence a millisecond of grace.
	const grace = time.Millisecond
	due, owned := 0, 0
	for _, r := range rows {
		if r.Due < from || r.Due >= to {
			continue
		}
		due++
		if r.Sent >= to-grace && r.Lag() >= to-r.Due-grace {
			owned++
		} else {
			t.Errorf("due at %v, in the hiccup from %v to %v, but sent at %v", r.Due, from, to, r.Sent)
		}
		// What the shop is said to have needed does not hold the hiccup.
		if r.Done-r.Sent > r.Latency()-(to-r.Due)+grace {
			t.Errorf("the shop's time %v of a latency of %v holds a part of the hiccup", r.Done-r.Sent, r.Latency())
		}
	}
	if due < 100 { // 200 journeys a second arrive
		t.Errorf("only %d requests were due in the hiccup", due)
	}
	t.Logf("%d of %d requests due in the hiccup are late by the generator's own lag", owned, due)
}
