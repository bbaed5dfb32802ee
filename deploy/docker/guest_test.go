package docker

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// A daemon that hangs does not keep a keeper that asks why a life has ended.
func TestWhyDoesNotHang(t *testing.T) {
	over := make(chan struct{})
	d := playing(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-over:
		}
	})
	defer close(over)
	closed := make(chan struct{})
	close(closed)
	v := &visit{life: &life{daemon: d, container: "c1", died: closed, ended: closed, heard: closed, deafen: func() {}}, left: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := v.End(ctx); err == nil {
		t.Error("a daemon that hangs has said that it is over")
	}
	why := make(chan error, 1)
	go func() { why <- v.Why() }()
	select {
	case err := <-why:
		if err == nil {
			t.Error("there is no reason")
		}
	case <-time.After(labTime):
		t.Fatal("the keeper hangs")
	}
}
