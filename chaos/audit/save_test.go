package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/audit"
)

// sample holds values that a careless format loses.
func sample(name string) chaos.Audit {
	return chaos.Audit{
		Name: name, Time: time.Date(2026, 1, 31, 10, 15, 4, 5, time.UTC), Final: name == "final",
		Views: map[string]chaos.View{
			"orders.audit_orders": {Columns: []string{"order_id", "reason"}, Rows: [][]string{
				{"o-1", "he said \"no\", twice"}, {"o-2", "a\r\nb\nc"}, {"o-3", ""}, {"", "\xff\x00"},
			}},
			"bank.audit_one":   {Columns: []string{"only"}, Rows: [][]string{{""}, {"x"}}},
			"bank.audit_empty": {Columns: []string{"a", "b"}},
		},
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	want := []chaos.Audit{sample("01-kill"), sample("02-cut"), sample("final")}
	for _, n := range []int{2, 0, 1} {
		if err := audit.Save(dir, want[n]); err != nil {
			t.Fatal(err)
		}
	}
	got, torn, err := audit.Load(dir)
	if err != nil || len(torn) > 0 {
		t.Fatalf("torn %q, error %v", torn, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-saved +loaded)\n%s", diff)
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := audit.Save(dir, sample("final")); err != nil {
		t.Fatal(err)
	}
	ragged := sample("ragged")
	ragged.Views["bank.audit_one"] = chaos.View{Columns: []string{"only"}, Rows: [][]string{{"a", "b"}}}
	bare := sample("bare")
	bare.Views["bank.audit_one"] = chaos.View{}
	odd := sample("odd")
	odd.Views["../x"] = chaos.View{Columns: []string{"a"}}
	for name, a := range map[string]chaos.Audit{
		"a second one of the name": sample("final"),
		"no name":                  sample(""),
		"a hidden name":            sample(".x"),
		"a path":                   sample("a/b"),
		"a row too long":           ragged,
		"no columns":               bare,
		"a view's name as a path":  odd,
	} {
		if err := audit.Save(dir, a); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	got, torn, err := audit.Load(dir)
	if len(got) != 1 || len(torn) != 0 || err != nil {
		t.Errorf("after refusals: %d audits, torn %q, error %v; want the first one alone", len(got), torn, err)
	}
}

func TestLoadDamaged(t *testing.T) {
	file := func(dir, name string) string { return filepath.Join(dir, "final", name) }
	change := func(t *testing.T, path string, f func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f(b), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const view = "orders.audit_orders.csv.zst"
	for _, c := range []struct {
		name       string
		damage     func(t *testing.T, dir string)
		torn, fail string // what has to be said; the other one is empty
	}{
		{"the process died while it wrote", func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "final"), filepath.Join(dir, ".final-123")); err != nil {
				t.Fatal(err)
			}
		}, "not finished", ""},
		{"a view is shorter", func(t *testing.T, dir string) {
			change(t, file(dir, view), func(b []byte) []byte { return b[:len(b)-1] })
		}, "bytes are left", ""},
		{"a view is gone", func(t *testing.T, dir string) {
			if err := os.Remove(file(dir, view)); err != nil {
				t.Fatal(err)
			}
		}, "lacks the view", ""},
		{"meta.json is gone", func(t *testing.T, dir string) {
			if err := os.Remove(file(dir, "meta.json")); err != nil {
				t.Fatal(err)
			}
		}, "no meta.json", ""},
		{"meta.json is cut", func(t *testing.T, dir string) {
			change(t, file(dir, "meta.json"), func(b []byte) []byte { return b[:len(b)/2] })
		}, "cut short", ""},
		{"one bit of a view differs", func(t *testing.T, dir string) {
			change(t, file(dir, view), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		}, "", "wrong checksum"},
		{"meta.json claims to be final no more", func(t *testing.T, dir string) {
			change(t, file(dir, "meta.json"), func(b []byte) []byte {
				return []byte(strings.Replace(string(b), `"final": true`, `"final": false`, 1))
			})
		}, "", "wrong checksum"},
		{"meta.json says more than is known", func(t *testing.T, dir string) {
			change(t, file(dir, "meta.json"), func(b []byte) []byte {
				return []byte(strings.Replace(string(b), `"final":`, `"extra": 1, "final":`, 1))
			})
		}, "", "unknown field"},
		{"a later schema", func(t *testing.T, dir string) {
			change(t, file(dir, "meta.json"), func(b []byte) []byte {
				return []byte(strings.Replace(string(b), "bedlam.audit/1", "bedlam.audit/9", 1))
			})
		}, "", "schema"},
		{"the folder was renamed", func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "final"), filepath.Join(dir, "01-kill")); err != nil {
				t.Fatal(err)
			}
		}, "", "its name is"},
		{"a file where a folder belongs", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "stray"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "", "not an audit's folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := audit.Save(dir, sample("final")); err != nil {
				t.Fatal(err)
			}
			c.damage(t, dir)
			got, torn, err := audit.Load(dir)
			switch {
			case c.fail != "":
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("error %v, want one with %q", err, c.fail)
				}
			case err != nil || len(got) != 0 || len(torn) != 1 || !strings.Contains(torn[0], c.torn):
				t.Errorf("%d audits, torn %q, error %v; want torn with %q", len(got), torn, err, c.torn)
			}
		})
	}
}

func TestLoadOfNothing(t *testing.T) {
	got, torn, err := audit.Load(filepath.Join(t.TempDir(), "audit"))
	if len(got) != 0 || len(torn) != 1 || err != nil {
		t.Errorf("%d audits, torn %q, error %v; want the lack of them as torn", len(got), torn, err)
	}
}

// FuzzLoad changes the two files of an audit: whatever they hold, Load answers,
// and what it accepts is what was saved.
func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	if err := audit.Save(dir, sample("final")); err != nil {
		f.Fatal(err)
	}
	const view = "orders.audit_orders.csv.zst"
	saved := map[string][]byte{}
	entries, err := os.ReadDir(filepath.Join(dir, "final"))
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if saved[e.Name()], err = os.ReadFile(filepath.Join(dir, "final", e.Name())); err != nil {
			f.Fatal(err)
		}
	}
	meta, table := saved["meta.json"], saved[view]
	f.Add(meta, table)
	f.Add(meta[:len(meta)/2], table)
	f.Add(meta, table[:len(table)/2])
	f.Add([]byte(`{"schema":"bedlam.audit/1","name":"final","views":[{"name":"a.b","plain":-1}]}`), []byte{})
	f.Fuzz(func(t *testing.T, meta, table []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "final"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, b := range saved {
			switch name {
			case "meta.json":
				b = meta
			case view:
				b = table
			}
			if err := os.WriteFile(filepath.Join(dir, "final", name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, torn, err := audit.Load(dir)
		if err != nil || len(got) == 0 {
			if err == nil && len(torn) == 0 {
				t.Error("neither an audit nor a reason")
			}
			return
		}
		if diff := cmp.Diff(sample("final").Views, got[0].Views); diff != "" {
			t.Errorf("accepted something else:\n%s", diff)
		}
	})
}
