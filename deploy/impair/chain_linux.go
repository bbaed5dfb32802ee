package impair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

// A chain is a chain of iptables in an instance's own network namespace, to
// which every packet of some hooks goes first: those of the run's own record
// come back from it, and the others go to a target.
type chain struct {
	table, name string
	hooks       []string
	match       []string // which packets, if not all
	target      []string
	last        bool // behind all other rules of the hooks
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

// program finds one of iptables' programs, also where the path of an account
// does not hold what is for the machine's owner.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, folder := range []string{"/usr/sbin", "/sbin"} {
		if at := filepath.Join(folder, name); executable(at) {
			return at, nil
		}
	}
	return "", Lacks("there is no "+name, "apt-get install iptables")
}

func executable(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.Mode().IsRegular() && i.Mode()&0o111 != 0
}

var (
	triedMu sync.Mutex
	tried   = map[string]bool{} // by table and target: that it has been done
)

// can tries the chain, and what else is needed, in a namespace that nobody
// lives in: what the kernel has is best asked of the kernel.
func (c chain) can(t Target, besides func(net string) error) error {
	if t.Net == "" {
		return Lacks("it shares this machine's network", "--isolation full gives each instance its own, as root on Linux")
	}
	if _, err := program("iptables-restore"); err != nil {
		return err
	}
	key := fmt.Sprint(c.table, c.hooks, c.target)
	triedMu.Lock()
	defer triedMu.Unlock()
	if tried[key] {
		return nil
	}
	err := cell.Trial(func(net string) error {
		if besides != nil {
			if err := besides(net); err != nil {
				return err
			}
		}
		return c.insert(context.Background(), Target{Net: net})
	})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		err = Lacks("this kernel does not do it: "+err.Error(), "one with nf_tables or ip_tables, and xt_NFQUEUE")
	}
	tried[key] = err == nil
	return err
}

// insert makes the chain and sends packets to it, all at once.
func (c chain) insert(ctx context.Context, t Target) error {
	var b strings.Builder
	fmt.Fprintf(&b, "*%s\n:%s - [0:0]\n", c.table, c.name)
	for _, s := range t.Spared {
		fmt.Fprintf(&b, "-A %s -p tcp -s %s --sport %d -j RETURN\n", c.name, s.Addr(), s.Port())
		fmt.Fprintf(&b, "-A %s -p tcp -d %s --dport %d -j RETURN\n", c.name, s.Addr(), s.Port())
	}
	fmt.Fprintf(&b, "-A %s %s -j %s\n", c.name, strings.Join(c.match, " "), strings.Join(c.target, " "))
	where := "-I"
	if c.last {
		where = "-A"
	}
	for _, hook := range c.hooks {
		fmt.Fprintf(&b, "%s %s -j %s\n", where, hook, c.name)
	}
	b.WriteString("COMMIT\n")
	return c.restore(ctx, t, b.String())
}

// remove takes away what there is of the chain.
func (c chain) remove(ctx context.Context, t Target) error {
	if t.Net == "" || !exists(t.Net) {
		return nil // and everything in it with it
	}
	rules, err := c.rules(ctx, t)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range rules {
		if strings.HasPrefix(r, "-A ") && strings.HasSuffix(r, " -j "+c.name) {
			b.WriteString("-D" + strings.TrimPrefix(r, "-A") + "\n")
		}
	}
	for _, r := range rules {
		if r == "-N "+c.name {
			fmt.Fprintf(&b, "-F %s\n-X %[1]s\n", c.name)
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return c.restore(ctx, t, "*"+c.table+"\n"+b.String()+"COMMIT\n")
}

// inserted reports whether packets of every hook go to the chain.
func (c chain) inserted(ctx context.Context, t Target) (bool, error) {
	if t.Net == "" || !exists(t.Net) {
		return false, nil
	}
	rules, err := c.rules(ctx, t)
	if err != nil {
		return false, err
	}
	found := 0
	for _, r := range rules {
		for _, hook := range c.hooks {
			if r == "-A "+hook+" -j "+c.name {
				found++
			}
		}
	}
	return found >= len(c.hooks), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// rules returns the table's rules, as iptables writes them.
func (c chain) rules(ctx context.Context, t Target) ([]string, error) {
	out, err := run(ctx, t.Net, "", "iptables", "-w", waitSeconds, "-t", c.table, "-S")
	return strings.Split(out, "\n"), err
}

func (c chain) restore(ctx context.Context, t Target, rules string) error {
	_, err := run(ctx, t.Net, rules, "iptables-restore", "-w", waitSeconds, "--noflush")
	return err
}

// waitSeconds is how long to wait for others who change rules: the lock is the
// whole machine's.
const waitSeconds = "5"

// run runs a program in a network namespace and returns what it says.
func run(ctx context.Context, net, stdin string, name string, words ...string) (string, error) {
	path, err := program(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, words...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
	if err := cell.Enter(net, cmd.Start); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.String(), nil
}
