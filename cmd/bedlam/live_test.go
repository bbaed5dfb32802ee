package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/verify/built"
)

// A place is a state folder, a tmp folder and runs, of one test.
type place struct{ programs, dir string }

func (p place) bedlam(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.programs, "bedlam"), args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "BEDLAM_STATE="+filepath.Join(p.dir, "state"), "TMPDIR="+filepath.Join(p.dir, "tmp"))
	return cmd
}

// run does the command and returns its exit code and output.
func (p place) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := p.bedlam(args...)
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // the exit code is what counts
	return cmd.ProcessState.ExitCode(), out.String(), wrong.String()
}

// TestSideBySide does three runs and a person's shop at once, in one state
// folder: they do not meet, and nothing is left of any.
func TestSideBySide(t *testing.T) {
	p := place{built.Programs(t, filepath.Join("..", "..")), built.Folder(t)}
	for _, name := range []string{"state", "tmp"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Subtests that run side by side end before their group does.
	t.Run("group", func(t *testing.T) {
		t.Run("recorded", func(t *testing.T) { t.Parallel(); recorded(t, p) })
		t.Run("full", func(t *testing.T) { t.Parallel(); full(t, p) })
		t.Run("asleep", func(t *testing.T) { t.Parallel(); asleep(t, p) })
		t.Run("up", func(t *testing.T) { t.Parallel(); up(t, p) })
	})
	for _, name := range []string{"state/runs", "tmp"} {
		left, err := os.ReadDir(filepath.Join(p.dir, name))
		if err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", name, left, err)
		}
	}
}

