package supervise_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/supervise"
)

func TestBlocksDoNotMeet(t *testing.T) {
	seen := map[int]bool{}
	for _, n := range []int{1, 90, supervise.BlockSize, supervise.BlockSize + 1, 3} {
		ports, release, err := take(n)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if len(ports) != n {
			t.Errorf("got %d ports, want %d", len(ports), n)
		}
		for _, p := range ports {
			if seen[p] || p < supervise.FirstPort || p > supervise.LastPort {
				t.Errorf("port %d is taken twice or lies outside", p)
			}
			seen[p] = true
		}
	}
}

func TestBlockIsFreeAgain(t *testing.T) {
	first, release, err := take(2)
	if err != nil {
		t.Fatal(err)
	}
	release()
	again, release, err := take(2)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	// Somebody else may have come in between, but not to an earlier one.
	if again[0] < first[0] {
		t.Errorf("first came %d, then %d", first[0], again[0])
	}
}

// TestBlockIsInUse has somebody who knows nothing of our claims listen in a block.
func TestBlockIsInUse(t *testing.T) {
	ports, release, err := take(5)
	if err != nil {
		t.Fatal(err)
	}
	release()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports[3]))
	if err != nil {
		t.Skip("somebody was quicker: ", err)
	}
	defer l.Close()
	other, release, err := take(5)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if other[0] == ports[0] {
		t.Error("a block was taken although somebody listens in it")
	}
}

func TestTooManyPorts(t *testing.T) {
	if ports, release, err := take(supervise.LastPort - supervise.FirstPort + 2); err == nil {
		release()
		t.Errorf("got %d ports", len(ports))
	}
}

func take(n int) (ports []int, release func(), err error) {
	b, err := supervise.TakeBlock(n)
	if err != nil {
		return nil, nil, err
	}
	return b.Ports(), b.Release, nil
}
