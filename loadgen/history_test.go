package loadgen_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/loadgen"
)

func header() loadgen.Header {
	return loadgen.Header{Run: "r-1", Start: time.Date(2026, 1, 31, 10, 15, 4, 123, time.UTC), Seed: 1<<64 - 1, Rate: 40.5}
}

// sample is the n-th of a history that looks like a run's.
func sample(n int) loadgen.Request {
	r := loadgen.Request{
		Journey: uint64(n / 3), Step: n % 3, Class: loadgen.ClassProduct, Due: time.Duration(n) * 7 * time.Millisecond,
		Outcome: loadgen.OK, Status: 200, Gateway: "gateway-1", SKU: skuNames[n%len(skuNames)], Bytes: 212,
	}
	r.Sent = r.Due + 90*time.Microsecond
	r.Done = r.Sent + 2*time.Millisecond
	binary.LittleEndian.PutUint64(r.TraceID[:], uint64(n)*0x9e3779b97f4a7c15)
	if n%10 == 9 {
		r.Class, r.Key, r.Cart, r.Qty = loadgen.ClassCartAdd, "k-r-1-"+itoa(n), "c-r-1-"+itoa(n), 1
	}
	if n%7 == 3 {
		r.Surge = "x/1"
	}
	return r
}

var skuNames = skus(1000)

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func write(t interface {
	Helper()
	Fatal(...any)
}, path string, rows []loadgen.Request) {
	t.Helper()
	w, err := loadgen.Create(path, header())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		w.Record(r)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func samples(n int) []loadgen.Request {
	rows := make([]loadgen.Request, n)
	for i := range rows {
		rows[i] = sample(i)
	}
	return rows
}

func TestHistoryRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	want := samples(10_000) // more than one frame
	write(t, path, want)
	h, got, torn, err := loadgen.Read(path)
	if err != nil || torn != "" {
		t.Fatalf("torn %q, err %v", torn, err)
	}
	wantHeader := header()
	wantHeader.Schema = loadgen.Schema
	if d := cmp.Diff(wantHeader, h); d != "" {
		t.Error(d)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if _, err := loadgen.Create(path, header()); err == nil {
		t.Error("a history was written over another")
	}
}

// Whatever a request holds, it comes back; and by due time.
func TestHistoryHoldsAnyRequest(t *testing.T) {
	dir := t.TempDir()
	n := 0
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "ok", "gateway-1"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) loadgen.Request {
			r := loadgen.Request{
				Journey: rapid.Uint64().Draw(t, "journey"), Step: rapid.Int().Draw(t, "step"), Class: text.Draw(t, "class"),
				Due: time.Duration(rapid.Int64().Draw(t, "due")), Sent: time.Duration(rapid.Int64().Draw(t, "sent")), Done: time.Duration(rapid.Int64().Draw(t, "done")),
				Outcome: loadgen.Outcome(rapid.Uint8Range(0, 3).Draw(t, "outcome")), Status: rapid.Int().Draw(t, "status"),
				Reason: text.Draw(t, "reason"), Gateway: text.Draw(t, "gateway"), Key: text.Draw(t, "key"), Cart: text.Draw(t, "cart"),
				SKU: text.Draw(t, "sku"), Qty: rapid.Int().Draw(t, "qty"), Order: text.Draw(t, "order"), State: text.Draw(t, "state"),
				Total: rapid.Int64().Draw(t, "total"), Bytes: rapid.Int64().Draw(t, "bytes"), Surge: text.Draw(t, "surge"),
			}
			copy(r.TraceID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace"))
			return r
		}), 0, 20).Draw(t, "rows")
		n++
		path := filepath.Join(dir, itoa(n))
		write(t, path, rows)
		_, got, torn, err := loadgen.Read(path)
		if err != nil || torn != "" || len(got) != len(rows) {
			t.Fatalf("%d of %d rows, torn %q, err %v", len(got), len(rows), torn, err)
		}
		left := append([]loadgen.Request(nil), rows...)
		for i, r := range got {
			if i > 0 && r.Due < got[i-1].Due {
				t.Fatalf("row %d is due before the one before it", i)
			}
			at := -1
			for k := range left {
				if left[k] == r {
					at = k
				}
			}
			if at < 0 {
				t.Fatalf("row %d was not written: %+v", i, r)
			}
			left = append(left[:at], left[at+1:]...)
		}
		os.Remove(path)
	})
}

