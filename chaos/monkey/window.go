package monkey

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Window is a part of every day, of some days of the week, or one stretch of
// time. As text:
//
//	09:00-17:00                                  every day, in UTC
//	Mon-Fri 09:00-17:00 Europe/Berlin            that zone's wall clock
//	Sat 22:00-06:00                              into Sunday morning
//	2026-12-24T12:00:00Z/2026-12-27T00:00:00Z    once
type Window struct {
	text     string
	days     [7]bool // on which it begins, by time.Weekday
	from, to int     // minutes of the day; to may be up to two days
	zone     *time.Location
	// For a window that comes once.
	begin, end time.Time
}

var weekdays = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// ParseWindow reads a window.
func ParseWindow(text string) (Window, error) {
	w, err := parseWindow(strings.TrimSpace(text))
	if err != nil {
		return w, fmt.Errorf("%q is no period: %w (want 09:00-17:00, Mon-Fri 09:00-17:00 Europe/Berlin, or two times with a slash)", text, err)
	}
	return w, nil
}

func parseWindow(text string) (Window, error) {
	w := Window{text: text, zone: time.UTC}
	if first, second, once := strings.Cut(text, "/"); once && strings.Contains(first, "T") {
		var err error
		if w.begin, err = time.Parse(time.RFC3339, first); err != nil {
			return w, errors.New("its beginning is no time")
		}
		if w.end, err = time.Parse(time.RFC3339, second); err != nil {
			return w, errors.New("its end is no time")
		}
		if !w.begin.Before(w.end) {
			return w, errors.New("it ends before it begins")
		}
		return w, nil
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return w, errors.New("it is empty")
	}
	for i := range w.days {
		w.days[i] = true
	}
	if !strings.Contains(words[0], ":") {
		var err error
		if w.days, err = parseDays(words[0]); err != nil {
			return w, err
		}
		words = words[1:]
	}
	if len(words) == 0 || len(words) > 2 {
		return w, errors.New("it has no hours")
	}
	from, to, ok := strings.Cut(words[0], "-")
	if !ok {
		return w, errors.New("it has no end")
	}
	var err error
	if w.from, err = parseClock(from); err != nil || w.from == 24*60 {
		return w, fmt.Errorf("%q is no hour to begin at", from)
	}
	if w.to, err = parseClock(to); err != nil {
		return w, fmt.Errorf("%q is no hour to end at", to)
	}
	if w.from == w.to {
		return w, errors.New("it ends when it begins")
	}
	if w.to < w.from {
		w.to += 24 * 60
	}
	if len(words) == 2 {
		if w.zone, err = time.LoadLocation(words[1]); err != nil {
			return w, fmt.Errorf("there is no time zone %q", words[1])
		}
	}
	return w, nil
}

func parseDays(text string) (days [7]bool, err error) {
	first, last, many := strings.Cut(text, "-")
	if !many {
		last = first
	}
	day := func(name string) int {
		for i, d := range weekdays {
			if strings.EqualFold(d, name) {
				return i
			}
		}
		return -1
	}
	a, b := day(first), day(last)
	if a < 0 || b < 0 {
		return days, fmt.Errorf("%q is no day of the week", text)
	}
	for i := a; ; i = (i + 1) % 7 {
		days[i] = true
		if i == b {
			return days, nil
		}
	}
}

// parseClock reads 09:00 as minutes; the latest is 24:00.
func parseClock(text string) (int, error) {
	var h, m int
	if n, err := fmt.Sscanf(text, "%02d:%02d", &h, &m); err != nil || n != 2 || len(text) != 5 ||
		strings.ContainsAny(text, "+-_") || m > 59 || h*60+m > 24*60 {
		return 0, fmt.Errorf("%q is no time of day", text)
	}
	return h*60 + m, nil
}

// String returns the text that the window was read from.
func (w Window) String() string { return w.text }

// MarshalText implements [encoding.TextMarshaler].
func (w Window) MarshalText() ([]byte, error) { return []byte(w.text), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (w *Window) UnmarshalText(b []byte) (err error) {
	*w, err = ParseWindow(string(b))
	return err
}

// each calls do for every time that the window opens, from two days before t to
// the week after it and in that order, until do returns false. The wall clock of the zone
// decides: where an hour is skipped or comes twice, the window is as much
// shorter or longer.
func (w Window) each(t time.Time, do func(begin, end time.Time) bool) {
	if !w.begin.IsZero() {
		do(w.begin, w.end)
		return
	}
	local := t.In(w.zone)
	for day := -2; day <= 8; day++ {
		if !w.days[(int(local.Weekday())+day+14)%7] {
			continue
		}
		begin := time.Date(local.Year(), local.Month(), local.Day()+day, 0, w.from, 0, 0, w.zone)
		end := time.Date(local.Year(), local.Month(), local.Day()+day, 0, w.to, 0, 0, w.zone)
		if begin.Before(end) && !do(begin, end) {
			return
		}
	}
}

// holds reports whether t lies in the window; its end does not.
func (w Window) holds(t time.Time) (in bool) {
	w.each(t, func(begin, end time.Time) bool {
		in = !t.Before(begin) && t.Before(end)
		return !in && !begin.After(t)
	})
	return in
}

// next returns the first moment after t at which the window begins or ends;
// zero if there is none.
func (w Window) next(t time.Time) (first time.Time) {
	w.each(t, func(begin, end time.Time) bool {
		for _, at := range []time.Time{begin, end} {
			if at.After(t) && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
		return first.IsZero() || begin.Before(first)
	})
	return first
}
