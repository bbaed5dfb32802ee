package bedlam

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestBounds has the ranks that tables of the sign test give.
func TestBounds(t *testing.T) {
	for n, rank := range map[int]int{1: 0, 4: 0, 5: 1, 7: 1, 8: 2, 11: 3, 20: 6} {
		var all []float64
		for i := range n {
			all = append(all, float64(n-i)) // not in order
		}
		least, most, ok := bounds(all)
		if ok != (rank > 0) || least != float64(rank) || ok && most != float64(n+1-rank) {
			t.Errorf("of %d values they are the %vth and the %vth (%t), want %d from each end", n, least, most, ok, rank)
		}
	}
}

// TestFaultsTable has five rounds with everything, in which the throughput is on
// both sides of its target, and one without haproxy, which decides nothing alone.
func TestFaultsTable(t *testing.T) {
	var whole []map[benchKey]float64
	for _, bulk := range []float64{950, 500, 950, 500, 500} {
		whole = append(whole, map[benchKey]float64{
			{benchRequestRate, benchDirect}: 400, {benchRequestRate, benchOurs}: 300, {benchRequestRate, benchHAProxy}: 200,
			{benchRequestCPU, benchOurs}: 20, {benchRequestCPU, benchHAProxy}: 15,
			{benchAlone, benchDirect}: 30, {benchAlone, benchOurs}: 50, {benchAlone, benchHAProxy}: 40,
			{benchBulk, benchDirect}: 1000, {benchBulk, benchOurs}: bulk,
			{benchLate(100), benchToxiproxy}: 6, {benchLate(100), benchOurs}: 2,
			{benchLate(1000), benchToxiproxy}: 6, {benchLate(1000), benchOurs}: -1, // the control was the unlucky one
			{benchNarrow, benchOurs}: 6, {benchApply, benchOurs}: 5, {benchApply, benchFloor}: 2,
			{benchPacketApply, benchOurs}: 101, {benchPacketApply, benchFloor}: 40, {benchPacketLift, benchOurs}: bulk / 10,
		})
	}
	alone := []map[benchKey]float64{{{benchBulk, benchDirect}: 1000, {benchBulk, benchOurs}: 950}}
	counted := map[string]benchCount{benchShares()[0].name: {300, 1000}, benchShares()[1].name: {500, 5000}, benchShares()[3].name: {93, 1000}}
	for _, c := range []struct {
		rounds    []map[benchKey]float64
		counts    map[string]benchCount
		noPackets error
		want      []string
	}{
		{whole, counted, nil, []string{
			"no such proxy",
			"bedlam : haproxy 1.50 1.50 1.50 1.00 met",
			"CPU of such a request, haproxy : bedlam 0.75 0.75 0.75 bulk", // no target
			"bulk throughput, bedlam : direct 0.50 0.50 0.95 0.90 undecided",
			"haproxy : bedlam 0.50 0.50 0.50 1.00 missed",
			"at 100 connections, toxiproxy : bedlam 3.00 3.00 3.00 2.00 met",
			"at 1000 connections, toxiproxy : bedlam 120.00 120.00 120.00 2.00 met",
			"error of 1 MB/s, 3 % : bedlam 0.50 0.50 0.50 1.00 missed",
			"rule applied under 100 connections, ms 2.00 5.00 5.00 5.00 10.00 met",
			"rule lifted under 100 connections, ms – –",
			"packet_delay applied in a namespace, ms 40.00 101.00 101.00 101.00 100.00 missed",
			"packet_delay lifted in a namespace, ms – 50.00 50.00 95.00 100.00 met",
			"requests aborted (relay, abort by percent) 30.00% 300 of 1000 26.41–33.85% met",
			"KiB with a wrong bit (relay, corrupt by percent) 5.00% 500 of 5000 8.96–11.15% missed",
			"by toxicity) 25.00% – – packets lost (kernel, packet_loss) 10.00% 93 of 1000 7.20–11.94% met",
			"bulk throughput, MB/s 1000 500",
			"error of 1 MB/s, % – 6",
		}},
		{alone, nil, errors.New("no root"), []string{
			"bedlam : haproxy –",
			"bulk throughput, bedlam : direct 0.95 – – 0.90 undecided",
			"error of 1 MB/s, % – –",
			"packet_delay applied in a namespace, ms – – cannot be measured here: no root",
			"packets lost (kernel, packet_loss) 10.00% – – cannot be counted here: no root",
			"by percent) 30.00% – – KiB",
		}},
	} {
		table := FaultsBenchmark{Ways: []string{benchDirect, benchOurs}, Missing: []string{"no such proxy"}, rounds: c.rounds, counts: c.counts, noPackets: c.noPackets}.String()
		for _, want := range c.want {
			if !strings.Contains(strings.Join(strings.Fields(table), " "), want) {
				t.Errorf("there is no %q in\n%s", want, table)
			}
		}
	}
}

// TestFaultsResult reads a result again as it is kept: what was measured is
// there, what was not has no figure.
func TestFaultsResult(t *testing.T) {
	b := FaultsBenchmark{Ways: []string{benchDirect, benchOurs}, noPackets: errors.New("no root"),
		rounds: []map[benchKey]float64{{{benchApply, benchOurs}: 5, {benchApply, benchFloor}: 2, {benchBulk, benchDirect}: 1000}},
		counts: map[string]benchCount{benchShares()[0].name: {300, 1000}}}
	line, err := json.Marshal(b.Result())
	if err != nil {
		t.Fatal(err)
	}
	var r FaultsResult
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatal(err)
	}
	if r.Date.IsZero() || r.Rounds != 1 || len(r.Ratios) != len(benchTargets()) || r.Ratios[0].FaultsSpread != nil || r.Medians[benchBulk][benchDirect] != 1000 {
		t.Errorf("read again it is %+v", r)
	}
	if apply := r.Times[0]; apply.FaultsSpread == nil || apply.Median != 5 || apply.Least != nil || *apply.Floor != 2 || apply.Verdict != benchUndecided {
		t.Errorf("a time that was measured once: %+v", apply)
	}
	if packets := r.Times[2]; packets.FaultsSpread != nil || packets.Verdict != "" || packets.Why != "no root" {
		t.Errorf("a time that was not measured: %+v", packets)
	}
	if s := r.Shares[0]; s.Seen != 300 || s.Of != 1000 || s.Asked != 0.3 || s.Least >= 0.3 || s.Most <= 0.3 || s.Verdict != benchMet {
		t.Errorf("a share: %+v", s)
	}
	if s := r.Shares[3]; s.Of != 0 || s.Verdict != "" || s.Why != "no root" {
		t.Errorf("a share that was not counted: %+v", s)
	}
}

// TestBenchServer asks the server of the comparison for each of its pages, and
// ends its input.
func TestBenchServer(t *testing.T) {
	in, parent := io.Pipe()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- BenchServer(t.Context(), in, out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	address := string(bytes.TrimSpace(line[:n]))
	all, err := visitors(t.Context(), address, 3)
	if err != nil {
		t.Fatal(err)
	}
	asked := time.Now()
	if err := all[0].ask(benchWait); err != nil || time.Since(asked) < benchDelay {
		t.Errorf("it waits for %s, %v", time.Since(asked), err)
	}
	if err := all[1].ask("/none"); err == nil {
		t.Error("a page that is not there is no error")
	}
	leave(all)
	if rate, _, err := poured(t.Context(), address, time.Millisecond); err != nil || rate <= 0 {
		t.Errorf("it pours %v bytes a second, %v", rate, err)
	}
	parent.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := visit(context.Background(), address); err == nil {
		t.Error("its parent has gone, and it still listens")
	}
}
