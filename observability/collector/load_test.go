package collector_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/observability/collector"
)

const spansFile = "spans/spans.otlp"

// recorded makes the folder of a closed recording with a number of frames.
func recorded(t testing.TB, frames int) (dir string, spans []collector.Span) {
	t.Helper()
	dir = t.TempDir()
	c := start(t, collector.Options{Dir: dir})
	for n := range frames {
		c.Add(shopTrace(n)[:4]...)
		if err := c.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	spans = all(c.Store)
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir, spans
}

func TestLoadedEqualsLive(t *testing.T) {
	dir := t.TempDir()
	c := start(t, collector.Options{Dir: dir})
	for n := range 300 {
		c.Add(shopTrace(n)...)
	}
	c.Add(collector.Span{ // every field, with the codes that codeAttr tells apart
		Trace: trace(1), ID: span(1), Parent: span(2), Service: "a", Instance: "a-1", Name: "n", Kind: collector.Producer,
		Start: at(1), End: at(2), Error: true, Message: "m", Peer: "b", PeerInstance: "b-1", Attempt: 3, Code: "23505",
		Attrs: map[string]string{"call.fallback": "true", "x": ""},
	}, collector.Span{Trace: trace(1), ID: span(2), Start: at(1), End: at(1), Kind: collector.Server, Code: "404", Message: "not an error"},
		collector.Span{Trace: trace(1), ID: span(3), Start: at(1), End: at(1), Kind: collector.Consumer, Code: "odd"})
	post(t, c.URL()+"/v1/traces", "application/json", "gzip", []byte(jsonBody))
	post(t, c.URL()+"/v1/metrics", "application/x-protobuf", "", metricsBody(t, 1, 5))
	post(t, c.URL()+"/v1/logs", "application/json", "", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"},"traceId":"5b8efff798038103d269b633813fc60c"}]}]}]}`))
	live := all(c.Store)
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Errorf("closing again: %v", err)
	}
	s, torn, err := collector.Load(dir)
	if err != nil || len(torn) > 0 {
		t.Fatal(torn, err)
	}
	same(t, "spans", all(s), live)
	same(t, "a trace", s.Trace(live[0].Trace), c.Trace(live[0].Trace))
	same(t, "edges", s.Edges(time.Time{}, at(1e9)), c.Edges(time.Time{}, at(1e9)))
	same(t, "metrics", s.Metrics(), c.Metrics())
	same(t, "stats", s.Stats(), c.Stats())
	if st := s.Stats(); st.Kept != int64(len(live)) || st.Metrics != 1 || st.Logs != 1 {
		t.Errorf("stats: %+v", st)
	}
	want := live[len(live)-4]
	if got := s.Trace(trace(1))[0]; got.Attempt != 3 || got.Code != "23505" || want.Attempt != 3 {
		t.Errorf("the span with every field came back as %+v", got)
	}
}

// A process that is killed leaves what it had written.
func TestLoadWithoutClose(t *testing.T) {
	dir := t.TempDir()
	c := start(t, collector.Options{Dir: dir})
	c.Add(shopTrace(1)...)
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	s, torn, err := collector.Load(dir)
	if err != nil || len(torn) != 1 || !strings.Contains(torn[0], "not closed") {
		t.Fatal(torn, err)
	}
	same(t, "spans", all(s), all(c.Store))
}

// What was accepted is on the disk soon without anybody asking.
func TestWritesByItself(t *testing.T) {
	dir := t.TempDir()
	c := start(t, collector.Options{Dir: dir})
	before := c.Stats().Bytes
	c.Add(shopTrace(1)...)
	// Polled, because a disk that was written to tells nobody, and a bubble of
	// fake time cannot hold the collector's socket; a minute is no measure.
	for until := time.Now().Add(time.Minute); c.Stats().Bytes == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("nothing is written")
		}
	}
	s, _, err := collector.Load(dir)
	if err != nil || s.Len() != len(shopTrace(1)) {
		t.Fatal(s.Len(), err)
	}
}

