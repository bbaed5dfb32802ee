package impair

import (
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

// What the kernel and who takes packets from it say to each other, see
// linux/netfilter/nfnetlink_queue.h. All numbers of it are big-endian.
const (
	queuePacket  = unix.NFNL_SUBSYS_QUEUE << 8
	queueVerdict = unix.NFNL_SUBSYS_QUEUE<<8 | 1
	queueConfig  = unix.NFNL_SUBSYS_QUEUE<<8 | 2

	attrPacketHeader  = 1
	attrVerdictHeader = 2
	attrPayload       = 10

	configCommand = 1
	configParams  = 2
	configLength  = 3

	commandBind = 1
	copyPacket  = 2

	verdictDrop   = 0
	verdictAccept = 1
)

const (
	// wholePacket is more than any packet has: the kernel cuts what it sends
	// into packets of the link's size before it hands them over.
	wholePacket = 0xffff
	// headerOnly is enough of a packet whose contents do not matter.
	headerOnly = 20
	// queueLength bounds the packets under way: a gigabit a second for half a
	// second. More than that the kernel throws away, as a router would.
	queueLength = 1 << 16
	// queueBuffer is what the socket may hold, in bytes.
	queueBuffer = 16 << 20
)

// A fate is what becomes of a packet: it is accepted, unless it is lost.
type fate struct {
	lost    bool
	twice   bool // and so is a copy
	late    time.Duration
	changed []byte // its new contents; nil: as they were
}

// A listener takes the packets of one queue.
type listener struct {
	conn  *netlink.Conn
	queue uint16
	again *os.File // where copies arrive; nil: there are none

	mu      sync.Mutex
	waiting schedule
	wake    chan struct{} // buffered: what is due first has changed
}

// listen binds the queue in the network namespace at net.
func listen(net string, queue uint16, copied uint32) (_ *listener, err error) {
	fail := func(err error) (*listener, error) {
		return nil, fmt.Errorf("taking packets from queue %d: %w", queue, err)
	}
	var conn *netlink.Conn
	err = cell.Enter(net, func() (err error) { // a socket stays where it was made
		conn, err = netlink.Dial(unix.NETLINK_NETFILTER, nil)
		return err
	})
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	l := &listener{conn: conn, queue: queue, wake: make(chan struct{}, 1)}
	conn.SetOption(netlink.NoENOBUFS, true) // a burst that is too much is lost, and no error
	if err = conn.SetReadBuffer(queueBuffer); err != nil {
		return fail(err)
	}
	if copied == 0 {
		copied = headerOnly
	}
	for _, a := range []netlink.Attribute{
		{Type: configCommand, Data: []byte{commandBind, 0, 0, unix.AF_INET}},
		{Type: configParams, Data: append(binary.BigEndian.AppendUint32(nil, copied), copyPacket)},
		{Type: configLength, Data: binary.BigEndian.AppendUint32(nil, queueLength)},
	} {
		m, err := l.message(queueConfig, netlink.Request|netlink.Acknowledge, a)
		if err != nil {
			return fail(err)
		}
		if _, err := conn.Execute(m); err != nil {
			conn.Close()
			return fail(err)
		}
	}
	return l, nil
}

// message makes one of ours: attributes behind the family, a version and the
// queue's number.
func (l *listener) message(kind netlink.HeaderType, flags netlink.HeaderFlags, attrs ...netlink.Attribute) (netlink.Message, error) {
	b, err := netlink.MarshalAttributes(attrs)
	head := []byte{unix.AF_UNSPEC, 0, byte(l.queue >> 8), byte(l.queue)}
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: flags}, Data: append(head, b...)}, err
}

