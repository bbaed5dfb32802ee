package collector_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// start starts a collector in a folder of the test's own.
func start(t testing.TB, o collector.Options) *collector.Collector {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	c, err := collector.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// all returns every span of a store.
func all(s *collector.Store) []collector.Span {
	var spans []collector.Span
	s.Between(time.Time{}, time.Unix(1<<40, 0), func(s collector.Span) bool {
		spans = append(spans, s)
		return true
	})
	return spans
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

var epoch = time.Unix(1_700_000_000, 0).UTC()

// at is a moment, in milliseconds since the tests' epoch.
func at(ms float64) time.Time { return epoch.Add(time.Duration(ms * float64(time.Millisecond))) }

func trace(n byte) collector.TraceID { return collector.TraceID{15: n} }
func span(n byte) collector.SpanID   { return collector.SpanID{7: n} }

func TestTraceIsByStartAndAlone(t *testing.T) {
	c := start(t, collector.Options{})
	c.Add(
		collector.Span{Trace: trace(1), ID: span(2), Parent: span(1), Kind: collector.Server, Start: at(2), End: at(3)},
		collector.Span{Trace: trace(2), ID: span(9), Kind: collector.Server, Start: at(0), End: at(9)},
	)
	c.Add(collector.Span{Trace: trace(1), ID: span(1), Kind: collector.Client, Start: at(1), End: at(4)})
	var got []byte
	for _, s := range c.Trace(trace(1)) {
		got = append(got, s.ID[7])
	}
	same(t, "spans", got, []byte{1, 2})
	if got := c.Trace(trace(3)); got != nil {
		t.Errorf("an unknown trace has spans: %v", got)
	}
}

func TestBetweenIsHalfOpen(t *testing.T) {
	for name, c := range map[string]struct {
		from, to float64 // of the span; the window is 10 to 20
		want     bool
	}{
		"before":                        {1, 9, false},
		"ends as the window begins":     {1, 10, false},
		"ends just within":              {1, 10.001, true},
		"inside":                        {12, 13, true},
		"around":                        {1, 30, true},
		"without length, at its begin":  {10, 10, true},
		"without length, within":        {15, 15, true},
		"starts as the window ends":     {20, 21, false},
		"without length, at its end":    {20, 20, false},
		"after":                         {21, 22, false},
		"a clock set back, from within": {15, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := start(t, collector.Options{})
			store.Add(collector.Span{Trace: trace(1), ID: span(1), Kind: collector.Internal, Start: at(c.from), End: at(c.to)})
			got := false
			store.Between(at(10), at(20), func(collector.Span) bool { got = true; return true })
			if got != c.want {
				t.Errorf("the window has the span: %v, want %v", got, c.want)
			}
		})
	}
}

// Enough spans for several blocks, so that windows skip some and must not
// skip others: one span in the first block lasts until the end.
func TestBetweenOverManyBlocks(t *testing.T) {
	c := start(t, collector.Options{})
	const n = 20_000
	for i := 0; i < n; i += 500 {
		var batch []collector.Span
		for j := i; j < i+500; j++ {
			s := collector.Span{Trace: trace(byte(j % 7)), ID: collector.SpanID{byte(j >> 8), byte(j), 1}, Kind: collector.Internal, Start: at(float64(j)), End: at(float64(j) + 5)}
			if j%7 == 0 {
				s.Trace[0] = 1
			}
			if j == 3 {
				s.End = at(n)
			}
			batch = append(batch, s)
		}
		c.Add(batch...)
	}
	for from := 0; from < n-100; from += 997 {
		want := 100 + 4 // those that start within, and those that had begun and not ended
		if from > 3+5 {
			want++ // the long one
		}
		if from < 4 {
			want = 100 + from
		}
		got := 0
		c.Between(at(float64(from)), at(float64(from+100)), func(collector.Span) bool { got++; return true })
		if got != want {
			t.Errorf("from %d: %d spans, want %d", from, got, want)
		}
	}
	got := 0
	c.Between(at(0), at(n), func(collector.Span) bool { got++; return got < 10 })
	if got != 10 {
		t.Errorf("yield was called %d times after it had refused the 10th", got)
	}
}

// A question may be asked from within another's answer, while spans arrive.
func TestQuestionsWithinAnswers(t *testing.T) {
	c := start(t, collector.Options{})
	c.Add(shopTrace(1)...)
	n := 0
	c.Between(time.Time{}, at(1e9), func(s collector.Span) bool {
		n++
		c.Add(shopTrace(100 + n)...)
		return len(c.Trace(s.Trace)) == len(shopTrace(1))
	})
	if want := len(shopTrace(1)); n != want {
		t.Errorf("yield was called %d times, want %d: those that had arrived when it began", n, want)
	}
}

func TestStartRefuses(t *testing.T) {
	if _, err := collector.Start(t.Context(), collector.Options{}); err == nil {
		t.Error("no folder: no error")
	}
	dir := t.TempDir()
	start(t, collector.Options{Dir: dir})
	if _, err := collector.Start(t.Context(), collector.Options{Dir: dir}); err == nil {
		t.Error("a folder that holds a recording: no error")
	}
}
