package relay

import (
	"testing"
	"testing/synctest"
	"time"
)

// A fuse burns from the first chunk, or from the beginning and anew from every
// chunk, and not at all once it is cut.
func TestFuse(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		why     string
		expiry  expiry
		touches []time.Duration // since the beginning
		cut     time.Duration   // 0: never
		ends    time.Duration   // 0: never
	}{
		{"nothing is said", expiry{after: 5 * s, reset: true}, nil, 0, 0},
		{"the first word counts", expiry{after: 5 * s, reset: true}, []time.Duration{2 * s, 4 * s}, 0, 7 * s},
		{"no patience at all", expiry{reset: true}, []time.Duration{2 * s}, 0, 2 * s},
		{"silence from the beginning", expiry{after: 5 * s, silence: true}, nil, 0, 5 * s},
		{"silence from the last word", expiry{after: 5 * s, silence: true}, []time.Duration{2 * s, 4 * s}, 0, 9 * s},
		{"cut", expiry{after: 5 * s, silence: true}, []time.Duration{2 * s}, 6 * s, 0},
		{"cut before it burns", expiry{after: 5 * s}, []time.Duration{2 * s}, s, 0},
	} {
		t.Run(test.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var ended time.Duration
				f := &fuse{expiry: test.expiry}
				f.begin(func(reset bool) {
					if reset != test.expiry.reset {
						t.Errorf("reset %t, want %t", reset, test.expiry.reset)
					}
					ended = time.Since(began)
				})
				if test.cut > 0 {
					time.AfterFunc(test.cut, f.cut)
				}
				for _, at := range test.touches {
					time.Sleep(at - time.Since(began))
					f.touch()
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if ended != test.ends {
					t.Errorf("ended after %s, want %s", ended, test.ends)
				}
			})
		})
	}
}