// recorded does a run to its end, and judges its folder again: as it is, and
// with what happens to files.
func recorded(t *testing.T, p place) {
	code, out, wrong := p.run(t, "run", "--rate", "10", "--out", "recorded", "recommend-down")
	// Whatever it came to: three shops are too much for a small machine.
	if code == exitUsage || code == exitNotLifted {
		t.Fatalf("exit code %d\n%s\n%s", code, out, wrong)
	}
	dir := filepath.Join(p.dir, "recorded")
	entries, torn, err := runner.ReadJournal(filepath.Join(dir, "journal"))
	if err != nil || torn != "" || len(entries) == 0 || entries[len(entries)-1].Kind != chaos.RunEnded {
		t.Fatalf("the run did not come to its end: %v, %s\n%s", err, torn, wrong)
	}
	first := read(t, dir, "result.json")
	for range 2 {
		if again, _, wrong := p.run(t, "judge", "recorded"); again != code {
			t.Errorf("judged again: exit code %d, was %d: %s", again, code, wrong)
		}
		if !bytes.Equal(first, read(t, dir, "result.json")) {
			t.Error("judged again, result.json is another")
		}
	}
	if code, text, _ := p.run(t, "report", "recorded"); code != 0 || !strings.HasPrefix(text, strings.TrimSpace(string(read(t, dir, "report.txt")))) {
		t.Errorf("report: exit code %d\n%s", code, text)
	}
	holding(t, first, entries)
	exported(t, p, dir)
	compared(t, p, dir)
	for _, c := range []struct {
		name, file string
		change     func([]byte) []byte
		code       int
	}{
		{"flipped history", "history", flip, exitUsage},
		{"flipped spans", "spans/spans.otlp", flip, exitUsage},
		{"torn history", "history", half, exitInconclusive},
		{"torn journal", "journal", func(b []byte) []byte { return b[:len(b)-10] }, exitInconclusive},
		{"torn events", "events", func(b []byte) []byte { return b[:len(b)-10] }, exitInconclusive},
		{"no history", "history", nil, exitInconclusive},
		{"no journal", "journal", nil, exitInconclusive},
		{"later plan", "plan.json", func(b []byte) []byte { return bytes.Replace(b, []byte("bedlam.plan/1"), []byte("bedlam.plan/99"), 1) }, exitUsage},
	} {
		copied := filepath.Join(p.dir, "recorded "+c.name)
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(copied, c.file)
		if c.change == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, c.change(read(t, copied, c.file)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		code, _, wrong := p.run(t, "judge", copied)
		if code != c.code || code == exitUsage && strings.Count(wrong, "\n") != 1 {
			t.Errorf("%s: exit code %d, want %d, and for a refusal one line: %s", c.name, code, c.code, wrong)
		}
	}
}

// instances of services are nineteen: the bank one, all others two each.
const instances = 19

// holding looks for what the processes said that they hold.
func holding(t *testing.T, result []byte, entries []chaos.Entry) {
	if !slices.ContainsFunc(entries, func(e chaos.Entry) bool { return e.Kind == chaos.Lifted }) {
		t.Log("the machine was too slow for a fault: nothing can be told of what it left")
		return
	}
	var r chaos.Result
	if err := json.Unmarshal(result, &r); err != nil {
		t.Fatal(err)
	}
	e := r.Experiments[0]
	if e.Stability == nil || e.Restoration == nil || e.Restoration.Told()+e.Restoration.Untold < instances*4 {
		t.Errorf("of the processes there is %+v and %+v", e.Stability, e.Restoration)
	}
	for _, m := range []string{"memory", "goroutines", "descriptors", "queues"} {
		i := slices.IndexFunc(e.Rows, func(r chaos.Row) bool { return r.Metric == m })
		if i < 0 || e.Rows[i].Baseline == nil || m != "queues" && *e.Rows[i].Baseline < instances {
			t.Errorf("%s: there is no row, or nothing in it: %+v", m, e.Rows)
		}
	}
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 0x10
	return b
}

func half(b []byte) []byte { return b[:len(b)/2] }

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// full does a run whose disk fills up in the middle.
func full(t *testing.T, p place) {
	disk := filepath.Join(p.dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	smallDisk(t, disk)
	code, out, wrong := p.run(t, "run", "--rate", "20", "--out", "disk/run", "recommend-down")
	if code != exitInconclusive || !strings.HasPrefix(out, chaos.Inconclusive.String()) || !strings.Contains(wrong, "no space left") {
		t.Errorf("exit code %d, want %d; it says\n%s\n%s", code, exitInconclusive, out, wrong)
	}
	entries, _, err := runner.ReadJournal(filepath.Join(disk, "run", "journal"))
	if live := runner.Live(entries); err != nil || len(live) > 0 {
		t.Errorf("still live: %v, %v", live, err)
	}
	// The disk is still full: the judgement cannot be kept, and is given.
	if code, out, wrong := p.run(t, "judge", "disk/run"); code != exitInconclusive || !strings.HasPrefix(out, chaos.Inconclusive.String()) {
		t.Errorf("judge: exit code %d\n%s\n%s", code, out, wrong)
	}
}

// asleep stops bedlam itself while a fault is on, for longer than its lease:
// its guard lifts the fault meanwhile, and the run proves nothing.
func asleep(t *testing.T, p place) {
	cmd := p.bedlam("run", "--rate", "5", "--out", "asleep", "catalog-replica-paused")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // the exit code is what counts
		close(ended)
	}()
	defer func() { // whatever went wrong
		cmd.Process.Signal(syscall.SIGCONT)
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	}()
	journal := filepath.Join(p.dir, "asleep", "journal")
	patience := time.After(2 * time.Minute) // four times what the whole run takes
	await := func(kind chaos.EntryKind) {
		for {
			entries, _, err := runner.ReadJournal(journal)
			if err == nil && slices.ContainsFunc(entries, func(e chaos.Entry) bool { return e.Kind == kind }) {
				return
			}
			select {
			case <-ended:
				t.Fatalf("it ended before %s stood in its journal:\n%s", kind, out.String())
			case <-patience:
				t.Fatalf("%s does not appear in its journal:\n%s", kind, read(t, p.dir, "asleep/journal"))
			case <-time.After(10 * time.Millisecond): // a file's growth is no event
			}
		}
	}
	await(chaos.Injected)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(chaos.Healed)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	<-ended
	if code := cmd.ProcessState.ExitCode(); code != exitInconclusive || !strings.Contains(out.String(), "the lease was lost") {
		t.Errorf("exit code %d, want %d and the lost lease as a reason:\n%s", code, exitInconclusive, out.String())
	}
}

// up starts a shop for a person, who looks in and presses Ctrl-C twice.
func up(t *testing.T, p place) {
	cmd := p.bedlam("up", "--rate", "5", "--out", "up")
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		if said[word] = strings.TrimSpace(rest); word == "Ctrl-C" {
			break
		}
	}
	if a, err := http.Get(said["Storefront"]); err != nil || a.StatusCode != http.StatusOK {
		t.Errorf("the storefront at %q: %v, %v", said["Storefront"], a, err)
	} else {
		a.Body.Close()
	}
	for range 2 {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, wrong.String())
	}
}

// TestDoctorIsContent asks the doctor beside a shop.
func TestDoctorIsContent(t *testing.T) {
	p := place{built.Programs(t, filepath.Join("..", "..")), built.Folder(t)}
	code, out, wrong := p.run(t, "doctor")
	if code != 0 || strings.Contains(out, "✗") {
		t.Errorf("exit code %d\n%s\n%s", code, out, wrong)
	}
	var items []struct{ Name string }
	if code, out, _ := p.run(t, "list", "faults", "--json"); code != 0 || json.Unmarshal([]byte(out), &items) != nil || len(items) == 0 {
		t.Errorf("list faults --json: exit code %d\n%s", code, out)
	}
}
