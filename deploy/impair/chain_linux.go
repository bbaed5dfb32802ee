package impair

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

// A chain is a table of nf_tables of our own in an instance's network namespace,
// which packets of some hooks pass: those of the run's own record go on, and for
// the others there is a verdict. The kernel is asked itself, so that no program
// need be where this is done.
type chain struct {
	name  string // of the table; its chains are called by their hooks
	at    []place
	match []expr.Any // which packets, if not all
	// verdict is what the last rule says, in several ways, of which a kernel may
	// know but one.
	verdict [][]expr.Any
}

// A place is where in the kernel packets pass: of several chains at one hook,
// those with the lower priority first.
type place struct {
	name     string
	hook     *nftables.ChainHook
	priority nftables.ChainPriority
}

var (
	triedMu sync.Mutex
	tried   = map[string]bool{} // by what: that it has been done
)

// inTrial does something once where nobody lives: what the kernel can do is best
// asked of the kernel. Of a kernel that could, it is not asked again.
func inTrial(t Target, what string, try func(net string) error) error {
	if t.Net == "" {
		return Lacks("it shares this machine's network", "--isolation full gives each instance its own, as root on Linux; so does --engine docker")
	}
	triedMu.Lock()
	defer triedMu.Unlock()
	if tried[what] {
		return nil
	}
	err := cell.Trial(try)
	tried[what] = err == nil
	return err
}

// unable says what a kernel lacks that has refused something.
func unable(err error, remedy string) error {
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return Lacks("this kernel does not do it: "+err.Error(), remedy)
}

// table is the chain's table, without what is in it.
func (c chain) table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyIPv4, Name: c.name}
}

// insert has packets pass the chain, all at once. What there was of it goes.
func (c chain) insert(t Target) error {
	return cell.Enter(t.Net, func() error {
		var refused error
		for _, verdict := range c.verdict {
			conn, err := nftables.New()
			if err != nil {
				return err
			}
			conn.AddTable(c.table()) // so that it can be deleted
			conn.DelTable(c.table())
			table := conn.AddTable(c.table())
			for _, at := range c.at {
				in := conn.AddChain(&nftables.Chain{Name: at.name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: at.hook, Priority: &at.priority})
				for _, exprs := range append(spared(t), append(c.match[:len(c.match):len(c.match)], verdict...)) {
					conn.AddRule(&nftables.Rule{Table: table, Chain: in, Exprs: exprs})
				}
			}
			err = conn.Flush()
			if err == nil {
				return nil
			}
			refused = errors.Join(refused, fmt.Errorf("making table %s: %w", c.name, err))
		}
		return refused
	})
}

// Where in a packet of IPv4 and TCP things stand, in bytes from the beginning of
// its header.
const (
	protocolAt = 9
	fromAt     = 12
	toAt       = 16
	fromPortAt = 0
	toPortAt   = 2
)

// spared are the rules that let go on what comes from or goes to whom no harm
// may touch.
func spared(t Target) [][]expr.Any {
	var all [][]expr.Any
	for _, s := range t.Spared {
		address, port := s.Addr().As4(), []byte{byte(s.Port() >> 8), byte(s.Port())}
		for _, way := range []struct{ address, port uint32 }{{fromAt, fromPortAt}, {toAt, toPortAt}} {
			var rule []expr.Any
			for _, field := range []struct {
				base expr.PayloadBase
				at   uint32
				is   []byte
			}{
				{expr.PayloadBaseNetworkHeader, protocolAt, []byte{unix.IPPROTO_TCP}},
				{expr.PayloadBaseNetworkHeader, way.address, address[:]},
				{expr.PayloadBaseTransportHeader, way.port, port},
			} {
				rule = append(rule,
					&expr.Payload{DestRegister: 1, Base: field.base, Offset: field.at, Len: uint32(len(field.is))},
					&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: field.is})
			}
			all = append(all, append(rule, &expr.Verdict{Kind: expr.VerdictReturn}))
		}
	}
	return all
}

// remove takes away what there is of the chain.
func (c chain) remove(t Target) error {
	if t.Net == "" || !exists(t.Net) {
		return nil // and everything in it with it
	}
	return cell.Enter(t.Net, func() error {
		n, err := c.chains()
		if err != nil || n == 0 {
			return err
		}
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		conn.DelTable(c.table())
		if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("removing table %s: %w", c.name, err)
		}
		return nil
	})
}

// inserted reports whether packets of every hook pass the chain.
func (c chain) inserted(_ context.Context, t Target) (is bool, err error) {
	if t.Net == "" || !exists(t.Net) {
		return false, nil
	}
	err = cell.Enter(t.Net, func() error {
		n, err := c.chains()
		is = n == len(c.at)
		return err
	})
	return is, err
}

// chains counts those of the table that the kernel has in this namespace.
func (c chain) chains() (int, error) {
	conn, err := nftables.New()
	if err != nil {
		return 0, err
	}
	all, err := conn.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return 0, fmt.Errorf("reading the chains of nf_tables: %w", err)
	}
	n := 0
	for _, found := range all {
		if found.Table != nil && found.Table.Name == c.name {
			n++
		}
	}
	return n, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
