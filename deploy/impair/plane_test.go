package impair_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
)

// A mark is a harm that needs nothing of the machine: a line in a file, which
// takes the place of another one. A new life has the file as it was.
type mark struct {
	Text string `json:"text"`
	Fail string `json:"fail"` // at which step
}

func init() {
	impair.Register("mark", func(i deploy.Impairment) (impair.Harm, error) {
		var m mark
		return &m, json.Unmarshal(i.Args, &m)
	})
}

var errMark = errors.New("it cannot be marked")

func (m *mark) file(t impair.Target) string { return filepath.Join(t.Data, "mark") }

func (m *mark) Can(t impair.Target) error {
	if m.Fail == "can" {
		return impair.Lacks("there is no ink", "buy some")
	}
	return nil
}

func (m *mark) Apply(_ context.Context, t impair.Target, save func(any) error) error {
	before, err := os.ReadFile(m.file(t))
	if err != nil {
		return err
	}
	if err := save(string(before)); err != nil {
		return err
	}
	if m.Fail == "nothing" {
		return nil
	}
	if err := os.WriteFile(m.file(t), []byte(m.Text), 0o600); err != nil {
		return err
	}
	if m.Fail == "apply" {
		return errMark
	}
	return nil
}

func (m *mark) Undo(_ context.Context, t impair.Target, before json.RawMessage) error {
	var text string
	if len(before) == 0 {
		return nil
	}
	if err := json.Unmarshal(before, &text); err != nil || m.Fail == "undo" {
		return err
	}
	return os.WriteFile(m.file(t), []byte(text), 0o600)
}

func (m *mark) Shows(_ context.Context, t impair.Target) (bool, error) {
	b, err := os.ReadFile(m.file(t))
	return string(b) == m.Text, err
}

// A board is some instances to mark.
type board struct {
	*testing.T
	folder string
	data   string
	mu     sync.Mutex
	pid    int
}

func newBoard(t *testing.T) *board {
	b := &board{T: t, folder: filepath.Join(t.TempDir(), "impair"), data: t.TempDir(), pid: 10}
	for _, in := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(b.data, in), 0o700); err != nil {
			t.Fatal(err)
		}
		b.write(in, "clean")
	}
	return b
}

func (b *board) plane() *impair.Plane {
	return impair.New(b.folder, "/nowhere", func(_ context.Context, instance string) (impair.Target, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if instance != "a" && instance != "b" {
			return impair.Target{}, fmt.Errorf("unknown instance %q", instance)
		}
		return impair.Target{Instance: instance, PID: b.pid, Start: 1, Data: filepath.Join(b.data, instance)}, nil
	})
}

