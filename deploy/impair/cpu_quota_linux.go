package impair

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(CPUQuota, func(i deploy.Impairment) (Harm, error) {
		var q Quota
		return cpuQuota{&q}, arguments(i.Args, &q, func() error { return q.Validate() })
	})
}

// cpuQuota narrows the bandwidth of an instance's cgroup. It stays there from
// one life to the next.
type cpuQuota struct{ *Quota }

// A share is what a cgroup may take of the processors: so many microseconds
// (negative: no limit) in each period.
type share struct {
	Quota  int64 `json:"quota"`
	Period int64 `json:"period"`
}

func (q cpuQuota) want() share {
	period := QuotaPeriod.Microseconds()
	return share{int64(q.CPUs * float64(period)), period}
}

// Can implements [Harm].
func (q cpuQuota) Can(t Target) error {
	g, err := own(t, "cpu", "processors")
	if err != nil {
		return err
	}
	if g.V2 {
		return g.has("cpu.max")
	}
	return g.has("cpu.cfs_quota_us")
}

// Apply implements [Harm].
func (q cpuQuota) Apply(_ context.Context, t Target, save func(any) error) error {
	g, err := own(t, "cpu", "processors")
	if err != nil {
		return err
	}
	before, err := g.share()
	if err != nil {
		return err
	}
	want := q.want()
	if before.Quota >= 0 && float64(before.Quota)/float64(before.Period) <= q.CPUs {
		return fmt.Errorf("it may not take more than that already: %d of each %d microseconds", before.Quota, before.Period)
	}
	if err := save(before); err != nil {
		return err
	}
	return g.setShare(want)
}

// Undo implements [Harm].
func (q cpuQuota) Undo(_ context.Context, t Target, before json.RawMessage) error {
	g, err := own(t, "cpu", "processors")
	if err != nil || g.gone() || len(before) == 0 {
		return err
	}
	var was share
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	return g.setShare(was)
}

// Shows implements [Harm].
func (q cpuQuota) Shows(_ context.Context, t Target) (bool, error) {
	g, err := own(t, "cpu", "processors")
	if err != nil || g.gone() {
		return false, err
	}
	now, err := g.share()
	return now == q.want(), err
}

func (g Cgroup) share() (share, error) {
	if !g.V2 {
		quota, err := g.Number("cpu.cfs_quota_us", "")
		if err != nil {
			return share{}, err
		}
		period, err := g.Number("cpu.cfs_period_us", "")
		return share{quota, period}, err
	}
	text, err := g.read("cpu.max")
	if err != nil {
		return share{}, err
	}
	return parseMax(text)
}

// parseMax reads cpu.max: a number of microseconds or max, and the period.
func parseMax(text string) (share, error) {
	quota, period, _ := strings.Cut(text, " ")
	s := share{Quota: -1}
	var err error
	if s.Period, err = strconv.ParseInt(period, 10, 64); err == nil && quota != "max" {
		s.Quota, err = strconv.ParseInt(quota, 10, 64)
	}
	if err != nil {
		return s, fmt.Errorf("reading cpu.max: %w", err)
	}
	return s, nil
}

func (g Cgroup) setShare(s share) error {
	if g.V2 {
		quota := "max"
		if s.Quota >= 0 {
			quota = strconv.FormatInt(s.Quota, 10)
		}
		return g.write("cpu.max", fmt.Sprintf("%s %d", quota, s.Period))
	}
	// The kernel refuses a quota that is larger than its parent's share of the
	// period: so the period first, while there is none.
	for _, step := range [][2]string{{"cpu.cfs_quota_us", "-1"}, {"cpu.cfs_period_us", strconv.FormatInt(s.Period, 10)},
		{"cpu.cfs_quota_us", strconv.FormatInt(s.Quota, 10)}} {
		if err := g.write(step[0], step[1]); err != nil {
			return err
		}
	}
	return nil
}
