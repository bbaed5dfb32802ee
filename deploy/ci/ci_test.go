package ci_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/verify/built"
)

func TestMain(m *testing.M) {
	code := m.Run()
	built.Remove()
	os.Exit(code)
}

const root = "../.."

// A job is what both kinds of workflow say, as far as it is looked at here.
type job struct {
	uses     []string
	commands []string
	env      map[string]string
	paths    []string // that are kept
}

func github(t *testing.T) job {
	t.Helper()
	var f struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Env      map[string]string
			Strategy struct{ Matrix struct{ Engine []string } }
			Steps    []struct {
				Uses, Run, If string
				With          map[string]string
			}
		}
	}
	decode(t, "github.yml", &f)
	if len(f.Permissions) != 1 || f.Permissions["contents"] != "read" {
		t.Errorf("the workflow may do more than read: %v", f.Permissions)
	}
	g := f.Jobs["gate"]
	j := job{env: g.Env}
	for _, e := range g.Strategy.Matrix.Engine {
		if !slices.Contains(bedlam.Engines(), e) {
			t.Errorf("there is no engine %s", e)
		}
	}
	for _, s := range g.Steps {
		if s.Uses != "" {
			j.uses = append(j.uses, s.Uses)
		}
		if s.Run != "" {
			j.commands = append(j.commands, strings.Split(strings.TrimSpace(s.Run), "\n")...)
		}
		if strings.Contains(s.Uses, "upload-artifact") {
			if j.paths = append(j.paths, s.With["path"]); !strings.Contains(s.If, "always()") {
				t.Error("the run of a red gate is not kept")
			}
		}
	}
	return j
}

func gitlab(t *testing.T) job {
	t.Helper()
	var f map[string]struct {
		Variables map[string]string
		Script    []string
		Artifacts struct {
			When    string
			Paths   []string
			Reports struct{ Junit string }
		}
	}
	decode(t, "gitlab.yml", &f)
	g := f["bedlam"]
	if g.Artifacts.When != "always" {
		t.Error("the run of a red gate is not kept")
	}
	if want := g.Variables["BEDLAM_OUT"] + "/junit.xml"; g.Artifacts.Reports.Junit != want {
		t.Errorf("tests are read from %s, and the gate writes %s", g.Artifacts.Reports.Junit, want)
	}
	if e := g.Variables["BEDLAM_ENGINE"]; !slices.Contains(bedlam.Engines(), e) {
		t.Errorf("there is no engine %s", e)
	}
	return job{commands: g.Script, env: g.Variables, paths: g.Artifacts.Paths}
}

func decode(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

var pinned = regexp.MustCompile(`^actions/(checkout|setup-go|upload-artifact)@[0-9a-f]{40}$`)

// TestActionsArePinned allows three of GitHub's own actions, each as a commit.
func TestActionsArePinned(t *testing.T) {
	uses := github(t).uses
	if len(uses) != 3 {
		t.Errorf("it uses %v, want three actions", uses)
	}
	for _, u := range uses {
		if !pinned.MatchString(u) {
			t.Errorf("%s is no commit of an action that is expected here", u)
		}
	}
}

// TestEveryCommandExists holds each line of the workflows against what there is.
func TestEveryCommandExists(t *testing.T) {
	programs := built.Programs(t, root)
	targets, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for name, j := range map[string]job{"github.yml": github(t), "gitlab.yml": gitlab(t)} {
		if len(j.commands) < 3 {
			t.Errorf("%s: commands %q", name, j.commands)
		}
		if !slices.Contains(j.paths, j.env["BEDLAM_OUT"]) {
			t.Errorf("%s keeps %v, and the runs are in %s", name, j.paths, j.env["BEDLAM_OUT"])
		}
		for _, line := range j.commands {
			words := strings.Fields(line)
			switch words[0] {
			case "make":
				for _, target := range words[1:] {
					if !bytes.Contains(targets, []byte("\n"+target+":")) {
						t.Errorf("%s: there is no make %s", name, target)
					}
				}
			case "bin/bedlam":
				parse(t, programs, words[1:])
			case "deploy/ci/gate.sh":
				parse(t, programs, newGate(t, 0).run(t, 0, words[1:]...).asked[0])
				known(t, programs, words[1:])
			default:
				t.Errorf("%s: what is %q?", name, line)
			}
		}
	}
}

// parse has the program itself read a command line, up to its doing anything.
func parse(t *testing.T, programs string, words []string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(programs, "bedlam"), append(slices.Clone(words), "--help")...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "bedlam "+words[0]) {
		t.Errorf("bedlam %s: %v: %s", strings.Join(words, " "), err, out)
	}
}

// known wants each word to be an experiment's name or tag.
func known(t *testing.T, programs string, words []string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(programs, "bedlam"), "list", "experiments", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name   string
		Detail struct{ Tags []string }
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(append(names, e.Name), e.Detail.Tags...)
	}
	for _, w := range words {
		if !slices.Contains(names, w) {
			t.Errorf("there is no experiment or suite %s", w)
		}
	}
}

