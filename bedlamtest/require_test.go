package bedlamtest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam"
	"github.com/bedlamlab/bedlam/bedlamtest"
	"github.com/bedlamlab/bedlam/chaos"
)

// A witness is a test whose failure is only heard.
type witness struct {
	testing.TB
	said string
}

func (w *witness) Helper() {}

func (w *witness) Fatalf(format string, args ...any) { w.said = fmt.Sprintf(format, args...) }

func TestRequire(t *testing.T) {
	for _, c := range []struct {
		got, want chaos.Verdict
		said      string // empty: nothing
	}{
		{chaos.Pass, chaos.Pass, ""},
		{chaos.Fail, chaos.Fail, ""},
		{chaos.Inconclusive, chaos.Inconclusive, ""},
		{chaos.Fail, chaos.Pass, "the verdict is FAIL, want PASS; the run's folder is /runs/1"},
		{chaos.Pass, chaos.Fail, "the verdict is PASS, want FAIL"},
		{chaos.Inconclusive, chaos.Pass, "nothing was proven about the shop, in neither direction"},
	} {
		w := &witness{TB: t}
		bedlamtest.Require(w, bedlam.Outcome{Result: chaos.Result{Verdict: c.got}, Folder: "/runs/1"}, c.want)
		if (w.said == "") != (c.said == "") || !strings.Contains(w.said, c.said) {
			t.Errorf("%s, want %s: it says %q, want %q", c.got, c.want, w.said, c.said)
		}
	}
}
