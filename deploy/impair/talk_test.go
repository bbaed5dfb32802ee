package impair_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
)

// An errand runs Main, as it runs where an instance is, and returns the talk with
// it. leave is what its asker's end is to it; it returns what Main does.
func errand(t *testing.T) (talk *impair.Talk, leave func() error) {
	t.Helper()
	hears, in := io.Pipe()
	out, says := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := impair.Main(t.Context(), hears, says)
		says.Close()
		hears.Close()
		ended <- err
	}()
	leave = func() error {
		in.Close()
		go io.Copy(io.Discard, out)
		return <-ended
	}
	return impair.NewTalk(in, out), leave
}

// job is one with a mark, on a board of its own.
func job(t *testing.T, m mark) impair.Job {
	t.Helper()
	args, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	j := impair.Job{Impairment: deploy.Impairment{ID: "x/0", Instances: []string{"a"}, Kind: "mark", Args: args},
		Target: impair.Target{Instance: "a", PID: 1, Data: t.TempDir()}}
	if err := os.WriteFile(filepath.Join(j.Target.Data, "mark"), []byte("clean"), 0o600); err != nil {
		t.Fatal(err)
	}
	return j
}

func written(t *testing.T, j impair.Job, want string) {
	t.Helper()
	if b, err := os.ReadFile(filepath.Join(j.Target.Data, "mark")); err != nil || string(b) != want {
		t.Errorf("there stands %q (%v), want %q", b, err, want)
	}
}

// What is asked for is done, after what was there has been saved, and undone when
// nobody is there any more who asked for it.
func TestErrandLastsAsLongAsItsAsker(t *testing.T) {
	j := job(t, mark{Text: "dirty"})
	talk, leave := errand(t)
	err := talk.Do(j, func(before json.RawMessage) error {
		j.Before = before
		written(t, j, "clean")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	written(t, j, "dirty")
	if string(j.Before) != `"clean"` {
		t.Errorf("it has saved %s", j.Before)
	}
	other, done := errand(t)
	if shows, err := other.Shows(j); !shows || err != nil {
		t.Errorf("another sees %t, %v", shows, err)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	if err := leave(); err != nil {
		t.Errorf("at the end: %v", err)
	}
	written(t, j, "clean")
}

// What a killed one has left, the next one undoes.
func TestErrandUndoes(t *testing.T) {
	j := job(t, mark{Text: "dirty"})
	j.Before = json.RawMessage(`"clean"`)
	if err := os.WriteFile(filepath.Join(j.Target.Data, "mark"), []byte("dirty"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // idempotent
		talk, leave := errand(t)
		if err := errors.Join(talk.Undo(j), leave()); err != nil {
			t.Fatal(err)
		}
		written(t, j, "clean")
	}
}

// Whatever goes wrong is told in the words of who was there, and leaves nothing;
// only if something may be left, it ends with an error.
func TestErrandFails(t *testing.T) {
	for _, c := range []struct {
		at, text string
		lacks    bool
		left     bool
	}{
		{"can", "there is no ink", true, false},
		{"apply", errMark.Error(), false, false},
		{"nothing", "the kernel does not show it", false, false},
		{"undo", "", false, true},
	} {
		t.Run(c.at, func(t *testing.T) {
			j := job(t, mark{Text: "dirty", Fail: c.at})
			talk, leave := errand(t)
			var err error
			if c.at == "can" {
				err = talk.Can(j)
				leave() // of its end, this one has said all
			} else {
				err = talk.Do(j, func(json.RawMessage) error { return nil })
				if left := leave(); (left != nil) != c.left {
					t.Errorf("it ended with %v", left)
				}
			}
			if c.text == "" && err != nil || c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) || errors.Is(err, errors.ErrUnsupported) != c.lacks {
				t.Errorf("got %v", err)
			}
			if !c.left {
				written(t, j, "clean")
			}
		})
	}
	talk, leave := errand(t)
	if err := talk.Do(impair.Job{Impairment: deploy.Impairment{Kind: "levitation"}}, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a kind that nobody knows: %v", err)
	}
	if err := leave(); err != nil {
		t.Error(err)
	}
}

// Whoever is at the other end, what he says is an answer or an error.
func FuzzTalk(f *testing.F) {
	f.Add([]byte(`{"done":true,"shows":true}`))
	f.Add([]byte(`{"error":"no","lacks":true}`))
	f.Add([]byte(`{"save":1}{"save":{}}{"done":true}`))
	f.Fuzz(func(t *testing.T, says []byte) {
		saved := 0
		err := impair.NewTalk(io.Discard, bytes.NewReader(says)).Do(impair.Job{}, func(json.RawMessage) error {
			saved++
			return nil
		})
		if err == nil && !bytes.Contains(says, []byte("true")) {
			t.Errorf("%q is taken for done", says)
		}
		if saved > len(says) {
			t.Errorf("%d things are saved of %d bytes", saved, len(says))
		}
	})
}