// A gate is gate.sh with a program in bedlam's place that ends as it is told.
type gate struct{ dir string }

// bare says that a try leaves no report behind, unstarted that it makes no
// folder, either: then nothing was started.
const (
	bare      = 1000
	unstarted = 2000
)

// newGate writes that program: it notes what it is asked, makes the files that a
// run makes, and ends with the codes one after another.
func newGate(t *testing.T, codes ...int) gate {
	t.Helper()
	g := gate{t.TempDir()}
	var ends strings.Builder
	for i, c := range codes {
		make := `mkdir -p "$out"; echo "junit $n" >"$out/junit.xml"; echo "summary $n" >"$out/summary.md"`
		switch {
		case c >= unstarted:
			make = ":"
		case c >= bare:
			make = `mkdir -p "$out"`
		}
		fmt.Fprintf(&ends, "\t%d) %s; exit %d ;;\n", i+1, make, c%bare)
	}
	text := `#!/bin/sh
cd "` + g.dir + `"
{ for word; do echo "$word"; done; echo; } >>asked
echo x >>times
while [ $# -gt 0 ]; do [ "$1" = --out ] && out=$2; shift; done
n=$(wc -l <times)
case $((n)) in
` + ends.String() + `esac
exit 99
`
	if err := os.WriteFile(filepath.Join(g.dir, "bedlam"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return g
}

// What a gate came to.
type outcome struct {
	asked          [][]string // one for each run
	stdout, stderr string
	junit, summary string
}

func (g gate) run(t *testing.T, want int, words ...string) outcome {
	t.Helper()
	script, err := filepath.Abs("gate.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(script, words...)
	cmd.Dir = g.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "BEDLAM=" + filepath.Join(g.dir, "bedlam"), "BEDLAM_OUT=" + filepath.Join(g.dir, "out"), "GITHUB_STEP_SUMMARY=" + filepath.Join(g.dir, "page")}
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("exit code %d, want %d: %s", got, want, wrong.String())
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(g.dir, name))
		if err != nil && name == "asked" {
			t.Error(err)
		}
		return string(b)
	}
	o := outcome{stdout: out.String(), stderr: wrong.String(), junit: read("out/junit.xml"), summary: read("page")}
	for _, run := range strings.Split(strings.TrimSuffix(read("asked"), "\n\n"), "\n\n") {
		o.asked = append(o.asked, strings.Split(run, "\n"))
	}
	return o
}

// TestGate holds the script's exit code, tries and words against what bedlam
// ends with.
func TestGate(t *testing.T) {
	for _, c := range []struct {
		why   string
		codes []int
		want  int
		tries int
		said  string
	}{
		{"a pass", []int{0}, 0, 1, ""},
		{"a fail is not tried again", []int{1, 0}, 1, 1, "did not stand it"},
		{"nothing was started", []int{2}, 2, 1, "nothing was started"},
		{"not lifted", []int{4, 0}, 4, 1, "could not be put right"},
		{"a stall, then a pass", []int{3, 0}, 0, 2, ""},
		{"a stall, then a fail", []int{3, 1, 0}, 1, 2, "did not stand it"},
		{"it stays inconclusive", []int{3, 3, 3, 0}, 3, 3, "nothing was proven, 3 times"},
		{"killed", []int{137}, 137, 1, "unexpectedly"},
		{"a stall, then killed before a report", []int{3, bare + 137}, 137, 2, "unexpectedly"},
		{"no engine here", []int{unstarted + 3, 0}, 3, 1, "nothing was started"},
		{"a stall, then no engine here", []int{3, unstarted + 3, 0}, 3, 2, "nothing was started"},
	} {
		t.Run(c.why, func(t *testing.T) {
			o := newGate(t, c.codes...).run(t, c.want, "smoke", "mine two.yaml")
			if len(o.asked) != c.tries {
				t.Errorf("%d tries, want %d: %q", len(o.asked), c.tries, o.asked)
			}
			junit, summary := fmt.Sprintf("junit %d\n", c.tries), fmt.Sprintf("summary %d\n", c.tries)
			if c.codes[c.tries-1] >= bare {
				junit, summary = "", ""
			}
			if o.junit != junit || o.summary != summary {
				t.Errorf("kept %q and %q, want the last try's %q and %q", o.junit, o.summary, junit, summary)
			}
			if !strings.Contains(o.stderr, c.said) || (c.said != "") != strings.HasPrefix(o.stdout, "::error ") {
				t.Errorf("it says %q and %q, want %q in both", o.stdout, o.stderr, c.said)
			}
			for i, asked := range o.asked {
				if asked[0] != "run" || !slices.Equal(asked[len(asked)-2:], []string{"smoke", "mine two.yaml"}) || !strings.HasSuffix(asked[len(asked)-3], fmt.Sprintf("/try%d", i+1)) {
					t.Errorf("try %d: asked %q", i+1, asked)
				}
			}
		})
	}
}
