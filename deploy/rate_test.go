package deploy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

func TestRate(t *testing.T) {
	for text, want := range map[string]deploy.Rate{
		"64KB/s": 64_000, "64kB/s": 64_000, "2MB/s": 2e6, "1GB/s": 1e9, "5000B/s": 5000,
		"64KiB/s": 65_536, "1MiB/s": 1 << 20, "1 GiB/s": 1 << 30,
		"1mbps": 1e6, "8kbps": 8000, "5000bps": 5000, "1gbps": 1e9, // Chaos Mesh: bytes
		"1mbit": 125_000, "1.5mbit": 187_500, "512kbit": 64_000, "10gbit": 1_250_000_000, "9600bit": 1200,
	} {
		var r deploy.Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s is %d (%v), want %d", text, r, err, want)
		}
	}
}

func TestBadRate(t *testing.T) {
	for text, want := range map[string]string{
		"64": "no unit", "": "no unit", "KB/s": "begin with a number", "-1KB/s": "begin with a number", "fast": "begin with a number",
		"1.2.3KB/s": "begin with a number", ".KB/s": "begin with a number", "1Mbps": "unknown unit", "64kb/s": "unknown unit", "1e3KB/s": "unknown unit", "64 KB/s ": "unknown unit",
		"999B/s": "not within 1KB/s and 1000GB/s", "0KB/s": "not within", "2000GB/s": "not within",
	} {
		var r deploy.Rate
		if err := r.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	var r deploy.Rate
	if err := json.Unmarshal([]byte(`64`), &r); err == nil {
		t.Error("a bare number is taken")
	}
}

func TestRateTime(t *testing.T) {
	if got := deploy.Rate(64_000).Time(16_000); got != 250*time.Millisecond {
		t.Errorf("16000 bytes at 64KB/s take %v", got)
	}
}

// Whatever is read is within bounds, and reads the same when it is written.
func FuzzRate(f *testing.F) {
	for _, text := range []string{"64KB/s", "1.5mbit", "1 MiB/s", "1mbps", "1Mbps", "999999999999999999999gbit", "1.", "0.008mbit", "NaNbit"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, again deploy.Rate
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		if r < deploy.LeastRate || r > deploy.MostRate {
			t.Errorf("%q is %d", text, r)
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%q is %d, written %s, and read again %d (%v)", text, r, r, again, err)
		}
	})
}
