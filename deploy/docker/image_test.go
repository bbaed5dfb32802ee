package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	spec1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bedlamlab/bedlam/deploy"
)

// variant is the actor with a few bytes more, so that it is another program of
// the same kind.
func (l *lab) variant(more string) string {
	l.t.Helper()
	b, err := os.ReadFile(l.actor())
	l.must(err)
	path := filepath.Join(l.t.TempDir(), "actor")
	l.must(os.WriteFile(path, append(b, more...), 0o755))
	return path
}

func TestShopImage(t *testing.T) {
	l := newLab(t)
	var told []string
	make := func(shop, bedlam string) string {
		ref, err := l.shopImage(l.ctx, l.run, shop, bedlam, func(text string) { told = append(told, text) })
		l.must(err)
		l.without(ref)
		return ref
	}
	one, two := l.variant(l.run+"-1"), l.variant(l.run+"-2")
	ref := make(one, two)
	if !strings.HasPrefix(ref, "bedlam/shop:") || len(ref) != len("bedlam/shop:")+12 {
		t.Errorf("its name is %s", ref)
	}
	before, err := l.api.ImageInspect(l.ctx, ref)
	l.must(err)
	if before.Config.Labels[deploy.LabelImage] != "shop" || before.Config.Labels[deploy.LabelRun] != "" {
		t.Errorf("its labels are %v", before.Config.Labels)
	}
	if len(told) != 1 {
		t.Errorf("of its making is told %q", told)
	}

	// The same programs give the same image, whether it is there or not.
	if again := make(one, two); again != ref || len(told) != 1 {
		t.Errorf("made again it is %s instead of %s, told %q", again, ref, told)
	}
	_, err = l.api.ImageRemove(l.ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
	l.must(err)
	make(one, two)
	if after, err := l.api.ImageInspect(l.ctx, ref); err != nil || after.ID != before.ID {
		t.Errorf("made anew it is %s instead of %s, %v", after.ID, before.ID, err)
	}
	// Other programs give another one, also the other way round.
	if other := make(two, one); other == ref {
		t.Errorf("%s stands for two images", ref)
	}

	// What is in it.
	id := l.play(spec{Image: ref}, "files")
	got := map[string]string{}
	for line := range strings.Lines(l.said(id)) {
		f := strings.Fields(line)
		got[f[2]] = f[0] + " " + f[1]
	}
	for path, want := range map[string]string{"/shop": "-rwxr-xr-x 0", "/bedlam": "-rwxr-xr-x 0", "/tmp": "dtrwxrwxrwx 0", "/etc/passwd": "-rw-r--r-- 0"} {
		if got[path] != want {
			t.Errorf("%s is %q, want %q", path, got[path], want)
		}
		delete(got, path)
	}
	for _, path := range []string{"/", "/etc", "/.dockerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"} { // Docker's own
		delete(got, path)
	}
	if len(got) > 0 {
		t.Errorf("besides there is %v", got)
	}
}

func TestShopImageRefuses(t *testing.T) {
	l := newLab(t)
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		l.must(os.WriteFile(path, []byte(text), 0o755))
		return path
	}
	cases := map[string][2]string{ // the program, and what the refusal says
		"a script":          {write("script", "#!/bin/sh\n"), "no linux program"},
		"an empty file":     {write("empty", ""), "no linux program"},
		"nothing":           {"/no/such/program", "no such file"},
		"a folder":          {t.TempDir(), ""},
		"another machine's": {write("far", foreign(t, l.actor())), "this machine is"},
	}
	if sh, err := exec.LookPath("ls"); err == nil {
		cases["a program with libraries"] = [2]string{sh, "not static"}
	}
	for why, c := range cases {
		for _, pair := range [][2]string{{c[0], l.actor()}, {l.actor(), c[0]}} {
			ref, err := l.shopImage(l.ctx, l.run, pair[0], pair[1], nil)
			if err == nil || !strings.Contains(err.Error(), c[1]) || !strings.Contains(err.Error(), c[0]) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %s, %v", why, ref, err)
			}
		}
	}
	if _, err := l.shopImage(l.ctx, "", l.actor(), l.actor(), nil); !errors.Is(err, errNoRun) {
		t.Errorf("the image of no run: %v", err)
	}
}

// foreign returns a program whose header names another processor.
func foreign(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[18], b[19] = 21, 0 // a 64-bit PowerPC
	return string(b)
}

