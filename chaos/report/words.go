package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bedlamlab/bedlam/chaos"
)

// dash stands for a figure that the samples do not allow.
const dash = "–"

// figure prints a value in its unit.
func figure(x *float64, unit string) string {
	if x == nil || math.IsNaN(*x) {
		return dash
	}
	if math.IsInf(*x, 0) {
		return "∞"
	}
	switch unit {
	case "share":
		return share(*x)
	case "s":
		return duration(*x)
	case "x":
		return fmt.Sprintf("%.2f×", *x)
	case "bytes":
		return size(*x)
	}
	return count(*x)
}

// share prints a share so that rounding never turns almost all into all, nor
// almost none into none.
func share(x float64) string {
	switch s := fmt.Sprintf("%.2f %%", 100*x); {
	case x < 1 && s == "100.00 %":
		return "> 99.99 %"
	case x > 0 && s == "0.00 %":
		return "< 0.01 %"
	default:
		return s
	}
}

// duration prints seconds so that three digits say something.
func duration(s float64) string {
	switch {
	case math.IsNaN(s):
		return dash
	case s == 0:
		return "0 s"
	case s < 0.00001:
		return fmt.Sprintf("%.2f µs", 1e6*s)
	case s < 0.01:
		return fmt.Sprintf("%.2f ms", 1000*s)
	case s < 0.9995:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s < 99.95:
		return fmt.Sprintf("%.1f s", s)
	case s > 1e9: // 30 years: no time of a run
		return "∞"
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// size prints bytes so that three digits say something.
func size(bytes float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if math.Abs(bytes) >= 0.9995*u.of { // never 1e+03 kB
			return fmt.Sprintf("%.3g %s", bytes/u.of, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", bytes)
}

// count prints a number of things, its thousands apart.
func count[N int | float64](n N) string {
	digits := strconv.FormatFloat(math.Abs(math.Round(float64(n))), 'f', 0, 64)
	var b strings.Builder
	if n < 0 && digits != "0" {
		b.WriteByte('-')
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// mark is a verdict's sign. It never stands for the word alone where a whole
// run or experiment is judged.
func mark(v chaos.Verdict) string {
	switch v {
	case chaos.Pass:
		return "✓"
	case chaos.Fail:
		return "✗"
	}
	return "?"
}

// gate is the verdict of a gate: a run without its conditions says nothing.
func gate(g chaos.Gate) chaos.Verdict {
	if g.OK {
		return chaos.Pass
	}
	return chaos.Inconclusive
}

// bound says what an audit that found nothing still allows: the upper end of
// the true rate, with 95 % confidence.
func bound(l chaos.AuditLine) string {
	if l.Violations > 0 || l.N == 0 {
		return ""
	}
	return fmt.Sprintf("≤ %.2g %%", 100*min(1, l.Bound)) // 3/n of few is no bound at all
}

// plain makes one line of text that a terminal shows and does not obey:
// control characters, escape sequences' beginnings and marks that turn the
// direction of writing around become spaces or go.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case r == unicode.ReplacementChar, unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
