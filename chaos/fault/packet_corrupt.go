package fault

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	kernel "github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// packetCorrupt turns a bit over in a share of what arrives at instances.
type packetCorrupt struct {
	impaired
	Corrupt kernel.Corrupt `json:"corrupt"`
}

func init() {
	register(Kind{Name: kernel.PacketCorrupt, On: onInstances, Needs: impairs,
		Doc:    "Turns one bit over in a share of the packets that arrive at an instance; its kernel finds it by the checksum and throws them away.",
		Params: "corrupt: {corrupt: percent, 0.5 to 100}",
		build: byKernel(kernel.PacketCorrupt, "corrupt", func() (chaos.Fault, *impaired, validator) {
			f := &packetCorrupt{}
			return f, &f.impaired, &f.Corrupt
		})})
}

// Probe wants that the share of every victim's echoes does not come back which
// was asked for, that its kernel says that their checksums were wrong, and that
// all come back from an instance that is not harmed; after the lift, all do.
func (f *packetCorrupt) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.whole(ctx, s)
	}
	share := f.Corrupt.Corrupt.Share()
	n := sampleOf(share)
	before, err := f.wrong(ctx, s)
	if err != nil {
		return "", err
	}
	all, err := f.echoes(ctx, s, true, n, echoPatience, func(e, _ Echoes) error {
		if !likely(e.Lost(), e.Sent, share) {
			return fmt.Errorf("%d of %d packets are not answered, want %g %% of them", e.Lost(), e.Sent, f.Corrupt.Corrupt)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	after, err := f.wrong(ctx, s)
	if err != nil {
		return "", err
	}
	lost, sent := total(all)
	counted := 0
	for in, n := range after {
		counted += n - before[in]
	}
	if counted < lost {
		return "", fmt.Errorf("%d of %d packets are not answered, but only %d had a wrong checksum: the others are lost, not corrupt", lost, sent, counted)
	}
	return fmt.Sprintf("%d of %d packets are thrown away for their checksum", lost, sent), nil
}

// Met reports a call to or by one of the victims that failed, or that lasted as
// long as a packet which had to be sent again.
func (f *packetCorrupt) Met(s collector.Span) bool {
	return f.called(s) && (s.Error || s.Duration() >= sentAgain)
}

// wrong is how many echo requests each victim's kernel has thrown away for
// their checksum.
func (f *packetCorrupt) wrong(ctx context.Context, s deploy.System) (map[string]int, error) {
	p, err := deploy.Power[deploy.Inspector](s)
	if err != nil {
		return nil, err
	}
	all := map[string]int{}
	return all, f.each(func(in string) error {
		st, err := p.Inspect(ctx, in)
		if err != nil {
			return err
		}
		b, err := os.ReadFile("/proc/" + strconv.Itoa(st.PID) + "/net/snmp")
		if err != nil {
			return fmt.Errorf("that packets are corrupt, and not lost, cannot be told: %w", err)
		}
		all[in], err = checksumErrors(string(b))
		return err
	})
}

// checksumErrors reads the count for ICMP in /proc/PID/net/snmp: the names of a
// protocol's counters stand in a line, and what they count in the next.
func checksumErrors(snmp string) (int, error) {
	var names []string
	for line := range strings.Lines(snmp) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] != "Icmp:":
		case names == nil:
			names = f
		default:
			if at := slices.Index(names, "InCsumErrors"); at > 0 && at < len(f) {
				return strconv.Atoi(f[at])
			}
		}
	}
	return 0, fmt.Errorf("this kernel does not count wrong checksums")
}