// judge asks decide for each packet's fate until ctx is done. Then all that
// wait are let go, and so is the queue: what comes later passes.
func (l *listener) judge(ctx context.Context, decide func([]byte) fate, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	releasing := make(chan struct{})
	go func() {
		defer close(releasing)
		l.release(ctx)
	}()
	stop := context.AfterFunc(ctx, func() { l.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer l.conn.Close()
	defer func() {
		cancel() // if it ends by an error
		<-releasing
		l.due(time.Now().Add(2 * longest)) // all that wait, and what was decided on meanwhile
	}()
	ready()
	for ctx.Err() == nil {
		messages, err := l.conn.Receive()
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			// A burst was too much; or a verdict came when the kernel had forgotten the
			// packet, as it does with all that wait when another harm's table goes.
			if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOENT) {
				continue
			}
			return fmt.Errorf("taking packets from queue %d: %w", l.queue, err)
		}
		now := time.Now()
		for _, m := range messages {
			if m.Header.Type != queuePacket {
				continue
			}
			id, payload, ok := parsePacket(m.Data)
			if !ok {
				continue
			}
			f := decide(payload)
			if f.twice && l.again != nil {
				l.again.Write(payload) // one that does not fit is not sent twice
			}
			if f.late <= 0 {
				l.say(id, f)
				continue
			}
			l.wait(packet{id: id, due: now.Add(f.late), fate: f})
		}
	}
	return nil
}

// parsePacket reads the kernel's message about one packet: its number and as
// much of its contents as was asked for.
func parsePacket(b []byte) (id uint32, payload []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, false
	}
	attrs, err := netlink.UnmarshalAttributes(b[4:])
	if err != nil {
		return 0, nil, false
	}
	for _, a := range attrs {
		switch a.Type {
		case attrPacketHeader:
			if len(a.Data) >= 4 {
				id, ok = binary.BigEndian.Uint32(a.Data), true
			}
		case attrPayload:
			payload = a.Data
		}
	}
	return id, payload, ok
}

// say tells the kernel what becomes of a packet.
func (l *listener) say(id uint32, f fate) {
	verdict := uint32(verdictAccept)
	if f.lost {
		verdict = verdictDrop
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, verdict), id)
	attrs := []netlink.Attribute{{Type: attrVerdictHeader, Data: head}}
	if f.changed != nil {
		attrs = append(attrs, netlink.Attribute{Type: attrPayload, Data: f.changed})
	}
	if m, err := l.message(queueVerdict, netlink.Request, attrs...); err == nil {
		l.conn.Send(m) // the kernel may have forgotten the packet, with its link
	}
}

func (l *listener) wait(p packet) {
	l.mu.Lock()
	heap.Push(&l.waiting, p)
	first := l.waiting[0].id == p.id
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// due lets the packets go that are due at that time, and returns for how long
// the next one is not.
func (l *listener) due(now time.Time) time.Duration {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.mu.Unlock()
			return time.Hour // or until there is one
		}
		if left := l.waiting[0].due.Sub(now); left > 0 {
			l.mu.Unlock()
			return left
		}
		p := heap.Pop(&l.waiting).(packet)
		l.mu.Unlock()
		l.say(p.id, p.fate)
	}
}

// release lets packets go when they are due, until ctx is done.
func (l *listener) release(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		if ctx.Err() != nil {
			return
		}
		t.Reset(l.due(time.Now()))
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-t.C:
		}
	}
}

// A packet waits for its time.
type packet struct {
	id  uint32
	due time.Time
	fate
}

// A schedule is packets, a heap by the time at which they are due; of two that
// are due together, the first that came goes first.
type schedule []packet

func (s schedule) Len() int { return len(s) }
func (s schedule) Less(i, j int) bool {
	if s[i].due.Equal(s[j].due) {
		return s[i].id < s[j].id
	}
	return s[i].due.Before(s[j].due)
}
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)   { *s = append(*s, x.(packet)) }
func (s *schedule) Pop() any {
	last := len(*s) - 1
	p := (*s)[last]
	*s = (*s)[:last]
	return p
}

// listening reports whether the kernel says that somebody takes packets from
// the queue.
func listening(net string, queue uint16) (bool, error) {
	var b []byte
	err := cell.Enter(net, func() (err error) {
		b, err = os.ReadFile(fmt.Sprintf("/proc/self/task/%d/net/netfilter/nfnetlink_queue", unix.Gettid()))
		return err
	})
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 0 && f[0] == strconv.Itoa(int(queue)) {
			return true, nil
		}
	}
	return false, nil
}
