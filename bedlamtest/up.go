package bedlamtest

import (
	"testing"

	"github.com/bedlamlab/bedlam"
)

// Up starts a shop, with as many customers as o.Rate says, and returns where
// it is. It is taken down at the end of the test, which fails if anything is
// left.
func Up(t testing.TB, o Options) bedlam.URLs {
	t.Helper()
	b := prepared(t, o)
	b.Out = folder(t, o, "up")
	ctx, cancel := patience(t)
	ready := make(chan bedlam.URLs, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- bedlam.Up(ctx, bedlam.UpOptions{Options: b, Listen: "127.0.0.1:0", Ready: func(u bedlam.URLs) { ready <- u }})
	}()
	select {
	case u := <-ready:
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("taking the shop down: %v", err)
			}
		})
		return u
	case err := <-ended:
		cancel()
		t.Fatalf("bringing the shop up: %v", err)
		return bedlam.URLs{}
	}
}
