package relay_test

import (
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// segments is how many segments with data the kernel has received on c.
func segments(t *testing.T, c *net.TCPConn) uint32 {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	var got error
	if err := raw.Control(func(fd uintptr) { info, got = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil || got != nil {
		t.Fatal(err, got)
	}
	return info.Data_segs_in
}

// Pieces are segments of their own on the wire, as the kernel that receives
// them counts: nothing puts them together again.
func TestSlicerSendsSegments(t *testing.T) {
	const text = "ten pieces of these"
	for args, least := range map[string]uint32{`{"average_size":2,"delay":"1ms"}`: 10, `{"average_size":2}`: 10} {
		r := between(t, serve(t, func(c *net.TCPConn) {
			defer c.Close()
			if _, err := io.ReadFull(c, make([]byte, len(text))); err == nil {
				fmt.Fprint(c, segments(t, c), " ")
			}
			io.Copy(io.Discard, c)
		}))
		r.shape(rule("r", "slicer", "to", args))
		c := r.dial()
		io.WriteString(c, text)
		var got uint32
		if _, err := fmt.Fscan(c, &got); err != nil {
			t.Fatal(err)
		}
		if got < least {
			t.Errorf("%s: %q came in %d segments, want %d", args, text, got, least)
		}
	}
}
