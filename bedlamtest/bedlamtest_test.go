package bedlamtest_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/bedlamtest"
	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/verify/built"
)

// scene names, in a test program that was started by another, what is to go
// wrong in it.
const scene = "BEDLAMTEST_SCENE"

func TestMain(m *testing.M) {
	code := m.Run()
	built.Remove()
	os.Exit(code)
}

// TestScene is what the started test programs run: a shop comes up, and then
// the test ends in a way that nobody wants.
func TestScene(t *testing.T) {
	name := os.Getenv(scene)
	if name == "" {
		t.Skip("it is a part of other tests")
	}
	if name == "nowhere" { // its state has no place
		bedlamtest.Run(t, bedlamtest.Options{Engine: "process", Rate: 5, Tries: 1}, "recommend-down")
		t.Log("the test goes on")
		return
	}
	if name == "run" { // is cut short by go test's own time
		out := bedlamtest.Run(t, bedlamtest.Options{Engine: "process", Rate: 5, Tries: 1}, "recommend-down")
		bedlamtest.Require(t, out, chaos.Pass)
	}
	u := bedlamtest.Up(t, bedlamtest.Options{Engine: "process"})
	a, err := http.Get(u.Storefront + "/api/home")
	if err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("the shop does not answer: %v, %v", a, err)
	}
	a.Body.Close()
	t.Log("the shop answers")
	switch name {
	case "fatal":
		t.Fatal("as told")
	case "panic":
		panic("as told")
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "skip":
		t.Skip("as told")
	}
}

// A stage is a state and a tmp folder of its own for test programs.
type stage struct{ dir string }

func newStage(t *testing.T) stage {
	t.Helper()
	s := stage{built.Folder(t)}
	for _, name := range []string{"state", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// play runs TestScene in a test program of its own and returns what it says.
func (s stage) play(t *testing.T, name string, env []string, args ...string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"-test.run=^TestScene$", "-test.v"}, args...)...)
	cmd.Env = append(append(os.Environ(), scene+"="+name, "BEDLAM_STATE="+filepath.Join(s.dir, "state"), "TMPDIR="+filepath.Join(s.dir, "tmp")), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// left lists what is left of the runs on the stage.
func (s stage) left(t *testing.T) []string {
	t.Helper()
	var left []string
	for _, pattern := range []string{"state/runs/*", "tmp/bedlam-*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	return left
}

// programs is where test programs find what they need not build.
func programs(t *testing.T) []string {
	t.Helper()
	return []string{"BEDLAM_PROGRAMS=" + built.Programs(t, "..")}
}

// TestNothingIsLeft ends tests in every unwanted way.
func TestNothingIsLeft(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"fatal", "as told"},
		{"panic", "panic: as told"},
		{"skip", "--- SKIP"},
		{"kill", "the shop answers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			out, err := s.play(t, c.name, programs(t))
			if ok := err == nil; ok != (c.name == "skip") || !strings.Contains(out, "the shop answers") || !strings.Contains(out, c.want) {
				t.Errorf("%v, want %q in\n%s", err, c.want, out)
			}
			// Whoever was killed cannot clean up; its guard does, a moment later.
			for until := time.Now().Add(time.Minute); len(s.left(t)) > 0; time.Sleep(20 * time.Millisecond) {
				if c.name != "kill" || time.Now().After(until) {
					t.Fatalf("left: %v", s.left(t))
				}
			}
		})
	}
}

// TestTimeIsShort cuts a run short by the time for tests, before that kills it.
func TestTimeIsShort(t *testing.T) {
	s := newStage(t)
	// Of this, thirty seconds are kept for the end; a run takes more than the rest.
	out, err := s.play(t, "run", programs(t), "-test.timeout=45s")
	if err == nil || !strings.Contains(out, "the verdict is INCONCLUSIVE, want PASS (nothing was proven") || strings.Contains(out, "panic: test timed out") {
		t.Errorf("%v, want a run that proves nothing:\n%s", err, out)
	}
	if left := s.left(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestNoResultIsAnEnd has a run of which there is nothing to return.
func TestNoResultIsAnEnd(t *testing.T) {
	s := newStage(t)
	file := filepath.Join(s.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := s.play(t, "nowhere", append(programs(t), "BEDLAM_STATE="+filepath.Join(file, "state")))
	if err == nil || strings.Contains(out, "the test goes on") || !strings.Contains(out, "not a directory") {
		t.Errorf("%v, want an end that says why:\n%s", err, out)
	}
}

// TestRun does a whole run on the engine that is chosen here.
func TestRun(t *testing.T) {
	out := bedlamtest.Run(t, bedlamtest.Options{Rate: 10, Tries: 1}, "recommend-down")
	// Whatever it came to: this machine may be busy.
	entries, torn, err := runner.ReadJournal(filepath.Join(out.Folder, "journal"))
	if err != nil || torn != "" || len(entries) == 0 || entries[len(entries)-1].Kind != chaos.RunEnded {
		t.Errorf("the run did not come to its end: %v, %s", err, torn)
	}
	if out.Result.Schema == "" || len(out.Result.Experiments) != 1 {
		t.Errorf("it was not judged: %+v", out.Result)
	}
}

// TestWhatCannotRunSaysWhy looks at tests that are not possible.
func TestWhatCannotRunSaysWhy(t *testing.T) {
	empty := built.Folder(t)
	for _, c := range []struct {
		why  string
		env  []string
		args []string
		want string
		ok   bool
	}{
		{"-short", nil, []string{"-test.short"}, "not with -short", true},
		{"-short, and it is required", []string{"BEDLAM_REQUIRE=1"}, []string{"-test.short"}, "not with -short", false},
		{"no go command", []string{"PATH=" + empty}, nil, "there is no go command", true},
		{"no go command, and it is required", []string{"PATH=" + empty, "BEDLAM_REQUIRE=1"}, nil, "there is no go command", false},
		{"no programs where they should be", []string{"BEDLAM_PROGRAMS=" + empty}, nil, "no bedlam program at " + empty, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			if len(c.args) == 0 {
				built.Programs(t, "..") // skips where no shop can run
			}
			out, err := newStage(t).play(t, "fatal", c.env, c.args...)
			if ok := err == nil; ok != c.ok || !strings.Contains(out, c.want) || strings.Contains(out, "--- SKIP") != c.ok {
				t.Errorf("%v, want %q in\n%s", err, c.want, out)
			}
		})
	}
}
