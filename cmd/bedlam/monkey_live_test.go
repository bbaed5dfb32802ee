package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/verify/built"
)

// A beast is a `bedlam monkey` at work, which does nothing by itself for an
// hour.
type beast struct {
	t          *testing.T
	cmd        *exec.Cmd
	dir        string
	url, token string
	ended      chan struct{}
	mu         sync.Mutex
	said       bytes.Buffer
}

// patience is ten times what a shop's start takes on a busy machine.
const patience = 2 * time.Minute

func loose(t *testing.T, p place, name string) *beast {
	t.Helper()
	b := &beast{t: t, dir: filepath.Join(p.dir, name), ended: make(chan struct{})}
	b.cmd = p.bedlam("monkey", "--isolation", "none", "--rate", "5", "--mean", "1h", "--least", "1h", "--out", name)
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.cmd.Stderr = b
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "Control     "); ok {
				at <- url
			}
			_, _ = b.Write(append(lines.Bytes(), '\n')) // never fails
		}
		b.cmd.Wait() // the exit code is what counts
		close(b.ended)
	}()
	t.Cleanup(func() { // whatever went wrong
		b.cmd.Process.Signal(syscall.SIGTERM)
		<-b.ended
	})
	select {
	case b.url = <-at:
	case <-b.ended:
		t.Fatal("it ended before it was up:\n", b.text())
	case <-time.After(patience):
		t.Fatal("it does not come up:\n", b.text())
	}
	token := filepath.Join(b.dir, "token")
	b.token = strings.TrimSpace(string(read(t, b.dir, "token")))
	if info, err := os.Stat(token); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token's file: %v, %v", info.Mode(), err)
	}
	return b
}

// Write keeps what it says.
func (b *beast) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.Write(p)
}

func (b *beast) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.String()
}

func (b *beast) ask(method, path, body string) (int, string) {
	b.t.Helper()
	q, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+b.token)
	q.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		b.t.Fatal(err, b.text())
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return a.StatusCode, string(text)
}

// wrote reports whether a fault's entry stands in the journal.
func (b *beast) wrote(kind chaos.EntryKind, id string) bool {
	entries, _, err := runner.ReadJournal(filepath.Join(b.dir, "journal"))
	return err == nil && slices.ContainsFunc(entries, func(e chaos.Entry) bool { return e.Kind == kind && e.ID == id })
}

func (b *beast) await(what string, done func() bool) {
	b.t.Helper()
	for until := time.Now().Add(patience); !done(); {
		if time.Now().After(until) {
			b.t.Fatalf("%s: waited %s for it\n%s\n%s", what, patience, b.text(), read(b.t, b.dir, "journal"))
		}
		time.Sleep(10 * time.Millisecond) // a file's growth is no event
	}
}

// TestMonkey lets two monkeys loose, each at a shop of its own: one is told
// things and ends, one is killed.
func TestMonkey(t *testing.T) {
	p := place{built.Programs(t, filepath.Join("..", "..")), built.Folder(t)}
	for _, name := range []string{"state", "tmp"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Subtests that run side by side end before their group does.
	t.Run("group", func(t *testing.T) {
		t.Run("told", func(t *testing.T) { t.Parallel(); told(t, p) })
		t.Run("killed", func(t *testing.T) { t.Parallel(); killed(t, p) })
	})
	for _, name := range []string{"state/runs", "tmp"} {
		left, err := os.ReadDir(filepath.Join(p.dir, name))
		if err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", name, left, err)
		}
	}
}

const slow = `{"fault":"latency","selector":{"services":["checkout"]},"target":{"services":["payment"]},"args":{"delay":{"latency":"200ms"}},"duration":"10m"}`

