package impair

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/cell"
)

func init() {
	register(PacketBandwidth, func(i deploy.Impairment) (Harm, error) {
		var b Bandwidth
		return narrow{&b}, arguments(i.Args, &b, func() error { return b.Validate() })
	})
}

// narrow limits what an instance sends, by a queue in front of its device:
//
//	htb (sorts) ─┬─ tbf (limits) ── everything
//	             └─ at once ─────── the run's own record
type narrow struct{ *Bandwidth }

// The handle of our queue is one that nobody takes by chance, and that no
// kernel gives out by itself.
const handle = 0xbed

const (
	// segment is how much of a full packet is payload, and frame is how long it
	// is on the link: a rate is one of payload, and the kernel counts frames.
	segment, frame = 1448, 1514
	// burst is how much may go at once: the least that a full packet passes,
	// and what the rate carries in tick more.
	burst = 1600
	tick  = 10 * time.Millisecond
	// queueTime is how much waits, as time: a router's buffer, not a store.
	queueTime = 200 * time.Millisecond
	// leastQueue holds the packets of a connection's first round trip.
	leastQueue = 16 << 10
	// sortRate is no limit; the queue that sorts wants one.
	sortRate = 16_000_000_000 // bits a second
)

var _ Packets = narrow{}

// Can implements [Harm].
func (n narrow) Can(t Target) error {
	return inTrial(t, fmt.Sprint(PacketBandwidth, n.Rate), n.Try)
}

// Try implements [Packets].
func (n narrow) Try(net string) error {
	err := n.Apply(context.Background(), Target{Net: net, Device: "lo"}, nil)
	return unable(err, "one with sch_htb, sch_tbf and cls_u32")
}

// Apply implements [Harm].
func (n narrow) Apply(_ context.Context, t Target, _ func(any) error) error {
	return cell.Enter(t.Net, func() error {
		link, err := netlink.LinkByName(t.Device)
		if err != nil {
			return fmt.Errorf("looking for %s: %w", t.Device, err)
		}
		at := link.Attrs().Index
		sorter := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: at, Handle: netlink.MakeHandle(handle, 0), Parent: netlink.HANDLE_ROOT})
		sorter.Defcls = 1
		if err := netlink.QdiscAdd(sorter); err != nil {
			return fmt.Errorf("putting a queue before %s: %w", t.Device, err)
		}
		class := netlink.MakeHandle(handle, 1)
		err = netlink.ClassAdd(netlink.NewHtbClass(netlink.ClassAttrs{LinkIndex: at, Parent: netlink.MakeHandle(handle, 0), Handle: class},
			netlink.HtbClassAttrs{Rate: sortRate, Ceil: sortRate}))
		if err != nil {
			return fmt.Errorf("sorting what leaves by %s: %w", t.Device, err)
		}
		for _, s := range t.Spared {
			a := s.Addr().As4()
			err := netlink.FilterAdd(&netlink.U32{
				FilterAttrs: netlink.FilterAttrs{LinkIndex: at, Parent: netlink.MakeHandle(handle, 0), Priority: 1, Protocol: unix.ETH_P_IP},
				ClassId:     netlink.MakeHandle(handle, 0), // the sorter's own: past every class
				Sel: &netlink.TcU32Sel{Flags: netlink.TC_U32_TERMINAL, Nkeys: 3, Keys: []netlink.TcU32Key{
					{Off: 8, Mask: 0x00ff0000, Val: unix.IPPROTO_TCP << 16},
					{Off: 16, Mask: 0xffffffff, Val: binary.BigEndian.Uint32(a[:])},
					{Off: 20, Mask: 0x0000ffff, Val: uint32(s.Port())}, // behind a header without options
				}},
			})
			if err != nil {
				return fmt.Errorf("sparing what goes to %s: %w", s, err)
			}
		}
		rate := uint64(float64(n.Rate) * frame / segment)
		much := uint32(burst + float64(rate)*tick.Seconds())
		err = netlink.QdiscAdd(&netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: at, Handle: netlink.MakeHandle(handle+1, 0), Parent: class},
			Rate:       rate,
			Buffer:     netlink.Xmittime(rate, much),
			Limit:      max(leastQueue, uint32(float64(rate)*queueTime.Seconds())) + much,
		})
		if err != nil {
			return fmt.Errorf("limiting what leaves by %s: %w", t.Device, err)
		}
		return nil
	})
}

// Undo implements [Harm].
func (n narrow) Undo(_ context.Context, t Target, _ json.RawMessage) error {
	if t.Net == "" || !exists(t.Net) {
		return nil // and the device with it
	}
	return cell.Enter(t.Net, func() error {
		ours, err := queueOf(t.Device)
		if err != nil || ours == nil {
			return err
		}
		if err := netlink.QdiscDel(ours); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("taking the queue before %s away: %w", t.Device, err)
		}
		return nil
	})
}

// Shows implements [Harm].
func (n narrow) Shows(_ context.Context, t Target) (shows bool, err error) {
	if t.Net == "" || !exists(t.Net) {
		return false, nil
	}
	err = cell.Enter(t.Net, func() error {
		ours, err := queueOf(t.Device)
		shows = ours != nil
		return err
	})
	return shows, err
}

// queueOf returns our queue before a device; nil if there is none.
func queueOf(device string) (netlink.Qdisc, error) {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", device, err)
	}
	all, err := netlink.QdiscList(link)
	for errors.Is(err, netlink.ErrDumpInterrupted) {
		all, err = netlink.QdiscList(link)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the queues before %s: %w", device, err)
	}
	for _, q := range all {
		if a := q.Attrs(); a.Parent == netlink.HANDLE_ROOT && a.Handle == netlink.MakeHandle(handle, 0) {
			return q, nil
		}
	}
	return nil, nil
}