func TestTruncationAtEveryByte(t *testing.T) {
	dir, spans := recorded(t, 5)
	whole, err := os.ReadFile(filepath.Join(dir, spansFile))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "spans/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, spansFile)
	for _, closed := range []bool{true, false} {
		if !closed {
			os.Remove(filepath.Join(dir, "spans/manifest.json"))
			if err := os.WriteFile(path, whole, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		lengths := map[int]bool{len(spans): true}
		for n := len(whole) - 1; n >= 0; n-- {
			if err := os.Truncate(path, int64(n)); err != nil {
				t.Fatal(err)
			}
			s, torn, err := collector.Load(dir)
			if err != nil || len(torn) == 0 {
				t.Fatalf("cut at %d of %d (closed: %v): torn %q, error %v", n, len(whole), closed, torn, err)
			}
			if !lengths[s.Len()] {
				lengths[s.Len()] = true
				same(t, fmt.Sprintf("prefix at %d", n), append([]collector.Span{}, all(s)...), spans[:s.Len()])
			}
		}
		if len(lengths) != 6 { // 20 spans in five frames of four
			t.Errorf("prefixes of %v spans, want six different ones", lengths)
		}
	}
	// The same file without its end, under a manifest, is not mistaken for the whole.
	os.WriteFile(filepath.Join(dir, spansFile), whole, 0o644)
	os.WriteFile(filepath.Join(dir, "spans/manifest.json"), manifest, 0o644)
	if _, torn, err := collector.Load(dir); err != nil || len(torn) > 0 {
		t.Fatal(torn, err)
	}
}

// Every byte of a recording is guarded, with the manifest and without it
// (but for the last frame, which may be half written).
func TestChangeOfAnyByte(t *testing.T) {
	dir, _ := recorded(t, 3)
	path := filepath.Join(dir, spansFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, closed := range []bool{true, false} {
		if !closed {
			os.Remove(filepath.Join(dir, "spans/manifest.json"))
		}
		refused := 0
		for n := range whole {
			if n > 0 {
				put(t, path, n-1, whole[n-1])
			}
			put(t, path, n, whole[n]^0x10)
			_, torn, err := collector.Load(dir)
			switch {
			case errors.Is(err, collector.ErrCorrupt):
				refused++
			case err != nil:
				t.Fatalf("byte %d: %v, want an error that wraps ErrCorrupt", n, err)
			case closed:
				t.Fatalf("byte %d was changed, and nobody noticed (torn %q)", n, torn)
			case len(torn) < 2:
				t.Fatalf("byte %d was changed in an open recording, torn is only %q", n, torn)
			}
		}
		put(t, path, len(whole)-1, whole[len(whole)-1])
		if refused < len(whole)/2 {
			t.Errorf("only %d changes of %d were refused", refused, len(whole))
		}
	}
}

// put changes one byte of a file.
func put(t *testing.T, path string, at int, b byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte{b}, int64(at))
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  error
	}{
		"no recording":            {func(t *testing.T, dir string) { os.RemoveAll(filepath.Join(dir, "spans")) }, fs.ErrNotExist},
		"a newer schema":          {replace(spansFile, "bedlam.otlp/1", "bedlam.otlp/2"), collector.ErrCorrupt},
		"another signal":          {replace(spansFile, "/1 spans", "/1 pansy"), collector.ErrCorrupt},
		"a newer manifest":        {replace("spans/manifest.json", "bedlam.collector/1", "bedlam.collector/2"), collector.ErrCorrupt},
		"half a manifest":         {replace("spans/manifest.json", "}", ""), collector.ErrCorrupt},
		"a manifest without it":   {replace("spans/manifest.json", `"spans/spans.otlp"`, `"spans/other.otlp"`), collector.ErrCorrupt},
		"another file's checksum": {replace("spans/manifest.json", `"sha256": "`, `"sha256": "0`), collector.ErrCorrupt},
		"something behind":        {func(t *testing.T, dir string) { appendTo(t, dir, "x") }, nil}, // torn
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := recorded(t, 2)
			c.spoil(t, dir)
			_, torn, err := collector.Load(dir)
			if c.want == nil {
				if !errors.Is(err, collector.ErrCorrupt) && len(torn) == 0 {
					t.Errorf("torn %q, error %v: want one of them", torn, err)
				}
				return
			}
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func replace(file, old, new string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), old) {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func appendTo(t *testing.T, dir, text string) {
	path := filepath.Join(dir, spansFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, text...), 0o644); err != nil {
		t.Fatal(err)
	}
}

// File systems may leave zeros where a crash took what was not yet written.
func TestZerosAtTheEndAreTorn(t *testing.T) {
	dir, spans := recorded(t, 2)
	os.Remove(filepath.Join(dir, "spans/manifest.json"))
	appendTo(t, dir, string(make([]byte, 10_000)))
	s, torn, err := collector.Load(dir)
	if err != nil || len(torn) != 2 || !strings.Contains(torn[0], "zeros") {
		t.Fatal(torn, err)
	}
	same(t, "spans", all(s), spans)
	appendTo(t, dir, "x")
	if _, _, err := collector.Load(dir); !errors.Is(err, collector.ErrCorrupt) {
		t.Errorf("zeros in the middle: %v", err)
	}
}

func TestLimit(t *testing.T) {
	dir := t.TempDir()
	c := start(t, collector.Options{Dir: dir, Limit: 40_000})
	var sent int64
	for n := 0; c.Stats().Dropped == 0; n++ {
		c.Add(shopTrace(n)...)
		sent += int64(len(shopTrace(n)))
		if n%50 == 0 {
			if err := c.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	code, answer := post(t, c.URL()+"/v1/traces", "application/json", "", []byte(jsonBody))
	if code != 200 || !strings.Contains(string(answer), "rejectedSpans") {
		t.Errorf("above the limit: answered %d %s", code, answer)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	st := c.Stats()
	if st.Received != sent+1 || st.Received != st.Kept+st.Dropped || st.Kept == 0 || int(st.Kept) != c.Len() {
		t.Errorf("sent %d, stats %+v, %d in memory", sent+1, st, c.Len())
	}
	s, torn, err := collector.Load(dir)
	if err != nil || len(torn) != 1 || !strings.Contains(torn[0], "dropped above the limit") {
		t.Fatal(torn, err)
	}
	same(t, "torn, live", st.Torn(), torn)
	if s.Len() != c.Len() {
		t.Errorf("%d spans loaded, %d live", s.Len(), c.Len())
	}
}

func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full: ", err)
	}
	dir := t.TempDir()
	c := start(t, collector.Options{Dir: dir})
	c.Add(shopTrace(1)...)
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	collector.FillDiskForTest(c, full)
	c.Add(shopTrace(2)...)
	if err := c.Sync(); err == nil {
		t.Fatal("a full disk is no error")
	}
	for n := range 100 {
		c.Add(shopTrace(10 + n)...)
	}
	each := int64(len(shopTrace(0)))
	st := c.Stats()
	if st.Received != 102*each || st.Lost != each || st.Dropped != 100*each || !strings.Contains(st.Disk, "no space") {
		t.Errorf("stats: %+v", st)
	}
	if err := c.Close(context.Background()); err == nil {
		t.Error("closing says nothing about the full disk")
	}
	s, torn, err := collector.Load(dir)
	if err != nil || len(torn) == 0 || !strings.Contains(strings.Join(torn, "\n"), "no space") {
		t.Fatal(torn, err)
	}
	if s.Len() != int(each) {
		t.Errorf("%d spans loaded, want the %d from before", s.Len(), each)
	}
}

func TestManifestNamesTheFiles(t *testing.T) {
	dir, _ := recorded(t, 2)
	b, err := os.ReadFile(filepath.Join(dir, "spans/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Files []struct {
			Path   string
			Bytes  int64
			Frames int
		}
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 3 || m.Files[0].Frames != 2 {
		t.Errorf("manifest: %+v", m)
	}
	for _, f := range m.Files {
		if i, err := os.Stat(filepath.Join(dir, f.Path)); err != nil || i.Size() != f.Bytes {
			t.Errorf("%s: %v, want %d bytes", f.Path, err, f.Bytes)
		}
	}
}
