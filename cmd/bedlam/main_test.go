package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bedlamlab/bedlam/verify/built"
)

var update = flag.Bool("update", false, "write what the scripts compare with again; read the diff before you commit")

// TestMain makes this test program the bedlam command as well, for the scripts.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"bedlam": main})
}

// tests are this program's, and what they leave is removed.
type tests struct{ *testing.M }

// Run implements what testscript.Main wants.
func (t tests) Run() int {
	defer built.Remove()
	return t.M.Run()
}

// TestScripts runs testdata/script. Each has a state, a cache and a tmp folder
// of its own, and knows more than testscript does:
//
//	refused PATTERN ARG...   bedlam ARG... exits with 2, says so in one line that
//	                         matches PATTERN, and has started and made nothing
//	lacking PATTERN ARG...   the same with exit code 3, without root
//	binary FILE              writes a file that is no text
//
// and two conditions: root, and rootless where lacking can be done.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("BEDLAM_STATE", filepath.Join(e.WorkDir, "state"))
			e.Setenv("BEDLAM_CACHE", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("NO_COLOR", "1")
			// Where this program is bedlam, and nothing else is.
			programs, _, _ := strings.Cut(e.Getenv("PATH"), string(os.PathListSeparator))
			e.Setenv("PROGRAMS", programs)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Defer(func() { l.Close() })
			e.Setenv("TAKEN", l.Addr().String())
			// Never started: whoever gets so far has failed already.
			e.Setenv("SHOP", filepath.Join(e.WorkDir, "shop"))
			return os.WriteFile(filepath.Join(e.WorkDir, "shop"), nil, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"refused": refused, "lacking": lacking, "binary": binary},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "rootless":
				try := rootless("true")
				return exec.Command(try[0], try[1:]...).Run() == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: refused PATTERN ARG...")
	}
	declined(ts, exitUsage, args[0], append([]string{"bedlam"}, args[1:]...))
}

func lacking(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: lacking PATTERN ARG...")
	}
	declined(ts, exitInconclusive, args[0], rootless(append([]string{"bedlam"}, args[1:]...)...))
}

// rootless is a command without root: as it is, or in a user namespace of its own
// in which it is nobody.
func rootless(command ...string) []string {
	if os.Geteuid() == 0 {
		return append([]string{"unshare", "--user"}, command...)
	}
	return command
}

// declined wants a command to end with that code, to say why in one line, and to
// have made nothing.
func declined(ts *testscript.TestScript, code int, pattern string, command []string) {
	before := made(ts)
	err := ts.Exec(command[0], command[1:]...)
	said := ts.ReadFile("stderr")
	if e := (*exec.ExitError)(nil); !errors.As(err, &e) || e.ExitCode() != code {
		ts.Fatalf("%s: %v, want exit code %d; it says: %s", strings.Join(command, " "), err, code, said)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("it prints besides: %s", out)
	}
	if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "bedlam: ") {
		ts.Fatalf("want one line, got: %s", said)
	}
	ok, err := regexp.MatchString(pattern, said)
	ts.Check(err)
	if !ok {
		ts.Fatalf("%q does not match %q", said, pattern)
	}
	if after := made(ts); after != before {
		ts.Fatalf("it has made something; before:\n%s\nafter:\n%s", before, after)
	}
}

func binary(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: binary FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("\x7fELF\x02\x01\x00\xff\xfe\n\x00"), 0o644))
}

// made lists every file below the script's folder: a run folder, an entry in
// the state folder and a scratch folder would be among them. Whatever is
// started stands in one of these.
func made(ts *testscript.TestScript) string {
	var all []string
	work := ts.Getenv("WORK")
	ts.Check(filepath.WalkDir(work, func(path string, _ os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return nil // a script closed it; that it is there was said before
		}
		// The state folder itself is made by whoever looks for it.
		if err == nil && path != filepath.Join(work, "state") {
			all = append(all, path)
		}
		return err
	}))
	return strings.Join(all, "\n")
}
