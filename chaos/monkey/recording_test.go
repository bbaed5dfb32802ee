package monkey_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/monkey"
)

// TestRecordings: what was written is read, by time, without a torn line.
func TestRecordings(t *testing.T) {
	path := t.TempDir() + "/recording"
	r, err := monkey.CreateRecording(path, monkey.Header{System: "shop", Engine: "process", Origin: monkey.Scheduled, Options: options()})
	if err != nil {
		t.Fatal(err)
	}
	all := first(plan(t, options()), 5)
	for _, i := range []int{1, 0, 2, 4, 3} {
		if err := r.Write(all[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := monkey.CreateRecording(path, monkey.Header{}); err == nil {
		t.Error("a recording is written over")
	}
	b := read(t, path)
	for _, text := range [][]byte{b, append(bytes.Clone(b), `{"id":"mon`...)} {
		h, got, err := monkey.ReadRecording(bytes.NewReader(text))
		if err != nil || h.System != "shop" || h.Options.Mean != options().Mean {
			t.Fatal(h, err)
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Error(diff)
		}
	}
	head, _, _ := bytes.Cut(b, []byte("\n"))
	for text, want := range map[string]string{
		"":                                    "no first line",
		"{}\n":                                `format ""`,
		`{"schema":"bedlam.monkey/9"}` + "\n": "bedlam.monkey/9",
		`{"scheme":"x"}` + "\n":               "line 1: unknown field",
		string(head) + "\n{}\n":               "line 2: it is no fault",
		string(head) + "\n" + `{"id":"x","action":"kill","at":"-1s"}` + "\n":       "line 2: x begins at -1s",
		string(head) + "\n" + `{"id":"x","action":"kill","at":"1s"}` + "\n":        "line 2: x is on for 0s",
		string(head) + "\n" + `{"id":"x"} {}` + "\n":                               "something follows",
		string(head) + "\n" + strings.Repeat("x", 2<<20) + "\n":                    "line 2",
		string(head) + "\n" + `{"id":"x","action":"kill","at":"99999999h"}` + "\n": "line 2",
	} {
		if _, _, err := monkey.ReadRecording(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzRecording(f *testing.F) {
	f.Add([]byte(`{"schema":"bedlam.monkey/1"}` + "\n" + `{"id":"monkey/1","action":"kill","instances":["cart-1"],"at":"1s","duration":"5s","seed":7}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, all, err := monkey.ReadRecording(bytes.NewReader(b))
		if err == nil && !slices.IsSortedFunc(all, func(a, b chaos.Resolved) int { return int(min(max(a.At-b.At, -1), 1)) }) {
			t.Fatal("out of order")
		}
	})
}
