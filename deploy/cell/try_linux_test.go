package cell_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

// A trial is over when it is over: its link goes with its namespace.
func TestTry(t *testing.T) {
	if err := cell.Check(); err != nil {
		t.Skip(err)
	}
	if err := cell.Try(); err != nil {
		t.Skip(err)
	}
	for {
		all, err := net.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		for _, i := range all {
			if strings.HasPrefix(i.Name, "bdlt") {
				left++ // others may try at the same time, and none for long
			}
		}
		if left == 0 {
			return
		}
		if t.Context().Err() != nil {
			t.Fatalf("%d links are left", left)
		}
		time.Sleep(time.Millisecond) // the kernel takes namespaces apart by the way
	}
}