// A history that ends anywhere is torn, and gives back its whole frames; never
// an error, never a guess.
func TestHistoryCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history")
	file := frames(t, path, 3, 20)
	last := 0
	for n := range len(file) {
		if err := os.WriteFile(path, file[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		_, rows, torn, err := loadgen.Read(path)
		if err != nil || torn == "" {
			t.Fatalf("cut after %d of %d bytes: torn %q, err %v", n, len(file), torn, err)
		}
		if len(rows) < last || len(rows)%20 != 0 {
			t.Fatalf("cut after %d bytes: %d rows, before %d", n, len(rows), last)
		}
		last = len(rows)
	}
	if last != 60 {
		t.Errorf("without its last byte the file gives %d rows, want 60", last)
	}
	// A lost power may leave zeros.
	if err := os.WriteFile(path, append(bytes.Clone(file[:len(file)-15]), make([]byte, 4096)...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, rows, torn, err := loadgen.Read(path); err != nil || torn == "" || len(rows) != 60 {
		t.Errorf("zeros at the end: %d rows, torn %q, err %v", len(rows), torn, err)
	}
}

// Not one changed bit goes unnoticed, and none is taken for a torn tail.
func TestHistoryDamagedAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	file := frames(t, path, 2, 10)
	for i := range file {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(file)
			bad[i] ^= bit
			if err := os.WriteFile(path, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			_, _, torn, err := loadgen.Read(path)
			if !errors.Is(err, loadgen.ErrDamaged) {
				t.Fatalf("byte %d changed: torn %q, err %v", i, torn, err)
			}
			if i >= 8 && !strings.Contains(err.Error(), "at byte") {
				t.Fatalf("byte %d changed: %v does not say where", i, err)
			}
		}
	}
	if err := os.WriteFile(path, append(file, 'x'), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := loadgen.Read(path); !errors.Is(err, loadgen.ErrDamaged) {
		t.Errorf("a byte after the end: %v", err)
	}
}

// frames writes a history of n frames of k rows each and returns the file.
func frames(t *testing.T, path string, n, k int) []byte {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { // in fake time each flush is an event
		w, err := loadgen.Create(path, header())
		if err != nil {
			t.Fatal(err)
		}
		for i := range n * k {
			w.Record(sample(i))
			if (i+1)%k == 0 {
				time.Sleep(time.Second) // of the bubble's clock: ten times what a flush is put off
				synctest.Wait()         // the writer's clock ticks at that very moment, too
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// A history of an earlier version is read as it was: nobody surged then.
func TestHistoryOfTheFirstSchema(t *testing.T) {
	h, got, torn, err := loadgen.Read("testdata/history-1")
	if err != nil || torn != "" {
		t.Fatalf("torn %q, err %v", torn, err)
	}
	want := header()
	want.Schema = "bedlam.history/1"
	if d := cmp.Diff(want, h); d != "" {
		t.Error(d)
	}
	r := sample(9)
	r.Outcome, r.Reason, r.Order, r.State, r.Total = loadgen.Unknown, "timeout", "o-1", "PENDING", 500
	if d := cmp.Diff([]loadgen.Request{sample(0), r}, got); d != "" {
		t.Error(d)
	}
}

func TestHistoryOfAnotherSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	h := header()
	h.Schema = "bedlam.history/9"
	if _, err := loadgen.Create(path, h); !errors.Is(err, loadgen.ErrSchema) {
		t.Errorf("create: %v", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a refused history left a file behind: %v", err)
	}
	// A file of a later version differs in its header alone, soundly written.
	file := loadgen.HeaderFrame(`{"schema":"bedlam.history/9"}`)
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, _, err := loadgen.Read(path)
	if !errors.Is(err, loadgen.ErrSchema) || !strings.Contains(err.Error(), "bedlam.history/9") || !strings.Contains(err.Error(), loadgen.Schema) {
		t.Errorf("read: %v", err)
	}
}

// A tellingFile tells when it has been written to; told twice is told once.
type tellingFile struct {
	*os.File
	written chan<- struct{}
}

func (f tellingFile) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	select {
	case f.written <- struct{}{}:
	default:
	}
	return n, err
}

// A million requests, two hours at the default rate, are read within
// the memory that a small machine has to spare.
func TestMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("writes and reads a million requests")
	}
	path := filepath.Join(t.TempDir(), "history")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{}, 1)
	w, err := loadgen.WriterTo(tellingFile{f, written}, header())
	if err != nil {
		t.Fatal(err)
	}
	const n = 1_000_000
	for i := range n {
		w.Record(sample(i))
		for loadgen.Held(w) > loadgen.MostHeld/2 { // this is not the test of a slow disk
			<-written
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	_, rows, torn, err := loadgen.Read(path)
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	if err != nil || torn != "" || len(rows) != n {
		t.Fatalf("%d rows, torn %q, err %v", len(rows), torn, err)
	}
	// Everything that reading ever asked for, freed or not: a bound of the peak
	// that no garbage collector can blur.
	if got := after.TotalAlloc - before.TotalAlloc; got > 500<<20 {
		t.Errorf("reading took %d MiB of memory", got>>20)
	}
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB on disk, read in %v with %d MiB", stat.Size()>>20, took, (after.TotalAlloc-before.TotalAlloc)>>20)
	runtime.KeepAlive(rows)
}

// FuzzHistory: no bytes make the reader panic, take memory without bound, or
// give back a request that no writer could have written.
func FuzzHistory(f *testing.F) {
	for _, n := range []int{0, 1, 5} {
		path := filepath.Join(f.TempDir(), "history")
		write(f, path, samples(n))
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte(nil))
		f.Add(b[:len(b)/2], []byte{1, 0})
	}
	f.Fuzz(func(t *testing.T, file, payload []byte) {
		if rows, _, err := readBytes(file); err == nil && len(rows) > len(file) {
			t.Fatalf("%d rows from %d bytes", len(rows), len(file))
		}
		// And with sound checksums around a payload that is not.
		rows, _, err := readBytes(loadgen.RequestsFrame(payload))
		if err == nil && len(rows) > len(payload) {
			t.Fatalf("%d rows from %d bytes", len(rows), len(payload))
		}
	})
}

func TestExport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	r := sample(9)
	r.Outcome, r.Reason, r.Order, r.State, r.Total = loadgen.Unknown, "timeout", "o-1", "PENDING", 500
	write(t, path, []loadgen.Request{sample(0), r})
	var b strings.Builder
	if err := loadgen.Export(&b, path); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/export.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Error(d)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file[:len(file)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if err := loadgen.Export(&b, path); err != nil || !strings.Contains(b.String(), `{"torn":`) {
		t.Errorf("a torn history: %v\n%s", err, b.String())
	}
}
