package loadgen_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

// till answers one request at a time, each in 2 ms: 500 a second.
type till struct {
	shop
	mu   sync.Mutex
	free time.Time
}

func newTill() *till {
	s := &till{shop: *newShop()}
	s.before = func(http.ResponseWriter, *http.Request) bool {
		s.mu.Lock()
		now := time.Now()
		if s.free.Before(now) {
			s.free = now
		}
		s.free = s.free.Add(2 * time.Millisecond)
		wait := s.free.Sub(now)
		s.mu.Unlock()
		time.Sleep(wait) // of the bubble's clock, in which saturate asks
		return false
	}
	return s
}

func saturate(t *testing.T, h http.Handler, from, to float64, change func(*loadgen.Config)) (rate float64, err error) {
	bubble(t, func(t *testing.T) {
		p := newPipe()
		p.serve("a:1", h)
		defer p.close()
		c := loadgen.Config{Run: "r", Seed: 1, Dial: p.dial, Gateways: []loadgen.Gateway{{Instance: "a", Address: "a:1"}}, Products: skus(50)}
		if change != nil {
			change(&c)
		}
		rate, err = loadgen.Saturate(context.Background(), c, from, to, 200*time.Millisecond)
	})
	return rate, err
}

// A shop that can serve 500 requests a second, of which a journey makes about
// 3.4, saturates near 147 journeys; a queue of Poisson arrivals needs some room.
func TestSaturate(t *testing.T) {
	rate, err := saturate(t, newTill(), 20, 1000, nil)
	if err != nil || rate < 115 || rate > 150 {
		t.Errorf("%v journeys a second, %v", rate, err)
	}
	t.Logf("%.1f journeys a second", rate)
	if rate, err := saturate(t, newTill(), 20, 40, nil); err != nil || rate != 40 {
		t.Errorf("bounded by 40: %v, %v", rate, err)
	}
	if rate, err := saturate(t, newTill(), 170, 800, nil); err == nil || rate != 0 || !strings.Contains(err.Error(), "p99 is") {
		t.Errorf("from above the limit: %v, %v", rate, err)
	}
	bad := newShop()
	bad.before = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }
	if rate, err := saturate(t, bad, 10, 20, nil); err == nil || rate != 0 || !strings.Contains(err.Error(), "failed") {
		t.Errorf("a shop that fails: %v, %v", rate, err)
	}
	for _, c := range [][2]float64{{0, 1}, {2, 1}, {-1, 5}} {
		if _, err := saturate(t, newTill(), c[0], c[1], nil); err == nil {
			t.Errorf("from %v to %v is taken", c[0], c[1])
		}
	}
}

// A generator with too little room of its own says that it was the limit.
func TestSaturateOwnsUp(t *testing.T) {
	s := newShop()
	s.before = func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(50 * time.Millisecond) // of the bubble's clock
		return false
	}
	rate, err := saturate(t, s, 2, 200, func(c *loadgen.Config) { c.InFlight = 2 })
	if err == nil || !strings.Contains(err.Error(), loadgen.ErrGenerator.Error()) || rate < 2 {
		t.Errorf("%v, %v", rate, err)
	}
}