func (b *board) write(in, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(b.data, in, "mark"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (b *board) want(p *impair.Plane, a, c string, shown ...string) {
	b.Helper()
	for in, want := range map[string]string{"a": a, "b": c} {
		if got, err := os.ReadFile(filepath.Join(b.data, in, "mark")); err != nil || string(got) != want {
			b.Errorf("%s is %q (%v), want %q", in, got, err, want)
		}
	}
	all, err := p.Impairments(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	var got []string
	for _, i := range all {
		got = append(got, i.ID+" "+strings.Join(i.Instances, ","))
	}
	if !slices.Equal(got, shown) {
		b.Errorf("in force are %q, want %q", got, shown)
	}
}

func marked(id, args string, instances ...string) deploy.Impairment {
	return deploy.Impairment{ID: id, Instances: instances, Kind: "mark", Args: []byte(args)}
}

func TestPlane(t *testing.T) {
	b := newBoard(t)
	p := b.plane()
	if err := p.Impair(t.Context(), marked("x/1", `{"text":"red"}`, "a", "b")); err != nil {
		t.Fatal(err)
	}
	b.want(p, "red", "red", "x/1 a,b")
	if err := p.Impair(t.Context(), marked("x/1", `{"text":"blue"}`, "b")); err != nil { // in place of it
		t.Fatal(err)
	}
	b.want(p, "clean", "blue", "x/1 b")
	if err := p.Impair(t.Context(), marked("y/1", `{"text":"green"}`, "a", "b")); err == nil || !strings.Contains(err.Error(), "b has one of this kind already, by x/1") {
		t.Errorf("a second one: %v", err)
	}
	b.want(p, "clean", "blue", "x/1 b")
	other := b.plane()
	for range 2 {
		if err := other.Repair(t.Context(), "x/1"); err != nil {
			t.Fatal(err)
		}
	}
	b.want(p, "clean", "clean")
	if err := p.Repair(t.Context(), "never/was"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(b.folder); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// What goes wrong on the way leaves nothing.
func TestImpairFails(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{`{"text":"red","fail":"apply"}`, errMark.Error()},
		{`{"text":"red","fail":"nothing"}`, "the kernel does not show it"},
		{`{"text":"red","fail":"can"}`, "a: there is no ink (buy some)"},
		{`{"text":7}`, "cannot unmarshal"},
	} {
		b := newBoard(t)
		p := b.plane()
		if err := p.Impair(t.Context(), marked("x/1", c.args, "a")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.args, err, c.want)
		}
		b.want(p, "clean", "clean")
		if left, _ := os.ReadDir(b.folder); len(left) > 0 {
			t.Errorf("%s: left: %v", c.args, left)
		}
	}
	b := newBoard(t)
	p := b.plane()
	for _, i := range []deploy.Impairment{marked("", `{}`, "a"), marked("x/1", `{}`), marked("x/1", `{}`, "c"),
		{ID: "x/1", Kind: "unheard", Instances: []string{"a"}}} {
		if err := p.Impair(t.Context(), i); err == nil {
			t.Errorf("%+v is done", i)
		}
	}
	if err := p.CanImpair(t.Context(), deploy.Impairment{ID: "x/1", Kind: "unheard", Instances: []string{"a"}}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// A harm that does not go is said, and what it takes to undo it stays.
func TestRepairFails(t *testing.T) {
	b := newBoard(t)
	p := b.plane()
	if err := p.Impair(t.Context(), marked("x/1", `{"text":"red","fail":"undo"}`, "a")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Repair(t.Context(), "x/1"); err == nil || !strings.Contains(err.Error(), "the kernel still shows it") {
			t.Errorf("got %v", err)
		}
	}
	b.write("a", "clean") // by somebody else
	if err := p.Repair(t.Context(), "x/1"); err != nil {
		t.Error(err)
	}
}

// A new life gets what it should have and does not show, with what was there
// before in its own time; one that has been repaired gets nothing.
func TestStarted(t *testing.T) {
	b := newBoard(t)
	p := b.plane()
	if err := p.Impair(t.Context(), marked("x/1", `{"text":"red"}`, "a", "b")); err != nil {
		t.Fatal(err)
	}
	b.write("a", "new")
	b.mu.Lock()
	b.pid++
	b.mu.Unlock()
	target := impair.Target{Instance: "a", PID: 11, Start: 1, Data: filepath.Join(b.data, "a")}
	for range 2 {
		if err := p.Started(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		b.want(p, "red", "red", "x/1 a,b")
	}
	if err := p.Repair(t.Context(), "x/1"); err != nil {
		t.Fatal(err)
	}
	b.want(p, "new", "clean")
	if err := p.Started(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	b.want(p, "new", "clean")
}

// One that cannot be read keeps nobody from reading another one.
func TestImpairmentsOfOne(t *testing.T) {
	b := newBoard(t)
	p := b.plane()
	for _, i := range []deploy.Impairment{marked("x/1", `{"text":"red"}`, "a"), marked("y/1", `{"text":"blue"}`, "b")} {
		if err := p.Impair(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(b.data, "a")); err != nil {
		t.Fatal(err)
	}
	if all, err := p.Impairments(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "x/1 on a") {
		t.Errorf("of all, got %+v, %v", all, err)
	}
	if one, err := p.Impairments(t.Context(), "y/1"); err != nil || len(one) != 1 || one[0].ID != "y/1" {
		t.Errorf("of one, got %+v, %v", one, err)
	}
	if none, err := p.Impairments(t.Context(), "never/was"); err != nil || len(none) > 0 {
		t.Errorf("of none, got %+v, %v", none, err)
	}
}

func TestKinds(t *testing.T) {
	if kinds := impair.Kinds(); !slices.IsSorted(kinds) || !slices.Contains(kinds, "mark") {
		t.Errorf("%q", kinds)
	}
}
