package relay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// A new kind is one file. This one cuts bytes into single ones, a millisecond
// apart, and resets the connection after ten: pieces, pace and a mark of its
// own, which is all that a bandwidth, a slicer or a limit will need.
type drip struct {
	passed int
	next   time.Time
}

func init() {
	register(Kind{Name: "test-drip", Doc: "Drips."}, func(deploy.Rule) (harm, error) { return &drip{}, nil })
}

func (*drip) meet(func(deploy.Direction) *rand.Rand) effect { return effect{to: &drip{}} }

func (d *drip) shape(c chunk, emit func(chunk)) bool {
	if c.mark != payload {
		emit(c)
		return false
	}
	for i := range c.data {
		if d.next = d.next.Add(time.Millisecond); d.next.Before(c.at) {
			d.next = c.at
		}
		if d.passed == 10 {
			emit(chunk{mark: broken, at: d.next})
			return true
		}
		d.passed++
		emit(chunk{data: c.data[i : i+1], at: d.next})
	}
	return true
}

func TestANewKind(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	config := fmt.Sprintf(`{"control":"127.0.0.1:0","token":"0123456789abcdef","edges":[
		{"link":{"from":"a-1","to":"b-1"},"protocol":"grpc","listen":"127.0.0.1:0","upstream":%q}]}`, ln.Addr())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Main(ctx, strings.NewReader(config), in) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready struct{ Control string }
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	client := NewClient(ready.Control, "0123456789abcdef")
	err = client.Shape(ctx, deploy.Rule{ID: "r", Kind: "test-drip", Links: []topology.Link{{From: "a-1", To: "b-1"}}, TTL: topology.Duration(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	stats, err := client.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := net.Dial("tcp", stats[0].Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	if _, err := io.WriteString(caller, "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	callee, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer callee.Close()
	got, err := io.ReadAll(callee)
	if string(got) != "0123456789" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %q, %v; want ten bytes and a reset", got, err)
	}
}
