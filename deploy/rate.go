package deploy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Rate is a bandwidth in bytes per second. In JSON and YAML it is a text: a
// number and one of the units that [Rate.UnmarshalText] takes.
type Rate int64

// The rates that can be meant: below a kilobyte a second nothing of today's
// arrives within a timeout, and no link of one machine carries more than a
// terabyte. What lies outside is a wrong unit.
const (
	LeastRate Rate = 1000
	MostRate  Rate = 1e12
)

// rateUnits are the units by their spelling, in bytes per second. Those that
// end in bps are bytes, as tc and Chaos Mesh have it, and are taken in small
// letters alone: who writes Mbps means bits.
var rateUnits = map[string]float64{
	"B/s": 1, "KB/s": 1e3, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9,
	"KiB/s": 1 << 10, "MiB/s": 1 << 20, "GiB/s": 1 << 30,
	"bps": 1, "kbps": 1e3, "mbps": 1e6, "gbps": 1e9,
	"bit": 1. / 8, "kbit": 1e3 / 8, "mbit": 1e6 / 8, "gbit": 1e9 / 8,
}

// RateUnits says the units in words, for a list of parameters.
const RateUnits = "B/s, KB/s, MB/s, GB/s; KiB/s, MiB/s, GiB/s; bit, kbit, mbit, gbit; bps, kbps, mbps, gbps (bytes, as tc has it)"

// UnmarshalText reads a number, whole or with a fraction, and its unit, such as
// 64KB/s, 1.5mbit or "1 MiB/s". A number without a unit is refused: tools
// differ in what they take it for.
func (r *Rate) UnmarshalText(b []byte) error {
	text := string(b)
	end := strings.IndexFunc(text, func(c rune) bool { return (c < '0' || c > '9') && c != '.' })
	if end < 0 {
		return fmt.Errorf("rate %.40q has no unit (want %s)", text, RateUnits)
	}
	n, err := strconv.ParseFloat(text[:end], 64)
	if err != nil {
		return fmt.Errorf("rate %.40q does not begin with a number", text)
	}
	unit, known := rateUnits[strings.TrimPrefix(text[end:], " ")]
	if !known {
		return fmt.Errorf("rate %.40q has an unknown unit (want %s)", text, RateUnits)
	}
	n *= unit
	if !(n >= float64(LeastRate) && n <= float64(MostRate)) {
		return fmt.Errorf("rate %.40q is not within %s and %s", text, LeastRate, MostRate)
	}
	*r = Rate(n)
	return nil
}

// MarshalText writes r as [Rate.String] does.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns r in the largest unit of which it is a whole number.
func (r Rate) String() string {
	for _, unit := range []string{"GB/s", "MB/s", "KB/s"} {
		if whole := Rate(rateUnits[unit]); r >= whole && r%whole == 0 {
			return strconv.FormatInt(int64(r/whole), 10) + unit
		}
	}
	return strconv.FormatInt(int64(r), 10) + "B/s"
}

// Time is how long n bytes take. r must be positive.
func (r Rate) Time(n int) time.Duration {
	return time.Duration(float64(n) / float64(r) * float64(time.Second))
}
