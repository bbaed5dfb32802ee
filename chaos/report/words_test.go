package report_test

import (
	"math"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/bedlamlab/bedlam/chaos/report"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want, why string }{
		{report.Share(1), "100.00 %", "all"},
		{report.Share(0.999999), "> 99.99 %", "one lost request is never rounded away"},
		{report.Share(0.0000001), "< 0.01 %", "nor is one failed request"},
		{report.Share(0), "0.00 %", "none"},
		{report.Duration(0.0028), "2.80 ms", "three digits"},
		{report.Duration(0.057), "57 ms", "no more than the clock knows"},
		{report.Duration(0.9999), "1.0 s", "never 1000 ms"},
		{report.Duration(99.99), "1m40s", "never 100.0 s beside 1m40s"},
		{report.Duration(0.0000015), "1.50 µs", "a span may be as short"},
		{report.Duration(math.NaN()), "–", "not a time"},
		{report.Duration(math.Inf(1)), "∞", "never"},
		{report.Count(1234567), "1,234,567", "thousands apart"},
		{report.Count(-1234), "-1,234", "also below 0"},
		{report.Size(999_900), "1 MB", "never 1e+03 kB"},
		{report.Size(12_345_678), "12.3 MB", "three digits"},
		{report.Size(812), "812 B", "no part of a byte"},
		{report.Count(999), "999", "no lonely comma"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.why, c.got, c.want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\nb\x1b[31m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := report.Plain(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// Whatever the values, an axis holds them, has a handful of ticks, and ends.
func FuzzAxis(f *testing.F) {
	f.Add(0.0, 1.0)
	f.Add(-1.0, math.Inf(1))
	f.Add(math.NaN(), 1e300)
	f.Add(1e-300, 86400.0*400)
	f.Fuzz(func(t *testing.T, a, b float64) {
		top, ticks := report.Linear(b, 4)
		if len(ticks) < 2 || len(ticks) > 12 || b > 0 && !math.IsInf(b, 0) && top < b {
			t.Errorf("Linear(%g): top %g, %d ticks", b, top, len(ticks))
		}
		if low, high, ticks := report.Decades(a, b); len(ticks) < 3 || len(ticks) > 12 || !(high > low) {
			t.Errorf("Decades(%g, %g): %g to %g, %d ticks", a, b, low, high, len(ticks))
		}
		if from, length := math.Abs(a), math.Abs(b); from < 1e9 && length >= 1 && length < 1e9 {
			ticks := report.Clock(from, from+length, 7)
			if len(ticks) > 8 {
				t.Errorf("Clock(%g, %g): %d ticks", from, from+length, len(ticks))
			}
		}
	})
}

// Binning loses no request, and no chart has more steps than it can show.
func TestBins(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 479, 480, 481, 961, 36000} {
		s := series(n)
		want, got := 0, 0.0
		for _, i := range s.Intended {
			want += i
		}
		bs := report.Bins(s, 0, float64(n))
		for _, b := range bs {
			got += b.Intended * (b.To - b.From)
		}
		if math.Abs(got-float64(want)) > 1e-6*float64(want) || len(bs) > 480 || bs[len(bs)-1].To != float64(n) {
			t.Errorf("%d s: %d bins to %g hold %g requests, want %d", n, len(bs), bs[len(bs)-1].To, got, want)
		}
	}
}