func FuzzStandalone(f *testing.F) {
	path, err := actor()
	if err != nil {
		f.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	head := make([]byte, 4096)
	if _, err := io.ReadFull(file, head); err != nil {
		f.Fatal(err)
	}
	f.Add(head)
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, b []byte) { standalone(bytes.NewReader(b)) }) // it says something, and lives
}

// A load that is cut short leaves nothing, and the next one does it all.
func TestLoadIsCutShort(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(l.ctx)
	ref := "bedlam/test:" + l.run
	l.without(ref)
	a := archive{tag: ref, layers: []layer{{{path: "/shop", mode: 0o755, from: l.actor()}, {path: "/z", mode: 0o644, from: "/dev/full"}}}}
	cancel()
	if err := l.load(ctx, a); err == nil {
		t.Error("a load that was cut short succeeded")
	}
	if _, err := l.api.ImageInspect(l.ctx, ref); err == nil {
		t.Error("it left an image")
	}
	a.layers[0][1].from = "/no/such/file"
	if err := l.load(l.ctx, a); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("with a file that is not there: %v", err)
	}
	if _, err := l.api.ImageInspect(l.ctx, ref); err == nil {
		t.Error("that left an image")
	}
	a.layers[0] = a.layers[0][:1]
	l.must(l.load(l.ctx, a))
	if _, err := l.api.ImageInspect(l.ctx, ref); err != nil {
		t.Error(err)
	}
}

// What nobody needs goes, and nothing else.
func TestRetire(t *testing.T) {
	l := newLab(t)
	kind := "test-" + l.run
	load := func(name, kind string) string {
		ref := "bedlam/" + name
		l.without(ref)
		l.must(l.load(l.ctx, archive{
			tag: ref, config: spec1.ImageConfig{Labels: map[string]string{deploy.LabelImage: kind}},
			layers: []layer{{{path: "/shop", mode: 0o755, from: l.actor()}, {path: "/" + name, mode: 0o644, text: name}}},
		}))
		if name != kind+":half" {
			_, err := l.touch(l.ctx, ref)
			l.must(err)
		}
		return ref
	}
	there := func(ref string) bool {
		_, err := l.api.ImageInspect(l.ctx, ref)
		return err == nil
	}
	keep, old := load(kind+":keep", kind), load(kind+":old", kind)
	half := load(kind+":half", kind) // its maker died before it had marked it as used
	running, stopped := load(kind+":running", kind), load(kind+":stopped", kind)
	other, foreignName := load("other-"+kind+":old", "other-"+kind), load("another/"+kind+":old", kind)
	twice := load(kind+":twice", kind)
	l.without("bedlam/mine:" + l.run)
	_, err := l.api.ImageTag(l.ctx, client.ImageTagOptions{Source: twice, Target: "bedlam/mine:" + l.run})
	l.must(err)
	l.play(spec{Image: running}, "live")
	l.cast(spec{Image: stopped}, "live")

	l.retire(l.ctx, kind, keep, labTime)
	for _, ref := range []string{keep, old, half, running, stopped, twice, other, foreignName} {
		if !there(ref) {
			t.Errorf("%s, which was used just now, is gone", ref)
		}
	}
	l.retire(l.ctx, kind, keep, 0)
	for ref, want := range map[string]bool{
		keep: true, old: false, half: false, running: true, stopped: true, other: true, foreignName: true,
		twice: false, "bedlam/mine:" + l.run: true, // somebody's own name for it
	} {
		if there(ref) != want {
			t.Errorf("%s is there: %t", ref, !want)
		}
	}
}

func TestSaid(t *testing.T) {
	for report, want := range map[string]string{
		"": "",
		`{"stream":"Loaded image: x\n"}` + "\n" + `{"status":"done"}`:             "",
		`{"stream":"x"}{"errorDetail":{"message":"no space"},"error":"no space"}`: "no space",
		`{"stream":`: "reading",
		"<html>":     "reading",
	} {
		err := said(strings.NewReader(report))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", report, err, want)
		}
	}
}

func FuzzSaid(f *testing.F) {
	f.Add(`{"errorDetail":{"message":"no space"}}`)
	f.Fuzz(func(t *testing.T, report string) { said(strings.NewReader(report)) })
}

// A tag follows the content, and where one part ends.
func TestTag(t *testing.T) {
	seen := map[string]string{}
	for _, c := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {}} {
		var parts [][]byte
		for _, p := range c {
			parts = append(parts, []byte(p))
		}
		got := tag("shop", parts...)
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %s have the same tag", c, other)
		}
		seen[got] = fmt.Sprint(c)
	}
}
