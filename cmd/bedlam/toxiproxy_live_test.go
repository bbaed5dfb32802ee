package main

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/runner"
	"github.com/bedlamlab/bedlam/verify/built"
)

// TestToxiproxy breaks a shop that is up with Toxiproxy's own client, and kills
// bedlam with what it has broken: the guard lifts that from the journal, and
// removes the rest.
func TestToxiproxy(t *testing.T) {
	p := place{built.Programs(t, filepath.Join("..", "..")), built.Folder(t)}
	for _, name := range []string{"state", "tmp"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := p.bedlam("up", "--rate", "0", "--out", "up", "--toxiproxy", "127.0.0.1:0")
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { // whatever went wrong; a guard stays as long as there is anything to heal
		cmd.Process.Kill()
		cmd.Wait()
	}()
	said := map[string]string{}
	for lines := bufio.NewScanner(out); said["Ctrl-C"] == "" && lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		said[word] = strings.TrimSpace(rest)
	}
	api := toxiproxy.NewClient(said["Toxiproxy"])
	all, err := api.Proxies()
	if err != nil {
		t.Fatalf("%v: %s", err, wrong.String())
	}
	page := func(gateway string) time.Duration {
		began := time.Now()
		a, err := http.Get("http://" + all["loader-1:"+gateway].Listen + "/api/home")
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return time.Since(began)
	}
	const delay = 300 * time.Millisecond
	if _, err := all["loader-1:gateway-1"].AddToxic("", "latency", "downstream", 1, toxiproxy.Attributes{"latency": 300}); err != nil {
		t.Fatal(err)
	}
	if err := all["gateway-1:catalog-1"].Disable(); err != nil {
		t.Fatal(err)
	}
	if took := page("gateway-1"); took < delay {
		t.Errorf("through a latency of %s the page took %s", delay, took)
	}
	// A control: past the toxic there is a quick page, if only once.
	for end := time.Now().Add(time.Minute); page("gateway-2") >= delay; {
		if time.Now().After(end) {
			t.Fatal("the other gateway is never quick")
		}
	}
	if c, err := net.Dial("tcp", all["gateway-1:catalog-1"].Listen); err == nil {
		c.Close()
		t.Error("a proxy that is disabled takes a connection")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // it was killed
	// The guard tells nobody.
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		runs, err := os.ReadDir(filepath.Join(p.dir, "state", "runs"))
		if err != nil {
			t.Fatal(err)
		}
		if len(runs) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the guard has not healed: %v", runs)
		}
	}
	entries, torn, err := runner.ReadJournal(filepath.Join(p.dir, "up", "journal"))
	if err != nil || torn != "" || len(runner.Live(entries)) > 0 {
		t.Errorf("the journal: live %v, %s, %v", runner.Live(entries), torn, err)
	}
	var kinds []chaos.EntryKind
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	if want := []chaos.EntryKind{chaos.Injecting, chaos.Injected, chaos.Injecting, chaos.Injected, chaos.Healed, chaos.Healed}; !slices.Equal(kinds, want) {
		t.Errorf("the journal has %v, want %v", kinds, want)
	}
	if left, err := os.ReadDir(filepath.Join(p.dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