// told injects by the API, looks, halts and ends; what was recorded can be
// replayed.
func told(t *testing.T, p place) {
	b := loose(t, p, "told")
	if code, text := b.ask("POST", "/v1/faults", slow); code != http.StatusCreated || !b.wrote(chaos.Injecting, "asked/1") || !b.wrote(chaos.Injected, "asked/1") {
		t.Fatalf("%d %s\n%s", code, text, read(t, b.dir, "journal"))
	}
	if code, text := b.ask("POST", "/v1/faults", slow); code != http.StatusConflict {
		t.Errorf("two at once: %d %s", code, text)
	}
	if code, text := b.ask("POST", "/v1/faults", strings.Replace(slow, "latency\"", "oom\"", 1)); code != http.StatusUnprocessableEntity {
		t.Errorf("a fault of instances on edges: %d %s", code, text)
	}
	if code, text := b.ask("POST", "/v1/faults", `{"fault":"oom","selector":{"services":["cart"]},"duration":"5s"}`); code != http.StatusNotImplemented {
		t.Errorf("what processes cannot do: %d %s", code, text)
	}
	b.await("the proof", func() bool { return b.wrote(chaos.Proven, "asked/1") })
	// The journal knows it a moment before the monkey does.
	b.await("the metrics", func() bool {
		_, text := b.ask("GET", "/metrics", "")
		return strings.Contains(text, `bedlam_monkey_faults_total{event="proven",fault="latency",origin="api"} 1`) &&
			strings.Contains(text, "bedlam_monkey_goodput_ratio")
	})
	begun := time.Now()
	if code, text := b.ask("POST", "/v1/halt", ""); code != http.StatusOK || !b.wrote(chaos.Lifted, "asked/1") {
		t.Errorf("%d %s", code, text)
	}
	t.Logf("halted after %s", time.Since(begun))
	if code, text := b.ask("POST", "/v1/faults", slow); code != http.StatusConflict {
		t.Errorf("halted, and it injects: %d %s", code, text)
	}
	b.cmd.Process.Signal(os.Interrupt)
	<-b.ended
	// With so few customers some checks of the data have nothing to look at.
	if code := b.cmd.ProcessState.ExitCode(); code != exitPass && code != exitInconclusive {
		t.Errorf("exit code %d\n%s", code, b.text())
	}
	var out struct {
		Counts   monkey.Counts
		Audit    []chaos.AuditLine
		Meetings bedlam.Meetings
	}
	if err := json.Unmarshal(read(t, b.dir, "monkey.json"), &out); err != nil || out.Counts != (monkey.Counts{Injected: 1, Proven: 1, Gone: 1, LeftOut: 2}) || len(out.Audit) == 0 || out.Meetings.Of != 1 || out.Meetings.Alone != "" {
		t.Errorf("%+v, %v\n%s", out, err, b.text())
	}
	for _, want := range []string{`lifted +asked/1 latency`, `faults +1 injected, 1 proven, 1 lifted`, `met +[01] of 1 by requests of customers`, `audit +\d+ of \d+ checks of the data hold, 0 do not`} {
		if !regexp.MustCompile(want).MatchString(b.text()) {
			t.Errorf("it does not say %q:\n%s", want, b.text())
		}
	}
	spans, torn, err := collector.Load(b.dir)
	if err != nil || len(torn) > 0 {
		t.Fatal(err, torn)
	}
	found := 0
	spans.Between(begun.Add(-time.Hour), begun.Add(time.Hour), func(s collector.Span) bool {
		if s.Service == "bedlam-monkey" && s.Attrs["bedlam.fault.id"] == "asked/1" && s.Attrs["bedlam.fault.proven"] == "true" {
			found++
		}
		return true
	})
	if found != 1 {
		t.Errorf("the shop's telemetry has %d spans of the fault, want 1", found)
	}
	if code, text, wrong := p.run(t, "monkey", "--dry-run", "--replay", "told/recording"); code != exitPass || !strings.Contains(text, "replay/1 latency") {
		t.Errorf("replay: exit code %d\n%s\n%s", code, text, wrong)
	}
}

// killed ends the monkey with -9 while a fault is on: its guard lifts it.
func killed(t *testing.T, p place) {
	b := loose(t, p, "killed")
	if code, text := b.ask("POST", "/v1/faults", `{"fault":"pause","selector":{"services":["cart"]},"duration":"10m"}`); code != http.StatusCreated {
		t.Fatal(code, text)
	}
	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-b.ended
	begun := time.Now()
	b.await("the guard", func() bool { return b.wrote(chaos.Healed, "asked/1") })
	b.await("the sweep", func() bool {
		left, err := filepath.Glob(filepath.Join(p.dir, "tmp", "bedlam-*"))
		runs, rerr := filepath.Glob(filepath.Join(p.dir, "state", "runs", "*.json"))
		if err != nil || rerr != nil {
			t.Fatal(err, rerr)
		}
		mine := b.run()
		return !slices.ContainsFunc(append(left, runs...), func(path string) bool { return strings.Contains(path, mine) })
	})
	t.Logf("nothing is left after %s", time.Since(begun))
	entries, _, err := runner.ReadJournal(filepath.Join(b.dir, "journal"))
	if live := runner.Live(entries); err != nil || len(live) > 0 {
		t.Errorf("still live: %v, %v", live, err)
	}
}

// run is the id of the monkey's run.
func (b *beast) run() string {
	var plan chaos.Plan
	if err := json.Unmarshal(read(b.t, b.dir, "plan.json"), &plan); err != nil || plan.Run == "" {
		b.t.Fatal(err)
	}
	return plan.Run
}
