package monkey_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/chaos/monkey"
)

func TestWindowsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "x", "9-17", "09:00", "09:00-09:00", "25:00-26:00", "09:60-10:00", "24:00-01:00", "Mun 09:00-17:00", "Mon-Fri", "09:00-17:00 Nowhere/Land",
		"09:00-17:00 UTC x", "+9:00-17:00", "2026-12-24T12:00:00Z/", "2026-12-27T12:00:00Z/2026-12-24T12:00:00Z", "09:00-17:00 ../../etc/passwd"} {
		if w, err := monkey.ParseWindow(text); err == nil {
			t.Errorf("%q is taken for %v", text, w)
		}
	}
}

func TestWindowsHold(t *testing.T) {
	for _, c := range []struct {
		window, at string
		want       bool
		why        string
	}{
		{"09:00-17:00", "2026-03-24T08:59:59Z", false, "a second before"},
		{"09:00-17:00", "2026-03-24T09:00:00Z", true, "its beginning is in it"},
		{"09:00-17:00", "2026-03-24T17:00:00Z", false, "its end is not"},
		{"09:00-17:00 Europe/Berlin", "2026-03-24T08:00:00Z", true, "nine in winter"},
		{"09:00-17:00 Europe/Berlin", "2026-03-31T07:00:00Z", true, "nine in summer"},
		{"09:00-17:00 Europe/Berlin", "2026-03-31T06:59:00Z", false, "not yet nine in summer"},
		{"Fri 22:00-06:00", "2026-03-28T05:00:00Z", true, "Saturday morning is Friday's night"},
		{"Fri 22:00-06:00", "2026-03-27T05:00:00Z", false, "Friday morning is Thursday's"},
		{"Sat-Mon 00:00-24:00", "2026-03-29T12:00:00Z", true, "Sunday lies between"},
		{"Sat-Mon 00:00-24:00", "2026-03-31T00:00:00Z", false, "24:00 is the end"},
		{"2026-12-24T12:00:00Z/2026-12-27T00:00:00Z", "2026-12-25T00:00:00Z", true, "once"},
		{"2026-12-24T12:00:00Z/2026-12-27T00:00:00Z", "2027-12-25T00:00:00Z", false, "and never again"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := window(t, c.window).Holds(at); got != c.want {
			t.Errorf("%s at %s: got %t (%s)", c.window, c.at, got, c.why)
		}
	}
}

// TestNothingChangesBeforeNext walks from any moment to the next change, over
// the hours that summer time skips and doubles.
func TestNothingChangesBeforeNext(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		clock := func(name string) string {
			return fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(r, name), 15*rapid.IntRange(0, 3).Draw(r, name))
		}
		text := rapid.SampledFrom([]string{"", "Mon-Fri ", "Sun ", "Sat-Sun "}).Draw(r, "days") + clock("from") + "-" + clock("to") +
			rapid.SampledFrom([]string{"", " Europe/Berlin", " America/New_York"}).Draw(r, "zone")
		w, err := monkey.ParseWindow(text)
		if err != nil {
			return // it ends when it begins
		}
		at := time.Date(2026, rapid.SampledFrom([]time.Month{3, 10, 11}).Draw(r, "month"), rapid.IntRange(1, 31).Draw(r, "day"), rapid.IntRange(0, 23).Draw(r, "hour"), 7, 0, 0, time.UTC)
		next := w.Next(at)
		if !next.After(at) || next.Sub(at) > 8*24*time.Hour {
			r.Fatalf("%s: after %s comes %s", text, at, next)
		}
		for m := at; m.Before(next); m = m.Add(15 * time.Minute) {
			if w.Holds(m) != w.Holds(at) {
				r.Fatalf("%s: at %s it is %t, at %s not, and the next change is at %s", text, at, w.Holds(at), m, next)
			}
		}
	})
}
