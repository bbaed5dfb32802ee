package collector_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// Whatever is sent, the receiver answers, and what it keeps can be asked for,
// exported and loaded again.
func FuzzReceiver(f *testing.F) {
	f.Add("/v1/traces", "application/x-protobuf", "", collector.EncodeForTest(shopTrace(1)))
	f.Add("/v1/traces", "application/x-protobuf", "gzip", packed(f, "gzip", collector.EncodeForTest(shopTrace(1))))
	f.Add("/v1/traces", "application/json", "", []byte(jsonBody))
	f.Add("/v1/metrics", "application/x-protobuf", "", metricsBody(f, 1, 2))
	f.Add("/v1/logs", "application/json", "", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`))
	c := start(f, collector.Options{})
	receiver := collector.ReceiverForTest(c)
	f.Fuzz(func(t *testing.T, path, kind, encoding string, body []byte) {
		before := c.Len()
		q := httptest.NewRequest(http.MethodPost, "http://x/", bytes.NewReader(body))
		q.URL.Path = path
		q.Header.Set("Content-Type", kind)
		q.Header.Set("Content-Encoding", encoding)
		a := httptest.NewRecorder()
		receiver.ServeHTTP(a, q)
		if a.Code >= 500 {
			t.Fatalf("answered %d: %s", a.Code, a.Body)
		}
		spans := collector.NewestForTest(c.Store, c.Len()-before)
		for _, s := range spans {
			if s.End.Before(s.Start) || len(s.Name) > 512 || len(s.Message) > 512 || len(s.Attrs) > 32 {
				t.Fatalf("span %+v", s)
			}
		}
		collector.FirstFailingHop(spans)
		if n := len(collector.Tree(spans)); n != len(spans) {
			t.Fatalf("the tree has %d spans of %d", n, len(spans))
		}
		var file bytes.Buffer
		if err := collector.WriteOTLP(&file, spans); err != nil {
			t.Fatal(err)
		}
		a = httptest.NewRecorder()
		q = httptest.NewRequest(http.MethodPost, "http://x/v1/traces", &file)
		q.Header.Set("Content-Type", "application/json")
		receiver.ServeHTTP(a, q)
		if a.Code != http.StatusOK {
			t.Fatalf("what was exported is answered with %d: %s", a.Code, a.Body)
		}
	})
}

// Whatever stands in a file, Load returns: a store, or an error that says the
// file is corrupt.
func FuzzLoad(f *testing.F) {
	dir, _ := recorded(f, 2)
	whole, err := os.ReadFile(filepath.Join(dir, spansFile))
	if err != nil {
		f.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "spans/manifest.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, []byte(nil), false)
	f.Add(whole, manifest, false)
	f.Add(whole[:len(whole)-7], manifest, false)
	f.Add(collector.EncodeForTest(shopTrace(1)), []byte(nil), true)
	f.Fuzz(func(t *testing.T, spans, manifest []byte, frame bool) {
		dir := t.TempDir()
		if frame { // with checksums that are right, to get behind them
			spans = collector.FrameForTest(spans)
		}
		for file, content := range map[string][]byte{
			spansFile: spans, "metrics/metrics.otlp": []byte("bedlam.otlp/1 metrics\n"), "logs/logs.otlp": []byte("bedlam.otlp/1 logs\n"),
			"spans/manifest.json": manifest,
		} {
			if content == nil {
				continue
			}
			os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755)
			if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s, _, err := collector.Load(dir)
		if err != nil {
			if !errors.Is(err, collector.ErrCorrupt) && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			return
		}
		for _, span := range all(s) {
			collector.FirstFailingHop(s.Trace(span.Trace))
		}
	})
}
